"""Small seeded streams of the optional inputs, calm unless told otherwise, and what the pipeline says of them."""

import math
import random
from collections.abc import Callable, Iterable

from detectors.config import CoreSettings
from detectors.events import BookSnapshot, Cancel, DerivativeTicker, Event, Latency, Liquidation, Side, Trade
from detectors.pipeline import Results
from detectors.results import Alert, Pattern
from tests.detectors.workers import results_of_pipeline
from tests.helpers import Arrival, Log, at_us

SYMBOL = "BTC-PERP"
PRICE = 30_000.0
SIDES: tuple[Side, Side] = ("buy", "sell")
#: What something is at a time, in seconds from the beginning.
AtTime = Callable[[float], float]


def tickers(
    seed: int, seconds: float, mark_shift: AtTime = lambda _: 0.0, silent: tuple[float, float] = (0.0, 0.0)
) -> list[Arrival]:
    """Mark each second, index each second in records of its own, some basis points apart; no mark while `silent`."""
    chance, found = random.Random(seed), list[Arrival]()
    price, second = PRICE, 0.0
    while second < seconds:
        price *= 1.0 + chance.gauss(0.0, 5e-5)
        index_us, mark_us = at_us(second), at_us(second + chance.uniform(0.3, 0.6))
        found.append(("tickers", DerivativeTicker(index_us, SYMBOL, index_price=price)))
        if not silent[0] <= second < silent[1]:
            mark = price * (1.0 + chance.gauss(0.0, 1e-4) + mark_shift(second))
            found.append(("tickers", DerivativeTicker(mark_us, SYMBOL, mark_price=mark)))
        second += 1.0
    return found


def latencies(
    seed: int, seconds: float, component: str = "matching", factor: AtTime = lambda _: 1.0, per_s: float = 20.0
) -> list[Arrival]:
    """Latencies of a component, 5 ms in the middle, with a heavy tail, times a factor."""
    chance, found = random.Random(seed), list[Arrival]()
    time_s = 0.0
    while (time_s := time_s + chance.expovariate(per_s)) < seconds:
        latency_us = 5_000.0 * factor(time_s) * chance.lognormvariate(0.0, 0.3) * chance.paretovariate(3.0)
        found.append(("latency", Latency(at_us(time_s), component, latency_us)))
    return found


def trades(
    seed: int,
    seconds: float,
    per_s: AtTime = lambda _: 3.0,
    buys: AtTime = lambda _: 0.5,
    accounts: int = 40,
    taker: AtTime = lambda _: -1.0,
) -> list[Arrival]:
    """Trades of a crowd, heavy-tailed in size; of one account alone where `taker` answers its number."""
    chance, found, price = random.Random(seed), list[Arrival](), PRICE
    time_s = 0.0
    while (time_s := time_s + chance.expovariate(per_s(time_s))) < seconds:
        side: Side = "buy" if chance.random() < buys(time_s) else "sell"
        price *= 1.0 + chance.gauss(0.0, 2e-5)
        number = int(taker(time_s)) if taker(time_s) >= 0.0 else chance.randrange(accounts)
        maker = f"acct-{chance.randrange(accounts):02d}"
        amount = chance.lognormvariate(-3.0, 1.0)
        found.append(("trades", Trade(at_us(time_s), SYMBOL, price, amount, side, "", f"acct-{number:02d}", maker)))
    return found


def liquidations(seed: int, seconds: float, per_s: AtTime, flagged: bool = False) -> list[Arrival]:
    """Liquidations of random accounts, told by their own topic or by flags on trades."""
    chance, found = random.Random(seed), list[Arrival]()
    time_s = 0.0
    while (time_s := time_s + chance.expovariate(50.0)) < seconds:
        if chance.random() * 50.0 >= per_s(time_s):
            continue
        amount = chance.lognormvariate(-1.0, 1.0)
        if flagged:
            found.append(("trades", Trade(at_us(time_s), SYMBOL, PRICE, amount, "sell", liquidation=True)))
        else:
            found.append(("liquidations", Liquidation(at_us(time_s), SYMBOL, "sell", PRICE, amount)))
    return found


def books(seed: int, seconds: float, per_s: float = 4.0, scale: AtTime = lambda _: 1.0) -> list[Arrival]:
    """Snapshots by the clock, with other depth each time, times a scale."""
    chance, found = random.Random(seed), list[Arrival]()
    for number in range(int(seconds * per_s)):
        time_s = (number + 0.2 * chance.random()) / per_s
        sides = [
            [
                (PRICE * (1.0 + sign * level * 3e-4), scale(time_s) * chance.lognormvariate(0.0, 0.3) * 10.0)
                for level in range(1, 16)
            ]
            for sign in (-1, 1)
        ]
        found.append(("books", BookSnapshot(at_us(time_s), SYMBOL, *sides)))
    return found


def cancels(seed: int, seconds: float, per_s: float = 4.0, accounts: int = 40) -> list[Arrival]:
    """Makers of a crowd who take back one to four orders at once, of one side or of both."""
    chance, found = random.Random(seed), list[Arrival]()
    time_s = 0.0
    while (time_s := time_s + chance.expovariate(per_s / 2.0)) < seconds:
        account, side = f"acct-{chance.randrange(accounts):02d}", chance.choice(SIDES)
        for _ in range(chance.randint(1, 4)):
            side = side if chance.random() < 0.8 else chance.choice(SIDES)
            found.append(a_cancel(chance, time_s, account, side, chance.lognormvariate(-2.0, 1.0)))
    return found


def layers(seed: int, begin_s: float, account: str, levels: int = 6) -> list[Arrival]:
    """An account is filled for little on one side, and takes back layers of much on the other, within a second."""
    chance = random.Random(seed)
    fill = Trade(at_us(begin_s), SYMBOL, PRICE, 0.01, "buy", "", "acct-00", account)
    return [
        ("trades", fill),
        *(a_cancel(chance, begin_s + 0.5, account, "buy", 3.0, level) for level in range(1, levels + 1)),
    ]


def a_cancel(
    chance: random.Random, time_s: float, account: str, side: Side, amount: float, level: int | None = None
) -> Arrival:
    """A young order taken back, some hundredths of a per cent from the price."""
    away = 1e-4 * (chance.randrange(1, 20) if level is None else level)
    price = round(PRICE * (1.0 - away if side == "buy" else 1.0 + away), 2)
    name = f"{account}-{time_s}-{chance.random()}"
    return "cancels", Cancel(at_us(time_s), SYMBOL, account, name, side, price, amount, at_us(time_s - 2.0))


def contract(seed: int, seconds: float, heat: AtTime = lambda _: 0.0) -> list[Arrival]:
    """Tickers of a contract each five seconds, all that they can tell; with heat, funding, interest and basis rise."""
    chance, found, price, interest = random.Random(seed), list[Arrival](), PRICE, 0.0
    time_s = 0.0
    while (time_s := time_s + 5.0) < seconds:
        price *= 1.0 + chance.gauss(0.0, 1e-4)
        interest = 0.99 * interest + chance.gauss(0.0, 0.002)
        hot = heat(time_s)
        mark = price * (1.0 + chance.gauss(0.0, 1e-5) + 3e-4 * hot)
        funding, contracts = chance.gauss(1e-4, 5e-6) + 1e-4 * hot, 1e4 * math.exp(interest + 0.1 * hot)
        found.append(("tickers", DerivativeTicker(at_us(time_s), SYMBOL, None, mark, price, contracts, funding)))
    return found


def in_order(*streams: Iterable[Arrival]) -> list[Arrival]:
    """Several streams as one."""
    found = [arrival for stream in streams for arrival in stream]
    return sorted(found, key=lambda arrival: arrival[1].timestamp)


def results_of(*streams: Iterable[tuple[str, Event]], partitions: int = 1) -> Results:
    """What the pipeline says of them under the default settings."""
    return results_of_pipeline(Log(in_order(*streams), partitions), CoreSettings())


def grave(alerts: Iterable[Alert], pattern: Pattern | None = None) -> list[Alert]:
    """Alerts above info, of a pattern if it is given."""
    return [one for one in alerts if one.severity != "info" and pattern in (None, one.pattern)]
