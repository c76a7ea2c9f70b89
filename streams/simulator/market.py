"""One symbol's market: orders come in, meet the book, are taken back; every event of the symbol is made here."""

import math
from collections.abc import Callable
from itertools import count
from random import Random

from detectors.events import BookSnapshot, Cancel, DerivativeTicker, Event, LeverageChange, Liquidation, Trade
from streams.simulator.agenda import Agenda
from streams.simulator.book import EMPTY, BookSide, Order
from streams.simulator.holdings import Holdings
from streams.simulator.regimes import CALM, Regime
from streams.simulator.settings import Contract, ExchangeSettings

#: An order to rest: account number, is it a buy, ticks behind the fair price, lots, microseconds until it is taken back.
Quote = tuple[int, bool, int, int, int]
#: An order to trade at once: account number, a draw in [0, 1) that decides the side, lots.
Hit = tuple[int, float, int]
#: Asked for each order of an account before it enters: (account, symbol, now_us); no makes the order vanish.
Admission = Callable[[str, str, int], bool]

SNAPSHOT_LEVELS = 20
#: Nearer to the fair price every tick is quoted; farther away people like round prices.
_ROUND_BEYOND_TICKS, _ROUND_TICKS = 12, 5
#: How far through the book an order to trade goes before it gives up; a liquidation does not.
_PROTECTION_TICKS = 25
_REFILL_SHARE, _REFILL_MEDIAN_US, _REFILL_LIFE_US = 0.8, 250_000, 5_000_000
_AGAIN_SHARE, _AGAIN_MEAN_US = 0.3, 80_000
_STALE_TICKS, _STALE_SHARE, _PULL_MEDIAN_US = 0.6, 0.3, 80_000


class Market:
    """The book of one symbol and everybody's orders on it.

    Parameters
    ----------
    contract
        What is traded.
    settings
        Of the exchange.
    holdings
        The accounts' positions on this symbol.
    agenda
        Where what follows from an order (its end, a refill) is put.
    numbers
        Gives order and trade numbers.
    emit
        Takes each event with its topic, in order of time.
    rng
        Where its chance comes from.
    admission
        Asked before any order of an account enters; None admits all. Cancels and liquidations are not asked about.
    """

    def __init__(
        self,
        contract: Contract,
        settings: ExchangeSettings,
        holdings: Holdings,
        agenda: Agenda,
        numbers: "count[int]",
        emit: Callable[[tuple[str, Event]], None],
        rng: Random,
        admission: Admission | None = None,
    ) -> None:
        self.contract = contract
        self.holdings = holdings
        self.agenda = agenda
        self.makers = settings.makers
        self.bids = BookSide(contract, is_buy=True)
        self.asks = BookSide(contract, is_buy=False)
        self.regime: Regime = CALM
        self.withdrawn_share = 0.0
        self.last_price = contract.price
        self._fair_ticks = contract.price / contract.tick_size
        self._trend_ticks = self._fair_ticks
        self._names = settings.account_names()
        self._numbers = numbers
        self._emit = emit
        self._rng = rng
        self._admission = admission
        self._funding = 1e-4

    def _admitted(self, account: int, now_us: int) -> bool:
        """Say whether an order of an account may enter: the one place that every order passes."""
        return self._admission is None or self._admission(self._names[account], self.contract.symbol, now_us)

    def place(self, now_us: int, quote: Quote) -> None:
        """Let an order rest; its end is put on the agenda. A price through the other side is moved behind it (post only)."""
        account, is_buy, offset, lots, life_us = quote
        if account < self.makers and self._rng.random() < self.withdrawn_share:
            return
        if not self._admitted(account, now_us):
            return
        self.agenda.add(now_us + life_us, self.cancel, self.rest(now_us, account, is_buy, offset, lots))

    def rest(self, placed_us: int, account: int, is_buy: bool, offset: int, lots: int) -> Order:
        """Put an order on the book without asking, and return it."""
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
        order = Order(next(self._numbers), account, is_buy, key, lots, placed_us)
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
            self._names[order.account],
            order.number,
            "buy" if order.is_buy else "sell",
            order.price,
            lots / self.contract.lots_per_unit,
            order.placed_us,
        )
        self._emit(("cancels", cancel))

    def take(self, now_us: int, hit: Hit) -> None:
        """Let a taker trade, on the side to which the fair price pulls; now and then somebody follows it."""
        account, draw, lots = hit
        if not self._admitted(account, now_us):
            return
        pull = self._fair_ticks - self._trend_ticks
        if self.bids.best < EMPTY and self.asks.best < EMPTY:
            pull = 0.15 * pull + self._fair_ticks - (self.asks.best - self.bids.best) / 2
        is_buy = draw < 0.5 + 0.45 * math.tanh(pull / 1.5)
        self._trade(now_us, account, is_buy, lots, _PROTECTION_TICKS)
        if self._rng.random() < _AGAIN_SHARE:
            # The same side again: a fresh draw on that half of its range.
            draw = draw * 0.5 if is_buy else 0.5 + draw * 0.5
            self.agenda.add(now_us + round(self._rng.expovariate(1 / _AGAIN_MEAN_US)), self.take, (account, draw, lots))

    def _trade(self, now_us: int, taker: int, is_buy: bool, lots: int, reach_ticks: int, liquidation: bool = False) -> int:
        """Match `lots` against the book, as far as `reach_ticks` behind its best; return the lots traded."""
        book = self.asks if is_buy else self.bids
        worst = book.best + reach_ticks
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
            if not order.lots and order.account < self.makers and self._rng.random() < _REFILL_SHARE:
                self._refill(now_us, order)
        return lots - left

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
            self._names[taker],
            self._names[order.account],
            liquidation,
        )
        self._emit(("trades", trade))

    def _refill(self, now_us: int, order: Order) -> None:
        delay_us = round(_REFILL_MEDIAN_US * math.exp(self._rng.gauss(0, 0.8)))
        life_us = round(_REFILL_LIFE_US * math.exp(self._rng.gauss(0, 1)) * self.regime.lifetime)
        quote = (order.account, order.is_buy, self._rng.randrange(3), order.placed_lots, life_us)
        self.agenda.add(now_us + delay_us, self.place, quote)

    def move(self, now_us: int, fair_price: float, regime: Regime) -> None:
        """Take note of the fair price and the weather; makers pull the quotes that these make stale."""
        self._fair_ticks = fair_price / self.contract.tick_size
        self._trend_ticks += 0.01 * (self._fair_ticks - self._trend_ticks)
        if regime is not self.regime and regime.pulled_share:
            orders = (order for side in (self.bids, self.asks) for level in side.by_level() for order in level)
            for order in orders:
                if order.account < self.makers and self._rng.random() < regime.pulled_share:
                    self.pull(now_us, order, 1_000_000)
        self.regime = regime
        for side, fair_key in ((self.asks, self._fair_ticks), (self.bids, -self._fair_ticks)):
            for order in side.better_than(fair_key - _STALE_TICKS):
                if order.account < self.makers or self._rng.random() < _STALE_SHARE:
                    self.pull(now_us, order, _PULL_MEDIAN_US)

    def pull(self, now_us: int, order: Order, median_us: int) -> None:
        """Have an order taken back early, once."""
        if not order.leaving:
            order.leaving = True
            delay_us = min(5 * median_us, round(median_us * math.exp(self._rng.gauss(0, 0.6))))
            self.agenda.add(now_us + delay_us, self.cancel, order)

    def change_leverage(self, now_us: int, account: int, wanted: float) -> None:
        """Set an account's leverage, if its losses let it."""
        holdings = self.holdings
        changed = holdings.change_leverage(account, wanted, self._mark())
        if changed is None:
            return
        before, after = changed
        position = holdings.position(account)
        change = LeverageChange(
            now_us,
            self._names[account],
            self.contract.symbol,
            after,
            before,
            position,
            float(holdings.entry[account]) if position else None,
            "isolated" if holdings.isolated[account] else "cross",
            abs(position) * self.last_price / after,
        )
        self._emit(("leverage", change))

    def snapshot(self, now_us: int, _: None) -> None:
        """Show the best levels of the book."""
        bids, asks = self.bids.top(SNAPSHOT_LEVELS), self.asks.top(SNAPSHOT_LEVELS)
        self._emit(("books", BookSnapshot(now_us, self.contract.symbol, bids, asks)))

    def tick(self, now_us: int, _: None) -> None:
        """Show the reference prices, then liquidate whom the mark price leaves without margin."""
        self._funding += 0.01 * (1e-4 - self._funding) + self._rng.gauss(0, 2e-6)
        mark = self._mark()
        index = self._fair_ticks * self.contract.tick_size * (1 + self._rng.gauss(0, 2e-5))
        ticker = DerivativeTicker(
            now_us,
            self.contract.symbol,
            self.last_price,
            round(mark, 6),
            round(index, 6),
            self.holdings.open_interest(),
            round(self._funding, 8),
        )
        self._emit(("tickers", ticker))
        for account in self.holdings.bankrupt(mark):
            self._liquidate(now_us, account)

    def _mark(self) -> float:
        """Return the mark price: near the fair one, drawn to the last trade."""
        return 0.7 * self._fair_ticks * self.contract.tick_size + 0.3 * self.last_price

    def _liquidate(self, now_us: int, account: int) -> None:
        lots = int(self.holdings.lots[account])
        closed = self._trade(now_us, account, lots < 0, abs(lots), EMPTY, liquidation=True)
        if closed:
            units = self.contract.lots_per_unit
            side = "buy" if lots < 0 else "sell"
            name = self._names[account]
            self._emit(("liquidations", Liquidation(now_us, self.contract.symbol, side, self.last_price, closed / units, name)))
