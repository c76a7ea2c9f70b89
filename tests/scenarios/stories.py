"""Short flows in which every pattern comes up, at settings under which minutes are history enough."""

import math
import random
from collections.abc import Callable
from functools import cache

from detectors.events import BookSnapshot, LeverageChange
from detectors.results import Alert
from tests.detectors.full_flow import full_flow
from tests.detectors.further_flows import PRICE, SYMBOL, contract, in_order
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


STORIES: dict[str, Callable[[], list[Arrival]]] = {
    "everything at once": full_flow,
    "a contract that heats up": _heating_contract,
    "a crowd below the price": _crowd_below_the_price,
}


@cache
def told(story: str) -> tuple[Log, tuple[Alert, ...]]:
    """The input of a story as Kafka would keep it, and the alerts that came of it."""
    log = Log(STORIES[story](), _PARTITIONS)
    return log, tuple(results_of_pipeline(log, quick_settings()).alerts)
