"""Topics: there, cut alike, and copied."""

from collections.abc import Iterator, Mapping

from streams.doctor.facts import TopicFacts
from streams.doctor.lines import Line
from streams.settings import Settings
from streams.topics import TOPICS, Topic


def check_topics(
    settings: Settings, topics: Mapping[str, TopicFacts], brokers: int, known: Mapping[str, Topic] = TOPICS
) -> Iterator[Line]:
    """What every broker tells: existence, partitions, copies; `known` are all topics by their names on the broker."""
    foreign = [name for name, topic in known.items() if topic.is_foreign and name not in topics]
    if foreign:
        yield Line(
            "FAIL",
            "topics of the exchange",
            f"missing, or hidden from us: {', '.join(foreign)}",
            "correct `source` in the mapping file, or create them; if they exist, allow us to describe them",
        )
    missing = [name for name in known if name not in topics and name not in foreign]
    if missing:
        yield Line(
            "FAIL",
            "topics",
            f"missing, or hidden from us: {', '.join(missing)}",
            f"squall topics --partitions {settings.partitions} --replication {min(3, max(brokers, 1))}; "
            "if they exist, allow us to describe them",
        )
    elif not foreign:
        yield Line("OK", "topics", f"all {len(known)} exist")
    yield from _partitions(settings, topics, known)
    yield from _copies(settings, topics, brokers)


def _partitions(settings: Settings, topics: Mapping[str, TopicFacts], known: Mapping[str, Topic]) -> Iterator[Line]:
    wanted = settings.partitions
    counts = {name: found.partitions for name, found in topics.items() if known[name].partitioned}
    wrong = [f"{name} {many}" for name, many in counts.items() if many != wanted]
    if len(set(counts.values())) > 1:
        yield Line(
            "FAIL",
            "co-partitioning",
            f"expected {wanted} partitions each, found {', '.join(wrong)}",
            "give all these topics the same number: delete and make anew those that are empty, and move the records of "
            "the others; adding partitions parts the history of a key",
        )
    elif wrong:
        actual = next(iter(counts.values()))
        yield Line(
            "FAIL",
            "co-partitioning",
            f"`partitions` is {wanted}, the topics have {actual}",
            f"set partitions = {actual} (SQUALL_PARTITIONS={actual}) for every worker",
        )
    elif counts:
        yield Line("OK", "co-partitioning", f"{wanted} partitions each, as `partitions` says")
    for name, found in topics.items():
        if not known[name].partitioned and found.partitions != 1:
            yield Line("FAIL", f"topic {name}", f"expected 1 partition, found {found.partitions}", "make it anew")
        if found.leaderless:
            yield Line(
                "FAIL", f"topic {name}", f"no leader for partitions {_list(found.leaderless)}", "bring its brokers back"
            )
        elif found.short:
            yield Line(
                "WARN",
                f"topic {name}",
                f"not all copies of partitions {_list(found.short)} are in step",
                "see which broker is down or behind",
            )


def _copies(settings: Settings, topics: Mapping[str, TopicFacts], brokers: int) -> Iterator[Line]:
    if settings.replication > brokers:
        yield Line(
            "FAIL",
            "replication",
            f"`replication` is {settings.replication}, brokers: {brokers}; no topic can be made",
            f"set replication to at most {brokers}",
        )
    fewer = [name for name, found in topics.items() if found.copies < min(settings.replication, brokers)]
    single = [name for name, found in topics.items() if found.copies == 1]
    if fewer:
        yield Line(
            "WARN",
            "replication",
            f"fewer than {settings.replication} copies of {', '.join(fewer)}",
            "add copies with kafka-reassign-partitions.sh",
        )
    elif single and brokers >= 3:
        yield Line(
            "WARN",
            "replication",
            f"one copy only of {', '.join(single)}, though there are {brokers} brokers: one disk lost loses them",
            "set replication = 3, and add copies with kafka-reassign-partitions.sh",
        )
    elif topics and settings.replication <= brokers:
        least = min(found.copies for found in topics.values())
        yield Line("OK", "replication", f"copies of each topic: {least} or more; brokers: {brokers}")


def _list(partitions: tuple[int, ...]) -> str:
    return ", ".join(map(str, partitions))
