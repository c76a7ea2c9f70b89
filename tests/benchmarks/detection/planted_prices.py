"""Incidents of books, reference prices, latencies and feeds, and those that are several at once."""

from collections.abc import Sequence

import msgspec

from detectors.events import BookSnapshot, DerivativeTicker, Event, Latency, Level, LeverageChange, Liquidation, Trade
from tests.benchmarks.detection.flows import SECOND_US, Arrival
from tests.benchmarks.detection.planted_orders import leverage_ramp, liquidations, ring, stuffing
from tests.benchmarks.detection.planting import Label, in_order, on_entity, ramp
from tests.benchmarks.detection.surroundings import Surroundings

#: What is left of the depth, and how much wider the spread, of a thin book of intensity 1.
_LEFT, _WIDER = 0.2, 3.0
_THINNING_US = 500_000
_GAP_TIMES, _GAP_RAMP_US = 10.0, 2 * SECOND_US
_SLOWER = 10.0
_FAULTS = ("stall", "duplicates", "frozen books", "clock behind")
_SKEW_US = 5 * SECOND_US
_CASCADE_FALL, _CASCADE_WIDER, _ERODED = 0.03, 5.0, 0.5


def thinned(book: BookSnapshot, left: float, wider: float) -> BookSnapshot:
    """A book with a share of its amounts, and all distances grown by what makes the spread so many times as wide.

    Examples
    --------
    >>> thinned(BookSnapshot(0, "X", [(99.0, 4.0)], [(101.0, 4.0)]), left=0.5, wider=3.0).bids
    [(97.0, 2.0)]
    """
    if not book.bids or not book.asks:
        return book
    more = 0.5 * (book.asks[0][0] - book.bids[0][0]) * (wider - 1.0)

    def moved(levels: list[Level], step: float) -> list[Level]:
        return [(max(round(price + step, 8), 1e-9), amount * left) for price, amount in levels]

    return msgspec.structs.replace(book, bids=moved(book.bids, -more), asks=moved(book.asks, more))


def thin_book(window: Sequence[Arrival], surroundings: Surroundings, label: Label) -> list[Arrival]:
    """Within half a second each level falls to a fifth, and the spread grows threefold (to the power of intensity)."""
    changed: list[Arrival] = []
    for topic, event in window:
        if isinstance(event, BookSnapshot) and on_entity(event, label):
            power = label.intensity * ramp(event.timestamp, label.start_us, _THINNING_US)
            changed.append((topic, thinned(event, _LEFT**power, _WIDER**power)))
        else:
            changed.append((topic, event))
    return changed


def mark_gap(window: Sequence[Arrival], surroundings: Surroundings, label: Label) -> list[Arrival]:
    """The mark price leaves the index within two seconds, by ten times the trailing 99th percentile of their gap."""
    sign = 1.0 if label.chance("mark").random() < 0.5 else -1.0
    gap = sign * _GAP_TIMES * label.intensity * surroundings.mark_gap_p99
    begin_us = label.crisis_us or label.start_us
    changed: list[Arrival] = []
    for topic, event in window:
        if isinstance(event, DerivativeTicker) and on_entity(event, label) and event.mark_price:
            come = ramp(event.timestamp, begin_us, _GAP_RAMP_US)
            mark = round(event.mark_price * max(1.0 + gap * come, 0.01), 8)
            changed.append((topic, msgspec.structs.replace(event, mark_price=mark)))
        else:
            changed.append((topic, event))
    return changed


def slow_component(window: Sequence[Arrival], surroundings: Surroundings, label: Label) -> list[Arrival]:
    """A component takes ten times as long (to the power of intensity): from 20 to 200 ms."""
    return [
        (topic, msgspec.structs.replace(event, latency_us=event.latency_us * _SLOWER**label.intensity))
        if isinstance(event, Latency) and on_entity(event, label)
        else (topic, event)
        for topic, event in window
    ]


def feed_fault(window: Sequence[Arrival], surroundings: Surroundings, label: Label) -> list[Arrival]:
    """A fault of the feed and not of the market, one of four kinds in turn; intensity stretches it."""
    kind = _FAULTS[label.seed % len(_FAULTS)]
    end_us = label.start_us + round((label.end_us - label.start_us) * min(label.intensity, 1.0))
    label = msgspec.structs.replace(label, end_us=end_us)
    changed: list[Arrival] = []
    frozen: BookSnapshot | None = None
    for topic, event in window:
        if not on_entity(event, label):
            changed.append((topic, event))
        elif kind == "duplicates":
            changed += [(topic, event), (topic, event)]
        elif kind == "clock behind":
            # It arrives when it did, and says that it is older.
            changed.append((topic, msgspec.structs.replace(event, timestamp=event.timestamp - _SKEW_US)))
        elif kind == "frozen books" and isinstance(event, BookSnapshot):
            frozen = frozen or event
            changed.append((topic, msgspec.structs.replace(frozen, timestamp=event.timestamp)))
        elif kind != "stall" or isinstance(event, LeverageChange):
            changed.append((topic, event))
    return changed


def correlated(window: Sequence[Arrival], surroundings: Surroundings, label: Label) -> list[Arrival]:
    """Stuffing, a ring, raised leverage and a thin book at once, each at the label's intensity."""
    has_leverage = bool(surroundings.holders)
    planters = (stuffing, ring, thin_book, *((leverage_ramp,) if has_leverage else ()))
    found = list(window)
    for plant in planters:
        found = plant(found, surroundings, label)
    return found


def cascade(window: Sequence[Arrival], surroundings: Surroundings, label: Label) -> list[Arrival]:
    """Leverage is raised and depth erodes to a half; then, from `crisis_us` on, forced orders, a fall, an empty book.

    In the crisis (at intensity 1) depth is a fifth of what it was, the spread five times as wide, the price 3 % lower
    within 20 s, and the mark leaves the index. `surroundings` are those before the build-up.
    """
    build_up = msgspec.structs.replace(label, end_us=label.crisis_us, crisis_us=0)
    found = liquidations(leverage_ramp(window, surroundings, build_up), surroundings, label)
    fallen = [(topic, _in_cascade(event, label) if on_entity(event, label) else event) for topic, event in found]
    return in_order(mark_gap(fallen, surroundings, label))


def _in_cascade(event: Event, label: Label) -> Event:
    come = ramp(event.timestamp, label.crisis_us, 20 * SECOND_US)
    price = max(1.0 - _CASCADE_FALL * label.intensity * come, 0.1)
    match event:
        case BookSnapshot():
            eroded = ramp(event.timestamp, label.start_us, label.crisis_us - label.start_us)
            crisis = ramp(event.timestamp, label.crisis_us, 2 * SECOND_US)
            left = (_ERODED ** (1.0 - crisis) * _LEFT**crisis) ** (label.intensity * max(eroded, crisis))
            bids = [(round(p * price, 8), a) for p, a in event.bids]
            asks = [(round(p * price, 8), a) for p, a in event.asks]
            book = msgspec.structs.replace(event, bids=bids, asks=asks)
            return thinned(book, left, _CASCADE_WIDER ** (label.intensity * crisis))
        case Trade() | Liquidation():
            return msgspec.structs.replace(event, price=round(event.price * price, 8))
        case DerivativeTicker():
            last, mark, index = (
                round(found * price, 8) if found else found
                for found in (event.last_price, event.mark_price, event.index_price)
            )
            return msgspec.structs.replace(event, last_price=last, mark_price=mark, index_price=index)
        case _:
            return event
