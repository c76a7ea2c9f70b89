"""The newest records: whether we can read them, as they are or by the mapping."""

from collections.abc import Iterable, Iterator

from streams.doctor.lines import Line
from streams.doctor.records import Moment


def check_records(moments: Iterable[Moment], mapping_file: str) -> Iterator[Line]:
    """One line a topic whose newest record of any partition would be refused.

    Parameters
    ----------
    moments
        The newest record of each partition that holds any.
    mapping_file
        Where the mapping stands; empty: there is none.
    """
    told: set[str] = set()
    for moment in moments:
        if moment.fault and moment.topic not in told:
            told.add(moment.topic)
            mend = f"correct {mapping_file}; " if mapping_file else ""
            yield Line(
                "WARN",
                f"records of {moment.topic}",
                f"the newest of partition {moment.partition} is refused: {moment.fault}",
                f"{mend}see who writes them, and dead-letters; records of another form are told by a mapping file",
            )
