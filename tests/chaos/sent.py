"""What stands in the log of a run against what was planned to be sent, and which of its records are spoiled."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tests.chaos.load import Load
from tests.chaos.oracle import Place
from tests.chaos.poison import KINDS, OVERSIZED

#: Records with these faults give one dead letter each.
_REFUSED = frozenset({*KINDS, OVERSIZED, "ahead"})


class SentLog(NamedTuple):
    """What the log holds: `poison` records that no worker may take, records `repeated`, and records `out_of_order`.

    The last two are the producer's doing: it sends again what was not acknowledged in time. They are no fault of
    workers, and no reason to stop, for the oracle reads the log as it is; an idempotent producer should have none.
    """

    poison: int
    repeated: int
    out_of_order: int


def compare_with_plan(load: Load, log: Mapping[Place, Sequence[bytes]]) -> SentLog:
    """Compare the log with the plan.

    Raises
    ------
    RuntimeError
        A record is missing, or was never planned: then the run says nothing about workers.
    """
    planned: dict[Place, list[tuple[bytes, str]]] = {place: [] for place in log}
    for record in load.records():
        planned[record.topic, record.partition].append((record.value, record.fault))
    total = SentLog(0, 0, 0)
    for place, values in log.items():
        total = SentLog(*map(sum, zip(total, _compare(place, planned[place], values), strict=True)))
    return total


def _compare(place: Place, planned: Sequence[tuple[bytes, str]], log: Sequence[bytes]) -> SentLog:
    faults = dict(planned)
    left = Counter(value for value, _ in planned)
    # Where the plan holds the same bytes twice (duplicates), one place is as good as the other.
    places: dict[bytes, int] = {value: number for number, (value, _) in reversed(list(enumerate(planned)))}
    poison = repeated = out_of_order = 0
    newest = -1
    for offset, value in enumerate(log):
        if value not in faults:
            raise RuntimeError(f"{place[0]}/{place[1]}: the record at offset {offset} was never planned")
        poison += faults[value] in _REFUSED
        if left[value] == 0:
            repeated += 1
            continue
        if left[value] == 1 and faults[value] == "" and places[value] < newest:
            out_of_order += 1
        left[value] -= 1
        newest = max(newest, places[value])
    lost = sum(left.values())
    if lost:
        raise RuntimeError(f"{place[0]}/{place[1]}: {lost} of {len(planned)} records that were sent are not there")
    return SentLog(poison, repeated, out_of_order)
