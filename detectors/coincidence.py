"""What stands together on a symbol, on accounts that act in step, and in the market as a whole."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from detectors.base import State
from detectors.budget import APART
from detectors.config import CoreSettings
from detectors.correlation import Correlator, Joint
from detectors.entities import Entities
from detectors.families import family_of
from detectors.measures import Measure
from detectors.results import Pattern, Signal

MARKET = "*"
#: Families that can stand together on one symbol of any exchange; others count once they were heard of.
_FAMILIES = 3
#: Seconds that accounts seen in step count as one cohort.
_COHORT_S = 60


class Coincidence:
    """Every signal in the scopes that it belongs to: its symbol, its cohort of accounts, the market.

    In the market symbols (and components, which are of none) stand together instead of families. Accounts that were
    seen in step within the last minute are one cohort, under the name of the first. The chance that some stand together
    by luck depends on how many could: symbols and families count from the first signal on.

    Parameters
    ----------
    settings
        The settings of the core.
    counters
        The stage's counters.
    tick_us
        Length of a tick in microseconds, a divisor of a second.
    """

    def __init__(self, settings: CoreSettings, counters: Counter[str], tick_us: int) -> None:
        calibration = settings.calibration
        self._by_symbol = Correlator("symbol", _FAMILIES, calibration, counters, tick_us)
        self._by_cohort = Correlator("cohort", _FAMILIES, calibration, counters, tick_us)
        self._by_market = Correlator("market", 2, calibration, counters, tick_us)
        self._scopes = self._by_symbol, self._by_cohort, self._by_market
        self._most_symbols = settings.memory.max_symbols
        self._cohort_ticks = _COHORT_S * 1_000_000 // tick_us
        self._symbols: set[str] = set()
        self._families: set[str] = set()
        #: Account -> when it was last seen in step with others, and the first of them.
        self._cohorts: Entities[tuple[int, str]] = Entities(
            settings.memory.max_accounts,
            save=list,
            load=lambda _, state, __: (state[0], state[1]),
            turn=lambda seen: seen[0],
            counters=counters,
            evicted="evicted_cohorts",
        )

    def add(self, tick: int, signal: Signal) -> None:
        """Let a signal count from `tick` on; what is wrong with inputs and models stands beside nothing."""
        if signal.pattern in APART:
            return
        stream = f"{signal.pattern}/{signal.detector}/{signal.scope}"
        if signal.scope == "market":
            # Of no symbol: it stands beside all of them, under the name of what it is about.
            self._remember(signal.entity, signal.pattern)
            self._by_market.add(MARKET, signal.entity, stream, tick, signal)
            return
        self._remember(signal.symbol, signal.pattern)
        family = family_of(signal.pattern)
        self._by_symbol.add(signal.symbol, family, stream, tick, signal)
        self._by_market.add(MARKET, signal.symbol, stream, tick, signal)
        if signal.scope in ("account", "group"):
            self._by_cohort.add(self._cohort(tick, signal), family, stream, tick, signal)

    def close_second(self, tick: int) -> Iterator[Joint]:
        """Judge all scopes; `tick` is the last of a second."""
        for one in self._scopes:
            yield from one.close_second(tick)

    def _remember(self, name: str, pattern: Pattern) -> None:
        if len(self._symbols) < self._most_symbols:
            self._symbols.add(name)
        self._families.add(family_of(pattern))
        self._count()

    def _count(self) -> None:
        self._by_market.families = max(2, len(self._symbols))
        self._by_symbol.families = self._by_cohort.families = max(_FAMILIES, len(self._families))

    def _cohort(self, tick: int, signal: Signal) -> str:
        """Who an account acts with: the first of the accounts it was lately seen in step with, or itself."""
        if signal.scope == "group":
            for account in sorted(signal.accounts):
                if account in self._cohorts:
                    self._cohorts.remove(account)
                self._cohorts.add(account, (tick, signal.accounts[0]))
            return signal.accounts[0]
        seen, first = self._cohorts.get(signal.entity) or (tick, signal.entity)
        if tick - seen <= self._cohort_ticks:
            return first
        self._cohorts.remove(signal.entity)
        return signal.entity

    def measures(self) -> Iterator[Measure]:
        """Give whether joint scores are calibrated."""
        for one in self._scopes:
            yield one.measure()

    def kept(self) -> dict[str, Entities[Any]]:
        """What was lately seen in each scope, and cohorts."""
        return {f"recent_{one.scope}": one.kept() for one in self._scopes} | {"cohort": self._cohorts}

    def head(self) -> State:
        """What entities share."""
        return {
            "scopes": [one.head() for one in self._scopes],
            "symbols": sorted(self._symbols),
            "families": sorted(self._families),
        }

    def resume(self, head: State, notes: list[str]) -> None:
        """Take up what entities share, after the entities themselves."""
        for one, saved in zip(self._scopes, head["scopes"], strict=True):
            one.resume(saved, notes)
        self._symbols, self._families = set(head["symbols"]), set(head["families"])
        self._count()
