"""Settings that topics have on the broker: what is kept, how long, how large a record may be, how safe a write is."""

from collections.abc import Callable, Iterator, Mapping

from streams.doctor.facts import TopicFacts
from streams.doctor.lines import Line
from streams.topics import TOPICS, Topic

_HOUR_MS = 3_600_000
#: What a check gives: None, the broker does not tell; else what is wrong, and nothing when all is well.
_Found = list[Line] | None
_Check = Callable[[Topic, TopicFacts, Mapping[str, str]], _Found]


def check_topic_settings(
    topics: Mapping[str, TopicFacts], told: Mapping[str, Mapping[str, str]], known: Mapping[str, Topic] = TOPICS
) -> Iterator[Line]:
    """Compare what the broker tells of each topic with what `streams/topics.py` says.

    Parameters
    ----------
    topics
        The topics that exist.
    told
        Their settings by topic; what a broker leaves out is not checked, and said.
    known
        All topics by their names on the broker.
    """
    checks: dict[str, _Check] = {
        "cleanup policy": _cleanup,
        "retention": _retention,
        "largest record": _largest,
        "copies in step": _in_step,
    }
    for what, check in checks.items():
        answers = [check(known[name], facts, told.get(name, {})) for name, facts in topics.items()]
        answered = [lines for lines in answers if lines is not None]
        wrong = [line for lines in answered for line in lines]
        yield from wrong
        if not answered and topics:
            yield Line("SKIP", what, "not checked: the broker does not tell it")
        elif answered and not wrong:
            yield Line("OK", what, f"as it should be on {len(answered)} topics")


def _cleanup(topic: Topic, _facts: TopicFacts, told: Mapping[str, str]) -> _Found:
    found = told.get("cleanup.policy")
    if found is None:
        return None
    has, wants = {part.strip() for part in found.split(",")}, set(topic.cleanup.split(","))
    if has == wants:
        return []
    worse = ("compact" in wants) != ("compact" in has)
    why = (
        "its newest values are deleted with age"
        if "compact" in wants and "compact" not in has
        else "records of the same key are removed, though each counts"
        if worse
        else "it is kept otherwise than readers expect"
    )
    said = f"expected cleanup.policy={topic.cleanup}, found {found}: {why}"
    return [Line("FAIL" if worse else "WARN", f"topic {topic.name}", said, _alter(topic, "cleanup.policy"))]


def _retention(topic: Topic, _facts: TopicFacts, told: Mapping[str, str]) -> _Found:
    if topic.retention_ms is None:
        return None
    lines, found = [], told.get("retention.ms")
    if found is not None and 0 <= int(found) < topic.retention_ms:
        said = f"kept {int(found) / _HOUR_MS:,.1f} h, expected {topic.retention_ms / _HOUR_MS:,.0f} h"
        mend = f"{_alter(topic, 'retention.ms')}; a worker that is down longer than a topic is kept loses records"
        lines.append(Line("WARN", f"topic {topic.name}", said, mend))
    size = told.get("retention.bytes")
    if size is not None and int(size) >= 0:
        said = f"retention.bytes={size} deletes records before their time"
        mend = f"{_KAFKA_CONFIGS} {topic.name} --alter --delete-config retention.bytes"
        lines.append(Line("WARN", f"topic {topic.name}", said, mend))
    return None if found is None and size is None else lines


def _largest(topic: Topic, _facts: TopicFacts, told: Mapping[str, str]) -> _Found:
    found, wanted = told.get("max.message.bytes"), topic.configuration.get("max.message.bytes")
    if found is None or wanted is None:
        return None
    if int(found) >= int(wanted):
        return []
    said = f"takes records of {int(found):,} bytes, expected {int(wanted):,}: sending a larger one ends the worker"
    return [Line("FAIL", f"topic {topic.name}", said, _alter(topic, "max.message.bytes"))]


def _in_step(topic: Topic, facts: TopicFacts, told: Mapping[str, str]) -> _Found:
    found = told.get("min.insync.replicas")
    if found is None:
        return None
    least = int(found)
    mend = f"{_KAFKA_CONFIGS} {topic.name} --alter --add-config min.insync.replicas={max(1, facts.copies - 1)}"
    check = f"topic {topic.name}"
    if least > facts.copies:
        return [Line("FAIL", check, f"min.insync.replicas={least} of {facts.copies} copies: no write is taken", mend)]
    if least == facts.copies > 1:
        said = f"min.insync.replicas={least} of {facts.copies} copies: one broker down stops all writes"
        return [Line("WARN", check, said, mend)]
    if least == 1 and facts.copies >= 3:
        said = f"min.insync.replicas=1 of {facts.copies} copies: a write may be on one broker only, and lost with it"
        return [Line("WARN", check, said, mend)]
    return []


_KAFKA_CONFIGS = "kafka-configs.sh --entity-type topics --entity-name"


def _alter(topic: Topic, setting: str) -> str:
    value = topic.configuration[setting]
    return f"{_KAFKA_CONFIGS} {topic.name} --alter --add-config {setting}={f'[{value}]' if ',' in value else value}"
