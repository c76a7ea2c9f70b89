"""How often alerts were called true: all, those of a pattern, and those of a symbol."""

from typing import Protocol

from detectors.base import State

#: A pattern's, or symbol's, own share counts as much as that of all after so many verdicts.
_PRIOR = 4.0
#: Symbols with verdicts that are remembered; those first judged longest ago go first.
_MOST_SYMBOLS = 10_000


class _Named(Protocol):
    @property
    def pattern(self) -> str: ...

    @property
    def symbol(self) -> str: ...


class VerdictHistory:
    """Counts of verdicts, and shares of true ones with a prior.

    The base rate is `(true + 1) / (all + 2)`; the share of a pattern or symbol `(true + 4 * base) / (all + 4)`.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> history, alert = VerdictHistory(), SimpleNamespace(pattern="thin_book", symbol="X")
    >>> history.base_rate, history.lean(alert)
    (0.5, (0.0, 0.0))
    >>> for was_true in (True, False, False, False):
    ...     history.add(alert, was_true, 1)
    >>> round(history.base_rate, 4), [round(lean, 4) for lean in history.lean(alert)]
    (0.3333, [-0.0417, -0.0417])
    """

    def __init__(self) -> None:
        self._all = [0, 0]
        self._patterns: dict[str, list[int]] = {}
        self._symbols: dict[str, list[int]] = {}

    @property
    def base_rate(self) -> float:
        """Share of true verdicts, in (0, 1)."""
        return (self._all[0] + 1.0) / (self._all[1] + 2.0)

    def lean(self, alert: _Named) -> tuple[float, float]:
        """How much more often alerts of its pattern, and of its symbol, were true than all are, in (-1, 1)."""
        base = self.base_rate
        by_pattern, by_symbol = self._patterns.get(alert.pattern), self._symbols.get(alert.symbol)
        return _share(by_pattern, base) - base, _share(by_symbol, base) - base

    def add(self, alert: _Named, was_true: bool, many: int) -> None:
        """Count verdicts on an alert; a negative number takes them back."""
        pattern = self._patterns.setdefault(alert.pattern, [0, 0])
        symbol = self._symbols.setdefault(alert.symbol, [0, 0])
        for count in (self._all, pattern, symbol):
            # What was forgotten meanwhile cannot be taken back.
            count[1] = max(count[1] + many, 0)
            count[0] = min(max(count[0] + many * was_true, 0), count[1])
        if len(self._symbols) > _MOST_SYMBOLS:
            del self._symbols[next(iter(self._symbols))]

    def state(self) -> State:
        """All counts: true ones, and all."""
        return {"all": self._all, "patterns": self._patterns, "symbols": self._symbols}

    def restore(self, state: State) -> None:
        """Take up where `state()` was made."""
        self._all = list(state["all"])
        self._patterns = {name: list(counts) for name, counts in state["patterns"].items()}
        self._symbols = {name: list(counts) for name, counts in state["symbols"].items()}


def _share(counts: list[int] | None, base: float) -> float:
    true, of = counts or (0, 0)
    return (true + _PRIOR * base) / (of + _PRIOR)
