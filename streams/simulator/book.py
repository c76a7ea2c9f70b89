"""A limit order book with price-time priority, in whole ticks and lots."""

from collections.abc import Iterator

import msgspec

from detectors.events import Level as PriceAndAmount
from streams.simulator.settings import Contract

#: The best key of a side on which nothing rests.
EMPTY = 1 << 60


class Order(msgspec.Struct, gc=False):
    """A resting order; `lots` is what is left of it: none once it is filled or taken back."""

    number: int
    account: int
    is_buy: bool
    key: int
    lots: int
    placed_lots: int
    placed_us: int
    price: float = 0.0
    leaving: bool = False


class _Level:
    __slots__ = ("lots", "orders", "price")

    def __init__(self, price: float) -> None:
        self.price = price
        self.lots = 0
        self.orders: dict[int, Order] = {}


class BookSide:
    """One side of a book.

    A price is held as a *key* that is lower the better it is: the price in ticks for asks, its negative for bids. So
    both sides are the same code, and a book is uncrossed when the best keys of both sides add up to more than zero.
    """

    def __init__(self, contract: Contract, is_buy: bool) -> None:
        self.best = EMPTY
        self._levels: dict[int, _Level] = {}
        self._lots_per_unit = contract.lots_per_unit
        self._signed_tick = -contract.tick_size if is_buy else contract.tick_size

    def add(self, order: Order) -> None:
        """Put a new order at the end of the queue of its price."""
        key = order.key
        level = self._levels.get(key)
        if level is None:
            # Rounded: a tick of 0.00005 times a whole number must print as a price does.
            level = self._levels[key] = _Level(round(key * self._signed_tick, 8))
            self.best = min(self.best, key)
        level.orders[order.number] = order
        level.lots += order.lots
        order.price = level.price

    def reduce(self, order: Order, lots: int) -> None:
        """Take `lots` off an order, and the order off the book when nothing is left."""
        level = self._levels[order.key]
        order.lots -= lots
        level.lots -= lots
        if not order.lots:
            del level.orders[order.number]
            if not level.orders:
                del self._levels[order.key]
                if order.key == self.best:
                    self.best = min(self._levels, default=EMPTY)

    def first(self) -> Order:
        """Return the order that the next taker meets; the side must not be empty."""
        return next(iter(self._levels[self.best].orders.values()))

    def top(self, levels: int) -> list[PriceAndAmount]:
        """Return the best levels as (price, amount), best first."""
        units = self._lots_per_unit
        found = (self._levels[key] for key in sorted(self._levels)[:levels])
        return [(level.price, level.lots / units) for level in found]

    def better_than(self, key: float) -> Iterator[Order]:
        """Yield the orders at prices better than `key`."""
        if self.best < key:
            for found in sorted(self._levels):
                if found >= key:
                    return
                yield from self._levels[found].orders.values()

    def by_level(self) -> Iterator[list[Order]]:
        """Yield the orders of each level, best level first."""
        for key in sorted(self._levels):
            yield list(self._levels[key].orders.values())
