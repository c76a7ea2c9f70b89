"""What the simulated exchange is made of: its settings, its contracts, and the names of its accounts."""

from dataclasses import dataclass

from detectors.errors import ConfigError
from detectors.events import LATEST_TIMESTAMP_US

#: Standard deviation of the log price over a second in calm weather: about 50 % a year.
VOLATILITY_PER_SQRT_S = 0.5e-4
#: Tickers of one symbol in a second: like book snapshots they come by the clock, whatever the flow of orders.
TICKERS_PER_S = 1
#: Components that an exchange has whose latencies are asked for.
COMPONENTS = ("gateway", "matching-engine")
_BOOK_RATES_PER_S = (1, 2, 5, 10)


@dataclass(frozen=True, slots=True)
class Contract:
    """A perpetual contract: its price at the start, steps of price and amount, the size of an ordinary order."""

    symbol: str
    price: float
    tick_size: float
    lots_per_unit: int
    order_lots: int
    volatility: float = 1.0

    @property
    def drift_ticks_per_sqrt_s(self) -> float:
        """Standard deviation, in ticks, of the price's move in a second of calm weather."""
        return VOLATILITY_PER_SQRT_S * self.volatility * self.price / self.tick_size


_KNOWN = {
    "BTC-PERP": Contract("BTC-PERP", 60_000.0, 5.0, 1_000, 20),
    "ETH-PERP": Contract("ETH-PERP", 3_000.0, 0.25, 100, 40, volatility=1.2),
    "SOL-PERP": Contract("SOL-PERP", 150.0, 0.01, 10, 80, volatility=1.6),
    "XRP-PERP": Contract("XRP-PERP", 0.55, 0.00005, 1, 2_000, volatility=1.5),
}


def contract_of(symbol: str) -> Contract:
    """Return the contract that trades as `symbol`; a symbol not known here gets an ordinary one."""
    return _KNOWN.get(symbol) or Contract(symbol, 100.0, 0.01, 10, 100, volatility=1.2)


@dataclass(frozen=True, slots=True)
class Cascades:
    """How often crowds build up leveraged positions, how large, and how often news moves the price at a stroke.

    What follows from it, and whether that is a cascade, is left to the market: `build_ups` has the plans, `crowd` and
    `dislocation` the mechanism.

    Parameters
    ----------
    every_s
        Mean time on one symbol from the end of a build-up to the beginning of the next, in seconds; > 0.
    build_up_s
        Median length of a build-up in seconds; >= 60.
    strength
        Median size of a crowd's position, in usual depths of one side of the whole book; > 0.
    news_per_day
        News on one symbol in a day that waits for no crowd; >= 0.

    Raises
    ------
    ConfigError
        A value is out of its range.
    """

    every_s: float = 3_600.0
    build_up_s: float = 1_800.0
    strength: float = 9.0
    news_per_day: float = 6.0

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        checks = (
            (self.every_s > 0, "every_s must be > 0", self.every_s),
            (self.build_up_s >= 60, "build_up_s must be >= 60", self.build_up_s),
            (self.strength > 0, "strength must be > 0", self.strength),
            (self.news_per_day >= 0, "news_per_day must be >= 0", self.news_per_day),
        )
        for ok, what, found in checks:
            if not ok:
                raise ConfigError(f"exchange.cascades.{what}, was {found!r}")


@dataclass(frozen=True, slots=True)
class ExchangeSettings:
    """Settings of a simulated exchange.

    Parameters
    ----------
    seed
        The same seed and settings give the same events, byte for byte; >= 0.
    symbols
        What is traded, the busiest first; all different.
    accounts
        How many accounts there are, makers included; >= 100.
    makers
        How many of them are market makers; at least 2, at most a quarter of the accounts.
    events_per_s
        Events of all types in a second of event time, on average over calm and busy spells; books and tickers (11 a
        second and symbol by default) may be at most half of it.
    duration_s
        How much event time to make, in seconds; > 0.
    start_us
        Time of the beginning, microseconds since the epoch; at least an hour after it (orders rest from before).
    books_per_s
        Book snapshots of one symbol in a second, 1, 2, 5 or 10; the fair price moves as often.
    components
        Parts of the exchange that tell how long they take, twice a second each; all different.
    cascades
        Build-ups of leverage, and liquidations that move the price at which further ones happen; None: neither.

    Raises
    ------
    ConfigError
        A value is out of its range.
    """

    seed: int = 1
    symbols: tuple[str, ...] = ("BTC-PERP", "ETH-PERP", "SOL-PERP", "XRP-PERP")
    accounts: int = 3_000
    makers: int = 24
    events_per_s: float = 1_000.0
    duration_s: float = 300.0
    start_us: int = 1_767_225_600_000_000
    books_per_s: int = 10
    components: tuple[str, ...] = ()
    cascades: Cascades | None = None

    def __post_init__(self) -> None:
        least_per_s = 2 * self.clocked_per_s
        last_us = LATEST_TIMESTAMP_US - round(self.duration_s * 1e6)
        checks = (
            (self.seed >= 0, "seed must be >= 0", self.seed),
            (len(self.symbols) > 0, "symbols must name at least one", self.symbols),
            (len(set(self.symbols)) == len(self.symbols), "symbols must differ from each other", self.symbols),
            (
                len(set(self.components)) == len(self.components),
                "components must differ from each other",
                self.components,
            ),
            (self.accounts >= 100, "accounts must be >= 100", self.accounts),
            (2 <= self.makers <= self.accounts // 4, "makers must be in 2..accounts/4", self.makers),
            (
                self.events_per_s >= least_per_s,
                f"events_per_s must be >= {least_per_s} for these symbols",
                self.events_per_s,
            ),
            (self.duration_s > 0, "duration_s must be > 0", self.duration_s),
            (
                self.books_per_s in _BOOK_RATES_PER_S,
                f"books_per_s must be one of {_BOOK_RATES_PER_S}",
                self.books_per_s,
            ),
            (3_600_000_000 <= self.start_us <= last_us, f"start_us must be in 3600000000..{last_us}", self.start_us),
        )
        for ok, what, found in checks:
            if not ok:
                raise ConfigError(f"exchange.{what}, was {found!r}")

    @property
    def clocked_per_s(self) -> int:
        """Events in a second that come by the clock."""
        return len(self.symbols) * (self.books_per_s + TICKERS_PER_S)

    @property
    def leverage_per_s(self) -> float:
        """Leverage changes in a second: people make them, so they do not grow with machine traffic for ever."""
        return min(8.0, 0.006 * self.events_per_s)

    @property
    def orders_per_s(self) -> float:
        """Trades and cancels in a second."""
        return self.events_per_s - self.clocked_per_s - self.leverage_per_s

    @property
    def flow_scale(self) -> float:
        """How much machine traffic there is, against the default; bursts of machines grow with it."""
        return max(1.0, self.events_per_s / 1_000)

    @property
    def end_us(self) -> int:
        """The time before which every event stands."""
        return self.start_us + round(self.duration_s * 1e6)

    def weight(self, symbol: str) -> float:
        """Return the share of all order flow that goes to `symbol`."""
        ranks = [1 / (rank + 1) for rank in range(len(self.symbols))]
        return ranks[self.symbols.index(symbol)] / sum(ranks)

    def account_names(self) -> list[str]:
        """Return all accounts: market makers, then the others from the most to the least active.

        Examples
        --------
        >>> names = ExchangeSettings().account_names()
        >>> names[0], names[24], len(names)
        ('maker-000', 'trader-00000', 3000)
        """
        makers = [f"maker-{number:03d}" for number in range(self.makers)]
        return makers + [f"trader-{number:05d}" for number in range(self.accounts - self.makers)]
