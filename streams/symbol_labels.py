"""Which symbols metrics show by name: a label must not take as many values as there are listings."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

#: All other symbols.
OTHER = "other"
#: The market as a whole, and what has no symbol.
_ALWAYS = frozenset({"*", ""})


class SymbolLabels:
    """The `symbol` label of each symbol: its name, or `other`.

    Parameters
    ----------
    patterns
        Symbols that match one of them, as file names do, may be shown.
    most
        So many of them, those seen first, are; >= 0.

    Examples
    --------
    >>> labels = SymbolLabels(["BTC-*", "ETH-*"], most=2)
    >>> [labels.of(symbol) for symbol in ("DOGE-PERP", "BTC-PERP", "ETH-PERP", "BTC-27JUN", "BTC-PERP", "*")]
    ['other', 'BTC-PERP', 'ETH-PERP', 'other', 'BTC-PERP', '*']
    """

    def __init__(self, patterns: Sequence[str] = ("*",), most: int = 50) -> None:
        self._patterns = tuple(patterns)
        self._most = most
        self._named: set[str] = set()

    def of(self, symbol: str) -> str:
        """The label of a symbol."""
        if symbol in self._named or symbol in _ALWAYS:
            return symbol
        if len(self._named) >= self._most or not any(fnmatchcase(symbol, pattern) for pattern in self._patterns):
            return OTHER
        self._named.add(symbol)
        return symbol
