"""The topics as `KafkaTopic` resources, for who runs Kafka with the operators of Strimzi 0.49 or later."""

import json
from collections.abc import Mapping

from streams.topics import NO_SOURCES, Topic, topics_on_broker

_API_VERSION = "kafka.strimzi.io/v1"


def strimzi_topics(cluster: str, partitions: int, replication: int, sources: Mapping[str, str] = NO_SOURCES) -> str:
    """Write every topic of ours as YAML documents, one after the other.

    Parameters
    ----------
    cluster
        The name of the `Kafka` resource that the topics belong to.
    partitions
        Partitions of every co-partitioned topic, at least 1.
    replication
        Copies of each topic, at most the number of brokers.
    sources
        By our name, the names of topics that belong to the exchange: those are left out.

    Examples
    --------
    >>> print(strimzi_topics("exchange", 8, 3).split("---")[1].strip())
    apiVersion: kafka.strimzi.io/v1
    kind: KafkaTopic
    metadata:
      name: trades
      labels:
        strimzi.io/cluster: "exchange"
    spec:
      topicName: trades
      partitions: 8
      replicas: 3
      config:
        cleanup.policy: "delete"
        retention.ms: 259200000
    """
    topics = topics_on_broker(sources).values()
    return "".join(_resource(topic, cluster, partitions, replication) for topic in topics if not topic.is_foreign)


def _resource(topic: Topic, cluster: str, partitions: int, replication: int) -> str:
    # Kafka has them all as text; the resource wants what is a number as a number.
    settings = {name: value if value.isdecimal() else json.dumps(value) for name, value in topic.configuration.items()}
    lines = [
        "---",
        f"apiVersion: {_API_VERSION}",
        "kind: KafkaTopic",
        "metadata:",
        f"  name: {topic.name}",
        "  labels:",
        f"    strimzi.io/cluster: {json.dumps(cluster)}",
        "spec:",
        f"  topicName: {topic.name}",
        f"  partitions: {topic.partitions(partitions)}",
        f"  replicas: {replication}",
        "  config:",
        *(f"    {name}: {value}" for name, value in settings.items()),
    ]
    return "\n".join(lines) + "\n"
