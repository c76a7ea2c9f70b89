"""The ordinary flow of orders on one symbol: who quotes where, for how long, and who trades."""

import math

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from streams.simulator.market import Market, Quote
from streams.simulator.regimes import AVERAGE_VOLATILITY
from streams.simulator.settings import ExchangeSettings

#: Kinds of quote: 0 makers' quick ones, 1 makers' ladders (few, but most of the depth), 2 everybody else's. Per kind:
#: share of placements, lifetime (median in seconds, spread of its log), distance from the fair price (mean in ticks),
#: size (median in ordinary orders, spread of its log). Lifetimes are set so that those of all cancels come out as
#: recorded ones do: a tenth below 0.13 s, half below 9 s, nine tenths below 80 s.
_OTHERS = 2
_SHARES = (0.31, 0.09, 0.60)
_LIFE_MEDIAN_S = np.array([0.5, 30.0, 36.0])
_LIFE_SIGMA = np.array([1.9, 0.8, 1.5])
_DISTANCE_TICKS = np.array([3.0, 8.0, 18.0])
_SIZE = np.array([2.0, 50.0, 1.0])
_SIZE_SIGMA = np.array([0.5, 0.4, 1.0])
_LONGEST_LIFE_S = 900.0
_FARTHEST_TICKS = 80
#: Activity of the n-th most active trader goes with 1 / n ** this.
_ACTIVITY_EXPONENT = 0.9
#: Share of trades in all trades and cancels; and, measured over long runs, how many trades come of one taker, and how
#: many quotes more than cancels are needed for a trade (fewer than none: makers quote again more than is filled).
_TRADE_SHARE = 0.26
_TRADES_A_TAKER = 1.98
_PLACED_FOR_TRADES_SHARE = -0.05
_REBALANCE, _REBALANCE_TICKS = 0.4, 5.0
_TAKE_SIZE, _TAKE_SIGMA = 0.8, 1.2


class Flow:
    """Draws the orders of one symbol, a span of time at once, and puts them on the agenda.

    Parameters
    ----------
    market
        Where the orders go.
    settings
        Of the exchange.
    rng
        Where its chance comes from.
    """

    def __init__(self, market: Market, settings: ExchangeSettings, rng: Generator) -> None:
        self.market = market
        self._rng = rng
        flow_per_s = settings.orders_per_s * settings.weight(market.contract.symbol)
        self._takers_per_s = flow_per_s * _TRADE_SHARE / _TRADES_A_TAKER
        self._quotes_per_s = flow_per_s * (1 - _TRADE_SHARE + _TRADE_SHARE * _PLACED_FOR_TRADES_SHARE)
        activity = 1 / np.arange(1, settings.accounts - settings.makers + 1) ** _ACTIVITY_EXPONENT
        self._traders = np.cumsum(activity / activity.sum())

    @property
    def usual_side_lots(self) -> float:
        """What rests on one side of the whole book on average, were nothing filled: rate times lifetime times size."""
        lives_s = np.minimum(_LIFE_MEDIAN_S * np.exp(_LIFE_SIGMA**2 / 2), _LONGEST_LIFE_S)
        sizes = _SIZE * np.exp(_SIZE_SIGMA**2 / 2)
        orders = self._quotes_per_s * float((np.array(_SHARES) * lives_s * sizes).sum()) / 2
        return orders * self.market.contract.order_lots

    def _trader_accounts(self, count: int) -> NDArray[np.int64]:
        ranks = np.searchsorted(self._traders, self._rng.random(count)).clip(max=len(self._traders) - 1)
        return self.market.makers + ranks

    def _draw_quotes(self, kinds: NDArray[np.int64], life_s: NDArray[np.float64]) -> list[Quote]:
        """Draw what is not yet decided of quotes of these kinds with these lifetimes."""
        rng, count = self._rng, len(kinds)
        makers = rng.integers(0, self.market.makers, count)
        accounts = np.where(kinds < _OTHERS, makers, self._trader_accounts(count))
        offsets = np.minimum(rng.exponential(_DISTANCE_TICKS[kinds]), _FARTHEST_TICKS).astype(np.int64)
        sizes = _SIZE[kinds] * np.exp(rng.standard_normal(count) * _SIZE_SIGMA[kinds])
        sizes[kinds < _OTHERS] *= self.market.regime.size
        lots = np.maximum(1, sizes * self.market.contract.order_lots).astype(np.int64)
        lives_us = (life_s * 1e6).astype(np.int64)
        # Where the price has come from, few quotes are left near it: makers quote more on that side.
        thin_side = _REBALANCE * math.tanh(self.market.trend_ticks / _REBALANCE_TICKS)
        buys = rng.random(count) < 0.5 + np.where(kinds < _OTHERS, thin_side, 0.0)
        return list(
            zip(accounts.tolist(), buys.tolist(), offsets.tolist(), lots.tolist(), lives_us.tolist(), strict=True)
        )

    def _draw_kinds(self, count: int) -> NDArray[np.int64]:
        return np.searchsorted(np.cumsum(_SHARES[:-1]), self._rng.random(count), side="right").astype(np.int64)

    def _draw_lives_s(self, kinds: NDArray[np.int64]) -> NDArray[np.float64]:
        lives_s: NDArray[np.float64] = _LIFE_MEDIAN_S[kinds] * np.exp(
            self._rng.standard_normal(len(kinds)) * _LIFE_SIGMA[kinds]
        )
        return lives_s.clip(max=_LONGEST_LIFE_S)

    def open_book(self, now_us: int) -> None:
        """Fill the book with what would rest there had the market run for ever.

        An order met at a random moment has a lifetime drawn in proportion to its length; any share of it may be over.
        """
        kinds = self._draw_kinds(20_000)
        lives_s = self._draw_lives_s(kinds)
        resting = round(self._quotes_per_s * float(lives_s.mean()))
        met = np.searchsorted(np.cumsum(lives_s / lives_s.sum()), self._rng.random(resting)).clip(max=len(lives_s) - 1)
        quotes = self._draw_quotes(kinds[met], lives_s[met])
        gone = self._rng.random(resting).tolist()
        drift_ticks = AVERAGE_VOLATILITY * self.market.contract.drift_ticks_per_sqrt_s
        lucky = self._rng.random(resting).tolist()
        for (account, is_buy, offset, lots, life_us), share, luck in zip(quotes, gone, lucky, strict=True):
            age_us = math.floor(life_us * share)
            # The price may have come by since it was placed: the reflection principle gives the odds that it has not.
            if luck > math.erf((offset + 1) / (drift_ticks * math.sqrt(2e-6 * age_us + 1e-9))):
                continue
            order = self.market.rest(now_us - age_us, account, is_buy, offset, lots)
            self.market.agenda.add(now_us + life_us - age_us, self.market.cancelling, order)

    def plan(self, start_us: int, span_us: int, rate: float) -> None:
        """Put the orders of the time from `start_us` on the agenda; `rate` is the activity against the average."""
        rng, agenda = self._rng, self.market.agenda
        kinds = self._draw_kinds(rng.poisson(self._quotes_per_s * rate * span_us / 1e6))
        quotes = self._draw_quotes(kinds, self._draw_lives_s(kinds) * self.market.regime.lifetime)
        for at_us, quote in zip(rng.integers(start_us, start_us + span_us, len(quotes)).tolist(), quotes, strict=True):
            agenda.add(at_us, self.market.placing, quote)

        count = rng.poisson(self._takers_per_s * rate * span_us / 1e6)
        sizes = _TAKE_SIZE * np.exp(rng.standard_normal(count) * _TAKE_SIGMA) * self.market.contract.order_lots
        takes = zip(
            self._trader_accounts(count).tolist(),
            rng.random(count).tolist(),
            np.maximum(1, sizes).astype(np.int64).tolist(),
            strict=True,
        )
        for at_us, hit in zip(rng.integers(start_us, start_us + span_us, count).tolist(), takes, strict=True):
            agenda.add(at_us, self.market.taking, hit)
