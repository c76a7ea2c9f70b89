"""How far news and forced orders carry one symbol's price away from where the weather has it."""

import math

#: Share of the way from the fair price to where forced orders traded that makers take over, and the dislocation at
#: which it is half as much, for then bargains draw others in.
_TAKEN_OVER, _BARGAIN = 0.4, 0.015
#: Time in which arbitrage halves the distance to the world, and the share of it that the world comes along.
_HALF_LIFE_S, _WORLD_SHARE = 300.0, 0.5


class Dislocation:
    """Three shifts of the logarithm of a price: `news`, `own` on this exchange alone, and what the world `followed`.

    After a forced order that sold below the fair price (or bought above it) makers quote around a price that has gone
    a part of the way there: `own += k * ln(traded / fair)` with `k = 0.4 / (1 + (own / 1.5 %) ** 2)`. So one order that
    the book can take hardly matters, a stream of them takes the price where they trade, and the further it has gone
    the more there are who buy what is cheap. Arbitrage takes it back: `own` halves in five minutes, and half of
    what it gives up the world takes over, for a fall here is news there.

    Examples
    --------
    >>> found = Dislocation()
    >>> found.force(is_buy=False, traded=99.0, fair=100.0)
    >>> round(found.fair(100.0), 3), found.index(100.0)
    (99.599, 100.0)
    >>> found.pass_time(300.0)
    >>> round(found.fair(100.0), 3), round(found.index(100.0), 3), found.undisturbed(100.0)
    (99.699, 99.9, 100.0)

    References
    ----------
    Cont, R. and Schaanning, E. (2016). Fire sales, indirect contagion and systemic stress testing. SSRN 2541114.
    Kyle, A. (1985). Continuous auctions and insider trading. Econometrica 53(6).
    """

    def __init__(self) -> None:
        self.news = 0.0
        self.own = 0.0
        self.followed = 0.0

    def fair(self, outside: float) -> float:
        """The price around which makers quote here; `outside` is the weather's."""
        return outside * math.exp(self.news + self.followed + self.own)

    def index(self, outside: float) -> float:
        """The price elsewhere."""
        return outside * math.exp(self.news + self.followed)

    def undisturbed(self, outside: float) -> float:
        """The price had nobody been forced."""
        return outside * math.exp(self.news)

    def force(self, *, is_buy: bool, traded: float, fair: float) -> None:
        """Take note of where a forced order traded; one that traded better than the fair price moves nothing."""
        gap = math.log(traded / fair)
        worse = max(gap, 0.0) if is_buy else min(gap, 0.0)
        self.own += _TAKEN_OVER / (1.0 + (self.own / _BARGAIN) ** 2) * worse

    def pass_time(self, seconds: float) -> None:
        """Let arbitrage work."""
        closed = self.own * (1.0 - 0.5 ** (seconds / _HALF_LIFE_S))
        self.own -= closed
        self.followed += _WORLD_SHARE * closed
