"""Every topic that Squall reads or writes: its key, its partitions, how long it is kept; and how to make them."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal

import msgspec
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from aiokafka.partitioner import murmur2

from detectors.decisions import AuditRecord, Feedback, LimitAck, Override, RateLimit, StressFrame, Trip
from detectors.errors import BrokerError, ConfigError
from detectors.events import EVENT_TYPES, KEY_FIELD
from detectors.results import ActivityFrame, Alert, SignalFrame
from streams.security import NO_SECURITY, SecuritySettings, client_security, connection_fault

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
#: A broker answers to a new topic soon, but not at once.
_CREATION_DEADLINE_S = 30.0
#: Keys whose partition is remembered: symbols and the busiest accounts. A flood of made-up keys takes no more memory.
_REMEMBERED_KEYS = 65_536

ACCOUNT_ACTIVITY = "account-activity"
SIGNALS = "signals"
STRESS = "stress"
ALERTS = "alerts"
RATE_LIMITS = "rate-limits"
GUARDRAILS = "guardrails"
DEAD_LETTERS = "dead-letters"
OVERRIDES = "overrides"
FEEDBACK = "feedback"
LIMIT_ACKS = "limit-acks"
AUDIT = "audit"
SNAPSHOTS = "snapshots"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """What one topic is.

    Parameters
    ----------
    name, what
        Its name on the broker, and what it carries, for people.
    role
        `input` is read from the exchange or operators, `internal` passes between stages, `output` is for others.
    key
        The fields that its key is made of.
    partitioned
        Whether it has as many partitions as the settings say (co-partitioned topics), or one.
    cleanup, retention_ms
        Kafka's `cleanup.policy`, and `retention.ms` where it deletes by age.
    payload
        The type of its values where it stands fast.
    more
        Further settings on the broker.
    is_foreign
        Whether it belongs to the exchange: it is looked for, and never made.
    """

    name: str
    what: str
    role: Literal["input", "internal", "output"]
    key: str
    partitioned: bool
    cleanup: Literal["delete", "compact", "compact,delete"]
    retention_ms: int | None
    payload: type[msgspec.Struct] | None = None
    more: Mapping[str, str] = field(default_factory=dict)
    is_foreign: bool = False

    def partitions(self, partitions: int) -> int:
        """How many partitions it has when co-partitioned topics have `partitions`."""
        return partitions if self.partitioned else 1

    @property
    def configuration(self) -> dict[str, str]:
        """The topic's own settings on the broker."""
        kept = {} if self.retention_ms is None else {"retention.ms": str(self.retention_ms)}
        # Inputs keep the broker's own limit: a bad record as long as that must still fit among the dead letters.
        large = {} if self.role == "input" else {"max.message.bytes": str(LARGEST_RECORD_BYTES)}
        return {"cleanup.policy": self.cleanup, **kept, **large, **self.more}


#: Every topic has our own name.
NO_SOURCES: Mapping[str, str] = {}
#: Twice what a broker takes by default.
LARGEST_RECORD_BYTES = 2 * 1_048_576


def _market_data(name: str, what: str) -> Topic:
    return Topic(
        name=name,
        what=what,
        role="input",
        key=KEY_FIELD[name],
        partitioned=True,
        cleanup="delete",
        retention_ms=3 * _DAY_MS,
        payload=EVENT_TYPES[name],
    )


TOPICS: dict[str, Topic] = {
    topic.name: topic
    for topic in (
        _market_data("trades", "Trades; a main stream."),
        _market_data("cancels", "Orders taken back; a main stream."),
        _market_data("leverage", "Changes of an account's leverage; a main stream."),
        _market_data("books", "Order book snapshots; a main stream."),
        _market_data("tickers", "Mark, index, funding and open interest; optional."),
        _market_data("liquidations", "Positions closed by force; optional."),
        _market_data("latency", "How long the exchange's components took; optional."),
        Topic(
            name=ACCOUNT_ACTIVITY,
            what="Market stage to account stage: what each account did in each tick, framed by account partition.",
            role="internal",
            key="none; the partition is the account partition",
            partitioned=True,
            cleanup="delete",
            retention_ms=_DAY_MS,
            payload=ActivityFrame,
        ),
        Topic(
            name=SIGNALS,
            what="Market and account stages to correlation stage: calibrated scores of each closed tick.",
            role="internal",
            key="none; one partition",
            partitioned=False,
            cleanup="delete",
            retention_ms=_DAY_MS,
            payload=SignalFrame,
        ),
        Topic(
            name=STRESS,
            what="Correlation stage to account stages: alerts that bear on limits, the same in each partition.",
            role="internal",
            key="none; each partition has all",
            partitioned=True,
            cleanup="delete",
            retention_ms=_DAY_MS,
            payload=StressFrame,
        ),
        Topic(
            name=ALERTS,
            what="Alerts: each revision of each.",
            role="output",
            key="alert_id",
            partitioned=False,
            cleanup="compact,delete",
            retention_ms=30 * _DAY_MS,
            payload=Alert,
        ),
        Topic(
            name=RATE_LIMITS,
            what="The limit in force for each account: how much, until when, and why.",
            role="output",
            key="account",
            partitioned=True,
            cleanup="compact",
            retention_ms=None,
            payload=RateLimit,
        ),
        Topic(
            name=GUARDRAILS,
            what="Trips and clearances of the plain rules on raw values.",
            role="output",
            key="rule and entity",
            partitioned=False,
            cleanup="compact",
            retention_ms=None,
            payload=Trip,
        ),
        Topic(
            name=AUDIT,
            what="Every change of a limit, trip, clearance and order, with the numbers that led to it; never changed.",
            role="output",
            key="account, rule and entity, or scope",
            partitioned=False,
            cleanup="delete",
            retention_ms=400 * _DAY_MS,
            payload=AuditRecord,
        ),
        Topic(
            name=DEAD_LETTERS,
            what="What could not be taken, unchanged (cut above 2 MiB), with headers saying where it was and why.",
            role="output",
            key="none",
            partitioned=False,
            cleanup="delete",
            retention_ms=14 * _DAY_MS,
        ),
        Topic(
            name=OVERRIDES,
            what="Operators' orders: pin or release a limit, freeze, silence, kill switch.",
            role="input",
            key="scope",
            partitioned=False,
            cleanup="compact",
            retention_ms=None,
            payload=Override,
        ),
        Topic(
            name=FEEDBACK,
            what="Operators' verdicts on alerts: true, false, noise; and who looks after one.",
            role="input",
            key="alert_id",
            partitioned=False,
            cleanup="compact",
            retention_ms=None,
            payload=Feedback,
        ),
        Topic(
            name=LIMIT_ACKS,
            what="A matching engine's answer to a limit: applied, stale, rejected.",
            role="input",
            key="account",
            partitioned=True,
            cleanup="delete",
            retention_ms=3 * _DAY_MS,
            payload=LimitAck,
        ),
        Topic(
            name=SNAPSHOTS,
            what="State of the stages, with the input offsets inside.",
            role="internal",
            key="stage, checkpoint, writer and part",
            partitioned=True,
            cleanup="compact",
            retention_ms=None,
            # All of it is read when a partition is taken over: Kafka cleans no segment that is still written to, and by
            # default none that is not half outdated.
            more={
                "segment.bytes": str(16 * 1_048_576),
                "min.cleanable.dirty.ratio": "0.1",
                "delete.retention.ms": str(10 * 60_000),
            },
        ),
    )
}
#: The topics that carry events, in the order of the design.
INPUT_TOPICS: tuple[str, ...] = tuple(EVENT_TYPES)


def topics_on_broker(sources: Mapping[str, str]) -> dict[str, Topic]:
    """List every topic by its name on the broker.

    Parameters
    ----------
    sources
        By our name, the names of topics that belong to the exchange.

    Examples
    --------
    >>> topics = topics_on_broker({"trades": "md.trades"})
    >>> "trades" in topics, topics["md.trades"].is_foreign, topics["cancels"].is_foreign
    (False, True, False)
    """
    named = (
        replace(topic, name=sources[name], is_foreign=True) if name in sources else topic
        for name, topic in TOPICS.items()
    )
    return {topic.name: topic for topic in named}


@lru_cache(maxsize=_REMEMBERED_KEYS)
def partition_of(key: str, partitions: int) -> int:
    """Tell the partition of a key, as Kafka's own default partitioner does (murmur2 of the UTF-8 key).

    Examples
    --------
    >>> partition_of("BTCUSD-PERP", 4), partition_of("account-17", 4)
    (2, 0)
    """
    return int(murmur2(key.encode("utf-8", "surrogatepass")) & 0x7FFFFFFF) % partitions


def bootstrap_servers(broker: str) -> list[str]:
    """Read a broker address: `kafka://host:port`, without the scheme, or several of them between commas or semicolons.

    Raises
    ------
    ConfigError
        It is not of that form.

    Examples
    --------
    >>> bootstrap_servers("kafka://one:9092,two:9092"), bootstrap_servers("localhost:9092")
    (['one:9092', 'two:9092'], ['localhost:9092'])
    """
    if "@" in broker:
        raise ConfigError("broker: expected an address without user and password, found one with an @")
    servers = [part.strip().removeprefix("kafka://").rstrip("/") for part in broker.replace(";", ",").split(",")]
    for server in servers:
        host, _, port = server.rpartition(":")
        if not host or "/" in host or not (port.isdecimal() and 0 < int(port) < 65_536):
            raise ConfigError(f"broker: expected host:port or kafka://host:port, found {broker!r}")
    return servers


async def ensure_topics(
    broker: str,
    partitions: int,
    replication: int = 1,
    security: SecuritySettings = NO_SECURITY,
    sources: Mapping[str, str] = NO_SOURCES,
) -> list[str]:
    """Create the topics that are missing and check those that exist; give the names of the created ones.

    Parameters
    ----------
    broker
        The address, as `bootstrap_servers` takes it.
    partitions
        Partitions of every co-partitioned topic, at least 1.
    replication
        Copies of each new topic, at most the number of brokers.
    security
        What the broker asks of its clients.
    sources
        By our name, the names of topics that belong to the exchange; these are never created.

    Raises
    ------
    BrokerError
        The broker cannot be reached or refuses, a topic of the exchange is not there, or a topic exists with another
        number of partitions: keys would be found elsewhere than the stages look for them.
    """
    admin = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap_servers(broker), request_timeout_ms=10_000, **client_security(security)
    )
    try:
        await admin.start()
        existing = await _partition_counts(admin)
        topics = topics_on_broker(sources)
        _check_partitions(topics, existing, partitions, broker)
        missing = [topic for name, topic in topics.items() if name not in existing]
        absent = [topic.name for topic in missing if topic.is_foreign]
        if absent:
            raise BrokerError(
                f"expected the exchange's topics that the mapping names at {broker}, these are missing: "
                f"{', '.join(absent)}. Create them, or correct `source` in the mapping file."
            )
        if missing:
            await _create(admin, missing, partitions, replication)
            _check_partitions(topics, await _wait_for(admin, missing), partitions, broker)
    except (KafkaError, OSError) as error:
        found = await connection_fault(bootstrap_servers(broker), security) or str(error) or type(error).__name__
        raise BrokerError(f"expected a Kafka broker at {broker}, found: {found}") from error
    finally:
        await admin.close()
    return [topic.name for topic in missing]


async def _create(admin: AIOKafkaAdminClient, missing: list[Topic], partitions: int, replication: int) -> None:
    new = [
        NewTopic(topic.name, topic.partitions(partitions), replication, topic_configs=topic.configuration)
        for topic in missing
    ]
    answer: dict[str, Any] = (await admin.create_topics(new)).to_object()
    for fault in answer["topic_errors"]:
        # Somebody else may create them at the same time; the counts are checked afterwards.
        if fault["error_code"] and for_code(fault["error_code"]) is not TopicAlreadyExistsError:
            why = fault.get("error_message") or for_code(fault["error_code"]).__name__
            raise BrokerError(f"expected the broker to create topic {fault['topic']}, it refused: {why}")


async def _wait_for(admin: AIOKafkaAdminClient, created: list[Topic]) -> dict[str, int]:
    deadline = time.monotonic() + _CREATION_DEADLINE_S
    while True:
        counts = await _partition_counts(admin)
        absent = [topic.name for topic in created if not counts.get(topic.name)]
        if not absent:
            return counts
        if time.monotonic() > deadline:
            raise BrokerError(
                f"expected the new topics within {_CREATION_DEADLINE_S:.0f} s, these are missing: {', '.join(absent)}"
            )
        await asyncio.sleep(0.05)


async def _partition_counts(admin: AIOKafkaAdminClient) -> dict[str, int]:
    # Asked for all topics: asking for one by name may make the broker create it, with its own number of partitions.
    return {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}


def _check_partitions(topics: Mapping[str, Topic], counts: dict[str, int], partitions: int, broker: str) -> None:
    wrong = [
        f"{name}: expected {topic.partitions(partitions)}, found {counts[name]}"
        for name, topic in topics.items()
        if counts.get(name, topic.partitions(partitions)) != topic.partitions(partitions)
    ]
    if wrong:
        raise BrokerError(
            f"topics at {broker} have the wrong number of partitions ({'; '.join(wrong)}). "
            "Set `partitions` to what the topics have, or move their records to new topics: "
            "adding partitions would part the history of a key."
        )
