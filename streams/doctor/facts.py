"""What the doctor asks the broker. Each answer stands alone, and may be missing (`Unanswered`)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code
from aiokafka.protocol.admin import ApiVersionRequest

from streams.doctor.clients import Clients
from streams.doctor.requests import NOT_TOLD, DescribeGroup, TopicRights
from streams.topics import Topic

#: How the embedded broker calls its cluster.
_TANSU = "tansu_cluster"


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """The brokers' ids, and whether it is the embedded broker."""

    brokers: tuple[int, ...]
    is_embedded: bool


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """One topic: partitions, the least copies a partition has, and partitions without leader or without all copies."""

    partitions: int
    copies: int
    leaderless: tuple[int, ...] = ()
    short: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """The consumer group: how many members, its state, and our rights (None: not told)."""

    state: str
    members: int
    rights: int | None


async def api_keys(clients: Clients) -> set[int]:
    """Which kinds of requests the broker answers."""
    answer = await clients.client.send(clients.client.get_random_node(), ApiVersionRequest())
    return {key for key, _, _ in answer.api_versions}


async def cluster_facts(clients: Clients) -> ClusterFacts:
    """What the cluster says of itself."""
    told = await clients.admin.describe_cluster()
    brokers = sorted(broker["node_id"] for broker in told["brokers"])
    return ClusterFacts(tuple(brokers), told.get("cluster_id") == _TANSU)


async def topic_facts(clients: Clients, known: Mapping[str, Topic]) -> dict[str, TopicFacts]:
    """Those of the topics that we know that exist, and that we may see."""
    # Asked for all topics: asking for one by name may make the broker create it.
    described = await clients.admin.describe_topics()
    return {topic["topic"]: _topic(topic["partitions"]) for topic in described if topic["topic"] in known}


def _topic(partitions: list[dict[str, Any]]) -> TopicFacts:
    return TopicFacts(
        partitions=len(partitions),
        copies=min((len(part["replicas"]) for part in partitions), default=0),
        leaderless=tuple(sorted(part["partition"] for part in partitions if part["leader"] < 0)),
        short=tuple(sorted(part["partition"] for part in partitions if len(part["isr"]) < len(part["replicas"]))),
    )


async def topic_settings(clients: Clients, topics: Iterable[str]) -> dict[str, dict[str, str]]:
    """The settings of topics, as far as the broker tells them."""
    return await _settings(clients, [ConfigResource(ConfigResourceType.TOPIC, name) for name in topics])


async def broker_settings(clients: Clients, broker: int) -> dict[str, str]:
    """The settings of one broker."""
    found = await _settings(clients, [ConfigResource(ConfigResourceType.BROKER, str(broker))])
    return found.get(str(broker), {})


async def _settings(clients: Clients, resources: list[ConfigResource]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    refused = 0
    for answer in await clients.admin.describe_configs(resources):
        for resource in answer.to_object()["resources"]:
            refused = resource["error_code"] or refused
            found[resource["resource_name"]] = {
                entry["config_names"]: entry["config_value"]
                for entry in resource["config_entries"]
                if entry["config_value"] is not None
            }
    if refused and not any(found.values()):
        raise for_code(refused)
    return found


async def topic_rights(clients: Clients, topics: list[str]) -> dict[str, int | None]:
    """What we may do to topics, as bit fields; None where the broker does not tell."""
    answer = await clients.client.send(clients.client.get_random_node(), TopicRights(topics))
    rights = {topic["topic"]: topic["authorized_operations"] for topic in answer.to_object()["topics"]}
    return {name: None if allowed == NOT_TOLD else allowed for name, allowed in rights.items()}


async def group_facts(clients: Clients, group: str) -> GroupFacts:
    """Ask the group's own broker about it."""
    coordinator = await clients.client.coordinator_lookup(0, group)
    answer = await clients.client.send(coordinator, DescribeGroup(group))
    found = answer.to_object()["groups"][0]
    if found["error_code"]:
        raise for_code(found["error_code"])(group)
    allowed = found.get("authorized_operations", NOT_TOLD)
    return GroupFacts(found["state"], len(found["members"]), None if allowed == NOT_TOLD else allowed)


async def committed_offsets(
    clients: Clients, group: str, partitions: list[TopicPartition]
) -> dict[TopicPartition, int | None]:
    """What the group has committed; None where nothing is."""
    found = await clients.admin.list_consumer_group_offsets(group, partitions=partitions)
    return {tp: None if held.offset < 0 else held.offset for tp, held in found.items()}


async def log_bounds(clients: Clients, partitions: list[TopicPartition]) -> Mapping[TopicPartition, tuple[int, int]]:
    """The first offset that is still there, and the one behind the last."""
    starts = await clients.consumer.beginning_offsets(partitions)
    ends = await clients.consumer.end_offsets(partitions)
    return {tp: (starts[tp], ends[tp]) for tp in partitions}
