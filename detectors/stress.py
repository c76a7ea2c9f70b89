"""Open alerts as the rate-limit controller sees them: who is named, and how stressed each symbol is."""

from collections.abc import Iterable
from typing import Any

import msgspec

from detectors.base import State
from detectors.decisions import AlertMention
from detectors.results import Severity

MARKET = "*"
#: How much an open alert of each severity counts, of 1.
LEVELS: dict[Severity, float] = {"info": 0.0, "warning": 0.6, "critical": 1.0}
#: Patterns that name accounts for what they did, not for what they are exposed to.
_BLAMING = frozenset({"cancel_burst", "layering", "trade_burst", "correlated_stress"})
#: Patterns of inputs and models that are wrong: no market is under stress for that.
_NO_STRESS = frozenset({"feed_fault", "drift"})
#: Alerts remembered; those mentioned longest ago go first.
_MOST_ALERTS = 10_000


class Stress:
    """What the correlation stage has said of open alerts.

    The level of a symbol is that of the worst open alert on it or on the market as a whole. It does not tighten any
    limit by itself: caps count as smaller while it is high, so that those who press are limited sooner. An account is
    blamed when an open alert about behaviour (a cancel burst, accounts in step, several signals together) names it.

    Examples
    --------
    >>> stress = Stress()
    >>> stress.hear([AlertMention("1", "cancel_burst", "warning", "open", "BTC-PERP", ("a",))])
    >>> stress.level("BTC-PERP"), stress.level("ETH-PERP"), stress.blame("a"), stress.blame("b")
    (0.6, 0.0, (0.6, ('1',)), (0.0, ()))
    >>> stress.hear([AlertMention("1", "cancel_burst", "warning", "resolved", "BTC-PERP", ("a",))])
    >>> stress.level("BTC-PERP")
    0.0
    """

    def __init__(self) -> None:
        self._open: dict[str, AlertMention] = {}
        self._silenced: frozenset[str] = frozenset()
        self._symbols: dict[str, float] = {}
        self._blamed: dict[str, tuple[float, tuple[str, ...]]] = {}

    def hear(self, mentions: Iterable[AlertMention]) -> None:
        """Take in what is new of alerts."""
        for mention in mentions:
            self._open.pop(mention.alert_id, None)
            if mention.status != "resolved":
                self._open[mention.alert_id] = mention
        while len(self._open) > _MOST_ALERTS:
            del self._open[next(iter(self._open))]
        self._weigh()

    def silence(self, patterns: Iterable[str]) -> None:
        """Let alerts of these patterns count for nothing, and of all others again."""
        self._silenced = frozenset(patterns)
        self._weigh()

    def level(self, symbol: str) -> float:
        """How stressed a symbol is, in [0, 1]."""
        return max(self._symbols.get(symbol, 0.0), self._symbols.get(MARKET, 0.0))

    def blame(self, account: str) -> tuple[float, tuple[str, ...]]:
        """The level of the worst open alert that names an account for what it did, and the ids of all that do."""
        return self._blamed.get(account, (0.0, ()))

    def state(self) -> State:
        """All open alerts."""
        return {"open": list(self._open.values())}

    def restore(self, state: State) -> None:
        """Take up where `state()` was made."""
        mentions: Any = msgspec.convert(state["open"], list[AlertMention])
        self._open = {mention.alert_id: mention for mention in mentions}
        self._weigh()

    def _weigh(self) -> None:
        self._symbols, self._blamed = {}, {}
        for mention in self._open.values():
            level = 0.0 if mention.pattern in self._silenced | _NO_STRESS else LEVELS[mention.severity]
            if not level:
                continue
            self._symbols[mention.symbol] = max(level, self._symbols.get(mention.symbol, 0.0))
            if mention.pattern in _BLAMING:
                for account in mention.accounts:
                    before, alerts = self._blamed.get(account, (0.0, ()))
                    self._blamed[account] = max(level, before), (*alerts, mention.alert_id)
