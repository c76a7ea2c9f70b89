"""What stands in the log of a run against what was planned to be sent, and which of its records are spoiled."""

from collections import deque
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
    # The plan may hold the same bytes twice: the first in the log stands for the first in the plan.
    left: dict[bytes, deque[int]] = {}
    for number, (value, _) in enumerate(planned):
        left.setdefault(value, deque()).append(number)
    poison = repeated = out_of_order = 0
    newest = -1
    for offset, value in enumerate(log):
        if value not in faults:
            raise RuntimeError(f"{place[0]}/{place[1]}: the record at offset {offset} was never planned")
        poison += faults[value] in _REFUSED
        if not left[value]:
            repeated += 1
            continue
        number = left[value].popleft()
        out_of_order += number < newest
        newest = max(newest, number)
    lost = sum(map(len, left.values()))
    if lost:
        raise RuntimeError(f"{place[0]}/{place[1]}: {lost} of {len(planned)} records that were sent are not there")
    return SentLog(poison, repeated, out_of_order)
