"""Short flows in which every pattern comes up, at settings under which minutes are history enough."""

import math
import random
from collections.abc import Callable
from functools import cache

from detectors.events import BookSnapshot, LeverageChange
from detectors.results import Alert, Signal
from tests.detectors.full_flow import full_flow
from tests.detectors.further_flows import PRICE, SYMBOL, contract, in_order, trades
from tests.detectors.workers import results_of_pipeline
from tests.helpers import Arrival, Log, at_us, quick_settings

#: More than one, so that each partition has symbols of which an alert is not.
_PARTITIONS = 2


def _heating_contract() -> list[Arrival]:
    """Funding, open interest and basis that rise within minutes, beside a contract that stays as it is."""
    hot = contract(1, 2_000.0, heat=lambda time_s: min(max(time_s - 1_700.0, 0.0) / 60.0, 5.0))
    return in_order(hot)


def _crowd_below_the_price() -> list[Arrival]:
    """A wandering price, far from liquidations until a crowd enters just above where the book would not hold it."""
    chance, found, mid = random.Random(3), list[Arrival](), PRICE
    for second in range(5, 1_500, 5):
        mid *= math.exp(chance.gauss(0.0, 2e-4))
        scale = chance.uniform(8.0, 12.0)
        sides = [[(mid * (1.0 + sign * level * 5e-4), scale) for level in range(1, 13)] for sign in (-1, 1)]
        found.append(("books", BookSnapshot(at_us(second), SYMBOL, *sides)))
        if second in (10, 1_400):
            leverage, contracts = (10.0, 50.0) if second == 10 else (100.0, 5_000.0)
            change = LeverageChange(at_us(second + 1), f"crowd-{second}", SYMBOL, leverage, None, contracts, mid)
            found.append(("leverage", change))
    return in_order(found)


def _trade_that_grows_for_good() -> list[Arrival]:
    """After some hours there are ten times as many trades, and it stays so."""
    grown_s = 190 * 60.0
    return trades(5, grown_s + 1_800.0, lambda time_s: 1.0 if time_s >= grown_s else 0.1)


def _dear_fills() -> list[Arrival]:
    """Books as deep as ever, and a spread that is suddenly five times as wide."""
    chance, found = random.Random(6), list[Arrival]()
    for number in range(1_500):
        time_s = 0.25 * number + 0.05 * chance.random()
        half = 1e-4 * chance.uniform(0.8, 1.2) * (5.0 if time_s > 350.0 else 1.0)
        mid = PRICE * math.exp(2e-5 * math.sin(time_s))
        sides = [
            [(mid * (1.0 + sign * (half + 1e-4 * level)), chance.uniform(2.0, 3.0)) for level in range(15)]
            for sign in (-1, 1)
        ]
        found.append(("books", BookSnapshot(at_us(time_s), SYMBOL, *sides)))
    return found


STORIES: dict[str, Callable[[], list[Arrival]]] = {
    "everything at once": full_flow,
    "a contract that heats up": _heating_contract,
    "a crowd below the price": _crowd_below_the_price,
    "trade that grows for good": _trade_that_grows_for_good,
    "dear fills": _dear_fills,
}


@cache
def told(story: str) -> tuple[Log, tuple[Alert, ...], tuple[Signal, ...]]:
    """The input of a story as Kafka would keep it, and the alerts and signals that came of it."""
    log = Log(STORIES[story](), _PARTITIONS)
    results = results_of_pipeline(log, quick_settings())
    return log, tuple(results.alerts), tuple(results.signals)
