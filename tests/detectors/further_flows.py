"""Small seeded streams of the optional inputs, calm unless told otherwise, and what the pipeline says of them."""

import random
from collections.abc import Callable, Iterable

from detectors.config import CoreSettings
from detectors.events import DerivativeTicker, Event
from detectors.pipeline import Results
from detectors.results import Alert, Pattern
from tests.detectors.workers import results_of_pipeline
from tests.helpers import Arrival, Log, at_us

SYMBOL = "BTC-PERP"
PRICE = 30_000.0
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
