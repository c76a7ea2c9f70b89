"""The pressure of accounts on the matching engine: leaky counters of cancels, the young ones dear, fills taken off."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from detectors.base import State
from detectors.config import CoreSettings
from detectors.entities import Entities
from detectors.features.market import FILLS, PRESSURE
from detectors.limit_settings import Baselines

_FILLS_HALF_LIFE_S = 600.0
#: Credit for fills that may be kept, in fills by those of the last ten minutes: about a quarter of a minute's worth.
_KEPT_SHARE = 1 / 60
#: Counters that no cancel would ever have to be taken from: what is below is not worth a decision.
LEAST_RATIO = 0.05


class Pressing(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An account that presses: its share of its cap, and whether it is a newcomer."""

    account: str
    ratio: float
    is_newcomer: bool


class _Counter:
    __slots__ = ("fills", "time_us", "value")

    def __init__(self, time_us: int) -> None:
        self.value = 0.0
        self.fills = 0.0
        self.time_us = time_us

    def state(self) -> list[Any]:
        return [self.value, self.fills, self.time_us]

    @classmethod
    def of(cls, _name: object, state: list[Any], _notes: list[str]) -> "_Counter":
        value, fills, time_us = state
        made = cls(time_us)
        made.value, made.fills = value, fills
        return made


class Pressure:
    """Age-weighted pressure of every account of a partition, and of all newcomers together.

    `pressure = max(-kept, pressure - leak * dt - fill_credit * fills) + cost`, where `cost` is 8 for a cancel younger
    than 5 s down to 1 below 300 s, and `leak` is that of the account's tier. It is a plain counter: nothing in it is
    learned, so nobody can teach it to expect much. `kept = fill_credit * recent / 60`, with the fills of the account,
    half forgotten in ten minutes, as `recent`: a busy account's cancels and fills come in different seconds, and even
    out over about a quarter of a minute. Who does not trade has nothing to keep. So over any time `t` an account that
    is never at a share `s` of its cap has cost at most `s * cap + leak * t + fill_credit * fills + kept`.

    A newcomer is an account with fewer than `newcomer_fills` recent fills. Newcomers have one more counter together:
    who splits over a hundred new accounts presses as one. Its cap is the exchange's, each partition has its part of it.
    Who is at `soft_pressure` alone is limited alone, and adds nothing to it: else one who goes on would bring limits on
    all new accounts. While it is at `soft_pressure` or above, every newcomer who presses at all counts as pressing.
    Nobody is a newcomer in the first `newcomer_watch_s` of a stage that knew nobody: then all would be.

    Fails to see: an attacker who has traded on each of his accounts before, and stays below the cap on each of them;
    that is left to the models, which look for accounts in step.

    Parameters
    ----------
    settings
        The settings of the core.
    partitions
        Account partitions of the exchange.
    counters
        The stage's counters.

    References
    ----------
    Kraken, "Rate limits": https://docs.kraken.com/api/docs/guides/spot-ratelimits

    Examples
    --------
    >>> pressure = Pressure(CoreSettings(), 1, Counter())
    >>> (pressing,), collective = pressure.add({"a": [9, 72, 0, 0]}, time_us=1_000_000)
    >>> pressing.account, pressing.ratio, pressing.is_newcomer, collective
    ('a', 0.4, False, 0.0)
    """

    def __init__(self, settings: CoreSettings, partitions: int, counters: Counter[str]) -> None:
        limits = settings.limits
        self._baselines = Baselines(limits)
        self._fill_credit = limits.fill_credit
        self._newcomer_fills = limits.newcomer_fills
        self._collective_cap = limits.collective_cap / partitions
        usual = limits.tiers["default"]
        self._collective_leak_per_s = self._collective_cap * usual.pressure_leak_per_s / usual.pressure_cap
        self._collective = 0.0
        self._collective_us = 0
        self._soft = limits.soft_pressure
        self._watch_us = round(limits.newcomer_watch_s * 1e6)
        #: The end of the first tick, once there was one.
        self._since_us: int | None = None
        self._counters: Entities[_Counter] = Entities(
            settings.memory.max_accounts,
            save=_Counter.state,
            load=_Counter.of,
            turn=lambda one: one.time_us,
            counters=counters,
            evicted="evicted_pressures",
        )

    def __len__(self) -> int:
        return len(self._counters)

    def add(self, totals: Mapping[str, list[int]], time_us: int) -> tuple[tuple[Pressing, ...], float]:
        """Take the counts of a tick that ends at `time_us`, by account in the order of names.

        Returns
        -------
        tuple
            Those who pressed in this tick and stand above `LEAST_RATIO` (newcomers: or whose shared counter is at the
            soft share of its cap), and that counter's share of its cap.
        """
        if self._since_us is None:
            self._since_us = time_us
        watched = time_us - self._since_us >= self._watch_us
        pressing = []
        newly = 0.0
        for account, counts in totals.items():
            cost, fills = counts[PRESSURE], counts[FILLS]
            counter = self._counters.touch(account)
            if counter is None:
                if not cost and not fills:
                    continue
                counter = self._counters.add(account, _Counter(time_us))
            tier = self._baselines.tier(account)
            dt_s = (time_us - counter.time_us) / 1e6
            counter.time_us = time_us
            credit = self._fill_credit * fills
            counter.fills = counter.fills * 0.5 ** (dt_s / _FILLS_HALF_LIFE_S) + fills
            kept = self._fill_credit * counter.fills * _KEPT_SHARE
            counter.value = _leaked(counter.value, tier.pressure_leak_per_s * dt_s, credit, kept) + cost
            is_newcomer = watched and counter.fills < self._newcomer_fills
            ratio = max(counter.value, 0.0) / tier.pressure_cap
            if is_newcomer and ratio < self._soft:
                newly += cost - credit
            if cost and not self._baselines.is_exempt(account):
                pressing.append(Pressing(account, ratio, is_newcomer))
        leaked = self._collective - self._collective_leak_per_s * (time_us - self._collective_us) / 1e6
        self._collective = max(max(leaked, 0.0) + newly, 0.0)
        self._collective_us = time_us
        collective = self._collective / self._collective_cap
        crowded = collective >= self._soft
        found = (one for one in pressing if one.ratio >= LEAST_RATIO or (crowded and one.is_newcomer))
        return tuple(found), collective

    def kept(self) -> dict[str, Entities[Any]]:
        """The accounts' counters."""
        return {"pressure": self._counters}

    def head(self) -> State:
        """The newcomers' counter, and since when all is watched."""
        return {"collective": self._collective, "collective_us": self._collective_us, "since_us": self._since_us}

    def resume(self, head: State) -> None:
        """Take up where `head()` was made."""
        self._collective, self._collective_us = head["collective"], head["collective_us"]
        self._since_us = head["since_us"]


def _leaked(value: float, leak: float, credit: float, kept: float) -> float:
    """What is left after the leak, which ends at nothing, and the credit, which ends at what may be kept."""
    left = max(value - leak, 0.0) if value > 0.0 else value
    return max(left - credit, -kept)
