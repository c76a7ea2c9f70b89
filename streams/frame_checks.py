"""What the types of frames do not say: numbers that the next stage could not reckon with.

Frames are made by our own stages, yet their topics can be written by others, and by other versions. One frame that made
a stage fail would make it fail again after each restart.
"""

from collections.abc import Iterable

from detectors.decisions import StressFrame
from detectors.events import LARGEST_NUMBER, LATEST_TIMESTAMP_US
from detectors.results import Activity, ActivityFrame, LeverageMove, Signal, SignalFrame

#: There are at most so many ticks a second.
_LATEST_TICK = LATEST_TIMESTAMP_US // 1_000
#: Far above any sum of events' notional, far below what a float cannot hold any more.
_MOST_BITS = 200
_LARGEST_SUM = 2**_MOST_BITS - 1


def activity_fault(frame: ActivityFrame) -> str | None:
    """Say what is wrong with a frame of activity; None when nothing is.

    Examples
    --------
    >>> activity_fault(ActivityFrame("market/0", 100_000, False, ((0, (), (Activity("a", "BTC", -1, 0, 0, 0),)),)))
    'Expected counts of activity >= 0 and of at most 200 bits, got (-1, 0, 0, 0) - at `$[3][0]`'
    """
    for place, (_, _, rows) in enumerate(frame.ticks):
        fault = _rows_fault(rows)
        if fault is not None:
            return f"{fault} - at `$[3][{place}]`"
    for tick, symbol, interest in frame.interest:
        if not 0.0 <= interest <= LARGEST_NUMBER:
            return f"Expected an open interest >= 0, got {interest} of {symbol} in tick {_shown(tick)} - at `$[4]`"
    return _time_fault(frame.closed_us, [tick for tick, *_ in (*frame.ticks, *frame.interest)])


def signals_fault(frame: SignalFrame) -> str | None:
    """Say what is wrong with a frame of signals; None when nothing is.

    Examples
    --------
    >>> signals_fault(SignalFrame("market/0", 10**30, False, ()))
    'Expected a time in -1..4102444800000000, got 1000000000000000000000000000000 - at `$.closed_us`'
    """
    for place, tick in enumerate(frame.ticks):
        fault = _signals_fault(tick.signals) or _moves_fault(tick.moves)
        if fault is not None:
            return f"{fault} - at `$.ticks[{place}]`"
    return _time_fault(frame.closed_us, [tick.tick for tick in frame.ticks])


def stress_fault(frame: StressFrame) -> str | None:
    """Say what is wrong with a frame of stress; None when nothing is.

    Examples
    --------
    >>> stress_fault(StressFrame("correlation/0", 100_000, False, ((-1, ()),)))
    'Expected ticks in 0..4102444800000, got one of (-1, -1) - at `$.ticks`'
    """
    return _time_fault(frame.closed_us, [tick for tick, _ in frame.ticks])


def _rows_fault(rows: Iterable[Activity]) -> str | None:
    for row in rows:
        # There are many rows. The bits of all four together are negative, or too many, when those of one are.
        if not 0 <= row.cancels | row.pressure | row.fills | row.notional_cents <= _LARGEST_SUM:
            counts = (row.cancels, row.pressure, row.fills, row.notional_cents)
            return f"Expected counts of activity >= 0 and of at most {_MOST_BITS} bits, got {_shown(counts)}"
    return None


def _signals_fault(signals: Iterable[Signal]) -> str | None:
    for signal in signals:
        if not 0.0 <= signal.p_value <= 1.0 or signal.per_day < 0.0:
            return f"Expected a p_value in 0..1 and a per_day >= 0, got {signal.p_value} and {signal.per_day}"
        if abs(signal.notional) > _LARGEST_SUM:
            return f"Expected a notional of at most {_LARGEST_SUM:.0e}, got {signal.notional}"
        if signal.scope == "group" and not signal.accounts:
            return "Expected the accounts of a group, got none"
    return None


def _moves_fault(moves: Iterable[LeverageMove]) -> str | None:
    for move in moves:
        counts = (move.changes, move.raises)
        sums = (move.doublings_micro, move.notional_cents, move.near_cents)
        if min(counts) < 0 or max(*counts, *map(abs, sums)) > _LARGEST_SUM:
            found = _shown(counts + sums)
            return f"Expected counts of leverage moves >= 0, all of at most {_MOST_BITS} bits, got {found}"
    return None


def _time_fault(closed_us: int, ticks: list[int]) -> str | None:
    if not -1 <= closed_us <= LATEST_TIMESTAMP_US:
        return f"Expected a time in -1..{LATEST_TIMESTAMP_US}, got {_shown(closed_us)} - at `$.closed_us`"
    if ticks and not 0 <= min(ticks) <= max(ticks) <= _LATEST_TICK:
        return f"Expected ticks in 0..{_LATEST_TICK}, got one of {_shown((min(ticks), max(ticks)))} - at `$.ticks`"
    return None


def _shown(found: int | tuple[int, ...]) -> str:
    """Numbers for a message; Python refuses to write out those of very many digits."""
    numbers = found if isinstance(found, tuple) else (found,)
    texts = [str(number) if abs(number) <= _LARGEST_SUM else f"{number.bit_length()} bits" for number in numbers]
    return texts[0] if isinstance(found, int) else f"({', '.join(texts)})"
