"""One symbol's market: orders come in, meet the book, are taken back; every event of the symbol is made here."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random

from detectors.events import BookSnapshot, Cancel, Event, Trade
from streams.simulator.agenda import Agenda
from streams.simulator.book import EMPTY, BookSide, Order
from streams.simulator.holdings import Holdings
from streams.simulator.regimes import CALM, Regime
from streams.simulator.settings import Contract, ExchangeSettings

#: An order to rest: account number, is it a buy, ticks behind the fair price, lots, microseconds until its cancel.
Quote = tuple[int, bool, int, int, int]
#: An order to trade at once: account number, a draw in [0, 1) that decides the side, lots.
Hit = tuple[int, float, int]
#: Asked for each order of an account before it enters: (account, symbol, now_us); no makes the order vanish.
Admission = Callable[[str, str, int], bool]

SNAPSHOT_LEVELS = 20
#: Nearer to the fair price every tick is quoted; farther away people like round prices.
_ROUND_BEYOND_TICKS, _ROUND_TICKS = 12, 5
#: How far through the book an order to trade goes before it gives up.
_PROTECTION_TICKS = 10
#: How much of a position is liquidated at once, in ordinary orders: exchanges go piece by piece.
_LARGEST_LIQUIDATION = 50
#: How strongly takers lean to the side of the fair price, at what distance from it, and how much they follow the trend.
_PULL, _PULL_TICKS, _FOLLOWING = 0.45, 1.5, 0.15
_REFILL_SHARE, _REFILL_MEDIAN_US, _REFILL_LIFE_US, _REFILL_DISTANCE_TICKS = 0.9, 120_000, 20_000_000, 5.0
_AGAIN_SHARE, _AGAIN_MEAN_US = 0.3, 80_000
_STALE_TICKS, _STALE_SHARE, _PULL_MEDIAN_US = 0.6, 0.3, 80_000
_SPELL_MEDIAN_US = 1_000_000
#: Share of a second's move that the slow price takes over: it is some ten seconds behind.
_SLOWNESS_PER_S = 0.1


@dataclass(frozen=True, slots=True)
class Venue:
    """What the markets of an exchange share.

    Parameters
    ----------
    settings
        Of the exchange.
    agenda
        Where what follows from an order (its end, a refill) is put.
    emit
        Takes each event with its topic, in order of time.
    admission
        Asked before any order of an account enters; None admits all. Cancels and liquidations are not asked about.
    numbers
        Gives order and trade numbers.
    """

    settings: ExchangeSettings
    agenda: Agenda
    emit: Callable[[tuple[str, Event]], None]
    admission: Admission | None = None
    numbers: "count[int]" = field(default_factory=lambda: count(1))


class Market:
    """The book of one symbol and everybody's orders on it.

    Parameters
    ----------
    contract
        What is traded.
    venue
        What it shares with the other markets.
    holdings
        The accounts' positions on this symbol.
    rng
        Where its chance comes from.
    """

    def __init__(self, contract: Contract, venue: Venue, holdings: Holdings, rng: Random) -> None:
        self.contract = contract
        self.holdings = holdings
        self.agenda = venue.agenda
        self.makers = venue.settings.makers
        self.bids = BookSide(contract, is_buy=True)
        self.asks = BookSide(contract, is_buy=False)
        self.regime: Regime = CALM
        #: Share of makers' orders that stay away: while an incident lasts, and out of caution.
        self.withdrawn_share = 0.0
        self.retreat = 0.0
        #: How far through the book a liquidation goes at once, in ticks.
        self.liquidation_ticks = _PROTECTION_TICKS
        self.last_price = contract.price
        self.fair_price = contract.price
        self._fair_ticks = self._slow_ticks = contract.price / contract.tick_size
        self.names = venue.settings.account_names()
        self.emit = venue.emit
        self._slowness = _SLOWNESS_PER_S / venue.settings.books_per_s
        self._numbers = venue.numbers
        self._admission = venue.admission
        self._rng = rng
        self.placing = self.agenda.action(self.place)
        self.taking = self.agenda.action(self.take)
        self.cancelling = self.agenda.action(self.cancel)
        self.showing = self.agenda.action(self.snapshot)

    @property
    def trend_ticks(self) -> float:
        """How far the fair price has gone from where it was some ten seconds ago, in ticks."""
        return self._fair_ticks - self._slow_ticks

    def _admitted(self, account: int, now_us: int) -> bool:
        """Say whether an order of an account may enter: the one place that every order passes."""
        return self._admission is None or self._admission(self.names[account], self.contract.symbol, now_us)

    def place(self, now_us: int, quote: Quote) -> None:
        """Let an order rest, and put its end on the agenda."""
        account, is_buy, offset, lots, life_us = quote
        if account < self.makers and self._rng.random() < max(self.withdrawn_share, self.retreat):
            return
        if not self._admitted(account, now_us):
            return
        self.agenda.add(now_us + life_us, self.cancelling, self.rest(now_us, account, is_buy, offset, lots))

    def rest(self, placed_us: int, account: int, is_buy: bool, offset: int, lots: int) -> Order:
        """Put an order on the book without asking, and return it.

        A price that would cross the other side is moved behind it: all resting orders are post only.
        """
        half_spread = self.regime.half_spread_ticks
        if is_buy:
            side, other = self.bids, self.asks
            key = offset - math.floor(self._fair_ticks - half_spread)
        else:
            side, other = self.asks, self.bids
            key = offset + math.ceil(self._fair_ticks + half_spread)
        if offset > _ROUND_BEYOND_TICKS:
            key += -key % _ROUND_TICKS
        if key + other.best <= 0:
            key = 1 - other.best
        order = Order(next(self._numbers), account, is_buy, key, lots, lots, placed_us)
        side.add(order)
        return order

    def cancel(self, now_us: int, order: Order) -> None:
        """Take back what is left of an order; nothing happens if nothing is."""
        lots = order.lots
        if not lots:
            return
        (self.bids if order.is_buy else self.asks).reduce(order, lots)
        cancel = Cancel(
            now_us,
            self.contract.symbol,
            self.names[order.account],
            order.number,
            "buy" if order.is_buy else "sell",
            order.price,
            lots / self.contract.lots_per_unit,
            order.placed_us,
        )
        self.emit(("cancels", cancel))

    def take(self, now_us: int, hit: Hit) -> None:
        """Let a taker trade, on the side to which the fair price pulls; now and then somebody follows it."""
        account, draw, lots = hit
        if not self._admitted(account, now_us):
            return
        pull = self.trend_ticks
        if self.bids.best < EMPTY and self.asks.best < EMPTY:
            middle_ticks = (self.asks.best - self.bids.best) / 2
            pull = _FOLLOWING * pull + self._fair_ticks - middle_ticks
        is_buy = draw < 0.5 + _PULL * math.tanh(pull / _PULL_TICKS)
        self._trade(now_us, account, is_buy, lots)
        if self._rng.random() < _AGAIN_SHARE:
            # A draw from the half of its range that mostly decides for the same side.
            draw = draw / 2 if is_buy else 0.5 + draw / 2
            delay_us = round(self._rng.expovariate(1 / _AGAIN_MEAN_US))
            self.agenda.add(now_us + delay_us, self.taking, (account, draw, lots))

    def trade_at_once(self, now_us: int, account: int, lots: int) -> int:
        """Buy (or sell, if `lots` are negative) what the near part of the book offers; return how many."""
        if not lots or not self._admitted(account, now_us):
            return 0
        return self._trade(now_us, account, lots > 0, abs(lots))

    def _trade(self, now_us: int, taker: int, is_buy: bool, lots: int, *, liquidation: bool = False) -> int:
        """Match `lots` against the near part of the book; return the lots traded."""
        book = self.asks if is_buy else self.bids
        worst = book.best + (self.liquidation_ticks if liquidation else _PROTECTION_TICKS)
        left = lots
        while left and book.best <= worst and book.best < EMPTY:
            order = book.first()
            if order.account == taker:
                # Self-trade prevention: the resting order goes.
                self.cancel(now_us, order)
                continue
            filled = min(left, order.lots)
            left -= filled
            book.reduce(order, filled)
            self._report(now_us, taker, order, filled, liquidation)
            if not order.lots and order.account < self.makers:
                self._refill(now_us, order)
        return lots - left

    def close_out(self, now_us: int, account: int, position_lots: int) -> int:
        """Liquidate a signed position, or as much of it as is done at once, and return the lots traded."""
        lots = min(abs(position_lots), _LARGEST_LIQUIDATION * self.contract.order_lots)
        return self._trade(now_us, account, position_lots < 0, lots, liquidation=True)

    def _report(self, now_us: int, taker: int, order: Order, lots: int, liquidation: bool) -> None:
        """Book one fill on both accounts and tell of it."""
        signed = -lots if order.is_buy else lots
        self.holdings.fill(taker, signed, order.price)
        self.holdings.fill(order.account, -signed, order.price)
        self.last_price = order.price
        trade = Trade(
            now_us,
            self.contract.symbol,
            order.price,
            lots / self.contract.lots_per_unit,
            "sell" if order.is_buy else "buy",
            next(self._numbers),
            self.names[taker],
            self.names[order.account],
            liquidation,
        )
        self.emit(("trades", trade))

    def _refill(self, now_us: int, order: Order) -> None:
        """Have the maker of an order that is gone quote again, at the new price, more often than not."""
        if self._rng.random() >= _REFILL_SHARE:
            return
        delay_us = round(_REFILL_MEDIAN_US * math.exp(self._rng.gauss(0, 0.8)))
        life_us = round(_REFILL_LIFE_US * math.exp(self._rng.gauss(0, 1)) * self.regime.lifetime)
        offset = int(self._rng.expovariate(1 / _REFILL_DISTANCE_TICKS))
        quote = (order.account, order.is_buy, offset, order.placed_lots, life_us)
        self.agenda.add(now_us + delay_us, self.placing, quote)

    def move(self, now_us: int, fair_price: float, regime: Regime) -> None:
        """Take note of the fair price and the weather; makers pull the quotes that these make stale."""
        self.fair_price = fair_price
        self._fair_ticks = fair_price / self.contract.tick_size
        self._slow_ticks += self._slowness * (self._fair_ticks - self._slow_ticks)
        if regime is not self.regime and regime.pulled_share:
            orders = (order for side in (self.bids, self.asks) for level in side.by_level() for order in level)
            for order in orders:
                if order.account < self.makers and self._rng.random() < regime.pulled_share:
                    self.pull(now_us, order, _SPELL_MEDIAN_US)
        self.regime = regime
        for side, fair_key in ((self.asks, self._fair_ticks), (self.bids, -self._fair_ticks)):
            for order in side.better_than(fair_key - _STALE_TICKS):
                if order.account < self.makers and not order.leaving:
                    self.pull(now_us, order, _PULL_MEDIAN_US)
                    self._refill(now_us, order)
                elif self._rng.random() < _STALE_SHARE:
                    self.pull(now_us, order, _PULL_MEDIAN_US)

    def pull(self, now_us: int, order: Order, median_us: int) -> None:
        """Have an order taken back early, once."""
        if not order.leaving:
            order.leaving = True
            delay_us = min(5 * median_us, round(median_us * math.exp(self._rng.gauss(0, 0.6))))
            self.agenda.add(now_us + delay_us, self.cancelling, order)

    def snapshot(self, now_us: int, _: None) -> None:
        """Show the best levels of the book."""
        bids, asks = self.bids.top(SNAPSHOT_LEVELS), self.asks.top(SNAPSHOT_LEVELS)
        self.emit(("books", BookSnapshot(now_us, self.contract.symbol, bids, asks)))
