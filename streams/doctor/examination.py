"""The whole examination, in order: settings, broker, topics, rights, group, clocks."""

from collections.abc import AsyncIterator, Iterator

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from streams.agents import ACCOUNT_TOPICS, MARKET_TOPICS
from streams.doctor import facts, records
from streams.doctor.clients import Clients, Unanswered, ask, connected, reach
from streams.doctor.clock_checks import check_clocks
from streams.doctor.group_checks import (
    Bounds,
    Committed,
    check_group,
    check_lag,
    check_offsets,
    check_session_bounds,
    unread,
)
from streams.doctor.lines import Line
from streams.doctor.record_checks import check_records
from streams.doctor.right_checks import NEEDED, check_rights
from streams.doctor.setting_rules import check_settings
from streams.doctor.sink_checks import check_sinks
from streams.doctor.topic_checks import check_topics
from streams.doctor.topic_setting_checks import check_topic_settings
from streams.layers import DEFAULT
from streams.mapping.field_mapping import FieldMapping
from streams.mapping.mapping_file import read_mapping
from streams.settings import Settings
from streams.times import now_us
from streams.topics import INPUT_TOPICS, SIGNALS, topics_on_broker

_GROUP_TOPICS = (*MARKET_TOPICS, *ACCOUNT_TOPICS, SIGNALS)
#: Kafka's number of the request that begins an idempotent producer.
_INIT_PRODUCER_ID = 22


async def examine(settings: Settings) -> list[Line]:
    """Check everything that can be checked without changing anything.

    Parameters
    ----------
    settings
        Those that a worker here would have.
    """
    mapping = read_mapping(settings.mapping.file)
    lines = [_origins(settings), *_mapping(mapping), *check_settings(settings), *check_sinks(settings)]
    reached = await reach(settings)
    lines += _addresses(reached)
    servers = [server for server, fault in reached.items() if fault is None]
    if not servers:
        return [*lines, Line("SKIP", "topics, rights, group, clocks", "not checked: no broker answers")]
    try:
        async with connected(settings, servers) as clients:
            lines += [line async for line in _examine_broker(settings, clients, mapping)]
    except (KafkaError, OSError) as error:
        found = f"the connection broke: {str(error) or type(error).__name__}"
        lines.append(Line("FAIL", "broker", found, "see the broker's log, and try again"))
    return lines


def _origins(settings: Settings) -> Line:
    where = sorted({origin.origin for origin in settings.origins() if origin.origin != DEFAULT})
    return Line("OK", "settings", f"readable, from {', '.join(where)}" if where else "readable, all of them defaults")


def _mapping(mapping: FieldMapping) -> Iterator[Line]:
    if mapping.file:
        yield Line("OK", "mapping", f"{mapping.file}, in force for {mapping.describe() or 'nothing'}")


def _addresses(reached: dict[str, str | None]) -> Iterator[Line]:
    for server, fault in reached.items():
        if fault is None:
            yield Line("OK", f"broker {server}", "answers")
        else:
            alone = all(reached.values())
            mend = "start it, or set `broker` (SQUALL_BROKER) to where Kafka is; also see firewall and `security`"
            yield Line("FAIL" if alone else "WARN", f"broker {server}", f"does not answer: {fault}", mend)


async def _examine_broker(settings: Settings, clients: Clients, mapping: FieldMapping) -> AsyncIterator[Line]:
    known = topics_on_broker(mapping.sources)
    cluster = await ask(lambda: facts.cluster_facts(clients))
    topics = await ask(lambda: facts.topic_facts(clients, known))
    if isinstance(topics, Unanswered) or isinstance(cluster, Unanswered):
        reason = topics.reason if isinstance(topics, Unanswered) else "it does not say of which brokers it is made"
        yield Line("FAIL", "topics", f"the broker does not tell them: {reason}", "see its log, and our rights")
        return
    yield await _features(settings, clients, cluster)
    for line in check_topics(settings, topics, len(cluster.brokers), known):
        yield line
    told = await ask(lambda: facts.topic_settings(clients, topics)) if topics else {}
    if isinstance(told, Unanswered):
        yield Line("SKIP", "settings of topics", f"not checked: {told.reason}")
    else:
        for line in check_topic_settings(topics, told, known):
            yield line
    group = await ask(lambda: facts.group_facts(clients, settings.app_id))
    needed = {mapping.source_of(name): rights for name, rights in NEEDED.items()}
    rights = await ask(lambda: facts.topic_rights(clients, [name for name in needed if name in topics]))
    for line in check_rights(settings.app_id, rights, group, needed):
        yield line
    limits = await ask(lambda: facts.broker_settings(clients, cluster.brokers[0]))
    for line in check_session_bounds(settings, {} if isinstance(limits, Unanswered) else limits):
        yield line
    for line in await _records(settings, clients, topics, group, mapping):
        yield line


async def _features(settings: Settings, clients: Clients, cluster: facts.ClusterFacts) -> Line:
    keys = await ask(lambda: facts.api_keys(clients))
    if isinstance(keys, Unanswered):
        return Line("SKIP", "features", f"not checked: {keys.reason}")
    many = f"{len(keys)} kinds of requests; brokers: {len(cluster.brokers)}"
    if not settings.worker.idempotent_producer:
        return Line("OK", "features", many)
    # The embedded broker takes the request, and then refuses what such a producer sends.
    if cluster.is_embedded or _INIT_PRODUCER_ID not in keys:
        mend = "set worker.idempotent_producer = false for this broker"
        return Line("FAIL", "features", f"{many}; no idempotent producer works with it, and one is asked for", mend)
    return Line("OK", "features", f"{many}; idempotent producers")


async def _records(
    settings: Settings,
    clients: Clients,
    topics: dict[str, facts.TopicFacts],
    group: facts.GroupFacts | Unanswered,
    mapping: FieldMapping,
) -> list[Line]:
    read_by_group = [mapping.source_of(name) for name in _GROUP_TOPICS]
    inputs = [mapping.source_of(name) for name in INPUT_TOPICS]
    names = [name for name in dict.fromkeys((*read_by_group, *inputs)) if name in topics]
    everywhere = [TopicPartition(name, part) for name in names for part in range(topics[name].partitions)]
    if not everywhere:
        return [*check_group(settings, group, reads_before=False)]
    read = [tp for tp in everywhere if tp.topic in read_by_group]
    # Asked for before the ends: the group may go on in between.
    committed = await ask(lambda: facts.committed_offsets(clients, settings.app_id, read))
    bounds = await ask(lambda: facts.log_bounds(clients, everywhere))
    if isinstance(bounds, Unanswered):
        return [Line("SKIP", "group, lag, clocks", f"not checked: {bounds.reason}")]
    tails = await ask(lambda: records.read_tails(clients, bounds, mapping), records.DEADLINE_S)
    if isinstance(tails, Unanswered):
        mend = "see the rights above, the broker's log, and leaders of partitions"
        return [Line("FAIL", "records", f"the inputs cannot be read: {tails.reason}", mend)]
    whole = {tp: (start, max(end, tails[tp].end if tp in tails else 0)) for tp, (start, end) in bounds.items()}
    newest = [tail.newest for tp, tail in tails.items() if tp.topic in inputs]
    readable = check_records(newest, mapping.file)
    return [*await _offsets(settings, clients, group, committed, whole), *readable, *check_clocks(newest, now_us())]


async def _offsets(
    settings: Settings,
    clients: Clients,
    group: facts.GroupFacts | Unanswered,
    committed: Committed | Unanswered,
    bounds: Bounds,
) -> list[Line]:
    if isinstance(committed, Unanswered):
        reason = Line("SKIP", "offsets and lag", f"not checked: {committed.reason}")
        return [*check_group(settings, group, reads_before=False), reason]
    reads_before = any(offset is not None for offset in committed.values())
    lines = [*check_group(settings, group, reads_before), *check_offsets(committed, bounds)]
    if not reads_before:
        return [*lines, Line("SKIP", "offsets and lag", "nothing is committed yet")]
    waiting = unread(committed, bounds)
    written_us = await ask(lambda: records.written_at(clients, waiting), records.DEADLINE_S)
    if isinstance(written_us, Unanswered):
        return [*lines, Line("SKIP", "lag", f"not checked: {written_us.reason}")]
    return [*lines, *check_lag(waiting, written_us, bounds, now_us())]
