"""What decides on the limits of a partition's accounts: their pressure, their signals, and the controller."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from detectors.base import State
from detectors.config import CoreSettings
from detectors.decisions import AuditRecord, Override, RateLimit, StressFrame
from detectors.entities import Entities
from detectors.limit_controller import LimitController
from detectors.pressed_tick import Candidate, PressedTick
from detectors.pressure import Pressure
from detectors.results import Activity, Signal

#: How long a signal about an account counts.
_SIGNAL_US = 10_000_000
_NO_SIGNAL = (-1, "", 0.0, 1.0)


class AccountLimits:
    """Takes closed ticks and what is said of alerts, and gives limits.

    Pressure is counted when a tick closes; the decision waits for what the correlation stage has to say of the ticks
    `feedback_delay_ms` before, so that the same input gives the same limits however late that comes. When it is not
    heard of, decisions are made without it.

    Parameters
    ----------
    settings
        The settings of the core.
    partition, partitions
        Which account partition it is, of how many.
    counters
        The stage's counters.
    partition_of
        Kafka's partition of an account.
    """

    def __init__(
        self,
        settings: CoreSettings,
        partition: int,
        partitions: int,
        counters: Counter[str],
        partition_of: Callable[[str], int],
    ) -> None:
        self._tick_us = settings.timing.tick_us
        self._delay_us = settings.limits.feedback_delay_ms * 1_000
        self._pressure = Pressure(settings, partitions, counters)
        self.controller = LimitController(
            settings, partitions, counters, lambda account: partition_of(account) == partition, first=partition == 0
        )
        #: Account -> its rarest signal of the last seconds: until when it counts, pattern, rarity a day, p-value.
        self._signals: dict[str, tuple[int, str, float, float]] = {}
        self._heard_tick = -1

    def close_tick(
        self, tick: int, rows: Sequence[Activity], totals: Mapping[str, list[int]], signals: Sequence[Signal]
    ) -> None:
        """Take the counts of a tick, by account in the order of names, and the signals that came of it."""
        time_us = (tick + 1) * self._tick_us
        self._remember(time_us, signals)
        pressing, collective = self._pressure.add(totals, time_us)
        if not pressing:
            return
        symbols = _busiest_symbols(rows)
        candidates = []
        for one in pressing:
            pressed = (one.account, one.ratio, one.is_newcomer, symbols[one.account])
            until_us, pattern, per_day, p_value = self._signals.get(one.account, _NO_SIGNAL)
            if until_us >= time_us:
                candidates.append(Candidate(*pressed, pattern, per_day, p_value))
            else:
                candidates.append(Candidate(*pressed))
        self.controller.note(PressedTick(time_us, collective, tuple(candidates)))

    def hear(self, frame: StressFrame) -> None:
        """Take what the correlation stage said; ticks said before (its worker began again) are skipped."""
        for tick, mentions in frame.ticks:
            if tick > self._heard_tick:
                self._heard_tick = tick
                self.controller.hear((tick + 1) * self._tick_us, mentions)

    def obey(self, order: Override) -> None:
        """Let an operator's order be in force."""
        self.controller.obey(order)

    def decide(self, closed_us: int, heard_us: int | None) -> tuple[tuple[RateLimit, ...], tuple[AuditRecord, ...]]:
        """Decide as far as ticks are closed and alerts are known.

        Parameters
        ----------
        closed_us
            All ticks before it were taken.
        heard_us
            How far the correlation stage has come; None: decide without it.
        """
        self.controller.advance(closed_us if heard_us is None else min(closed_us, heard_us + self._delay_us))
        return self.controller.take()

    def kept(self) -> dict[str, Entities[Any]]:
        """Accounts: their pressure, and their limits."""
        return {**self._pressure.kept(), **self.controller.kept()}

    def head(self) -> State:
        """What is not of an account."""
        return {
            "pressure": self._pressure.head(),
            "controller": self.controller.head(),
            "signals": list(self._signals.items()),
            "heard_tick": self._heard_tick,
        }

    def resume(self, head: State) -> None:
        """Take up where `head()` was made, after the accounts themselves."""
        self._pressure.resume(head["pressure"])
        self.controller.resume(head["controller"])
        self._signals = {account: tuple(signal) for account, signal in head["signals"]}
        self._heard_tick = head["heard_tick"]

    def _remember(self, time_us: int, signals: Sequence[Signal]) -> None:
        if self._signals and signals:
            self._signals = {account: one for account, one in self._signals.items() if one[0] > time_us}
        for signal in signals:
            before = self._signals.get(signal.entity)
            if signal.scope == "account" and (before is None or signal.per_day <= before[2]):
                self._signals[signal.entity] = (time_us + _SIGNAL_US, signal.pattern, signal.per_day, signal.p_value)


def _busiest_symbols(rows: Sequence[Activity]) -> dict[str, str]:
    """Account -> the symbol on which it pressed most."""
    most: dict[str, tuple[int, str]] = {}
    for row in rows:
        found = (row.pressure, row.symbol)
        if found > most.get(row.account, (-1, "")):
            most[row.account] = found
    return {account: symbol for account, (_, symbol) in most.items()}
