"""Whether the log of a run is what was planned to be sent, and which of its records are spoiled."""

from collections.abc import Mapping, Sequence

from tests.chaos.load import Load
from tests.chaos.oracle import Place
from tests.chaos.poison import KINDS, OVERSIZED

#: Records with these faults give one dead letter each.
_REFUSED = frozenset({*KINDS, OVERSIZED, "ahead"})


def faults_in_log(load: Load, log: Mapping[Place, Sequence[bytes]], *, exact: bool) -> dict[Place, list[str]]:
    """Compare the log with the plan; gives the fault of each record of the log.

    Parameters
    ----------
    load
        What was to be sent.
    log
        What the broker holds.
    exact
        Whether the log must equal the plan; else a record may stand there again right after itself or among the next
        few, as a producer that is not idempotent sends again what was not acknowledged in time.

    Raises
    ------
    RuntimeError
        A record is missing, in the wrong order, or was never planned: then the run says nothing about workers.
    """
    planned: dict[Place, list[tuple[bytes, str]]] = {place: [] for place in log}
    for record in load.records():
        planned[record.topic, record.partition].append((record.value, record.fault))
    return {place: _faults(place, planned[place], values, exact=exact) for place, values in log.items()}


def poison_count(faults: Mapping[Place, Sequence[str]]) -> int:
    """How many records no worker may take."""
    return sum(fault in _REFUSED for every in faults.values() for fault in every)


def _faults(place: Place, planned: Sequence[tuple[bytes, str]], log: Sequence[bytes], *, exact: bool) -> list[str]:
    faults: list[str] = []
    earlier: dict[bytes, str] = {}
    at = 0
    for offset, value in enumerate(log):
        if at < len(planned) and planned[at][0] == value:
            faults.append(planned[at][1])
            earlier[value] = planned[at][1]
            at += 1
        elif not exact and value in earlier:
            faults.append(earlier[value])
        else:
            raise RuntimeError(f"{place[0]}/{place[1]}: the record at offset {offset} is not record {at} of the plan")
    if at < len(planned):
        raise RuntimeError(f"{place[0]}/{place[1]}: {len(planned) - at} of {len(planned)} records were never sent")
    return faults
