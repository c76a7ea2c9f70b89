"""The topic registry on a real broker, the partitioner against Kafka's own vectors, and the AsyncAPI document."""

import asyncio
import json

import pytest
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from detectors.errors import BrokerError, ConfigError
from detectors.events import EVENT_TYPES
from streams.asyncapi import asyncapi_document
from streams.broker import Broker
from streams.topics import INPUT_TOPICS, TOPICS, bootstrap_servers, ensure_topics, partition_of


@pytest.mark.parametrize(
    ("key", "murmur2"),
    # From the unit tests of Apache Kafka's Java client.
    [("21", -973932308), ("foobar", -790332482), ("a-little-bit-long-string", -985981536), ("abc", 479470107)],
)
def test_keys_go_where_kafkas_java_client_sends_them(key: str, murmur2: int) -> None:
    assert partition_of(key, 1_000) == (murmur2 & 0x7FFFFFFF) % 1_000


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.integers(1, 64))
def test_keys_go_where_our_own_producer_sends_them(key: str, partitions: int) -> None:
    everywhere = list(range(partitions))
    assert partition_of(key, partitions) == DefaultPartitioner()(key.encode(), everywhere, everywhere)


def test_every_input_topic_is_partitioned_by_the_settings() -> None:
    assert set(INPUT_TOPICS) == set(EVENT_TYPES)
    assert all(TOPICS[name].partitions(8) == 8 for name in INPUT_TOPICS)
    assert TOPICS["signals"].partitions(8) == TOPICS["alerts"].partitions(8) == 1


def test_topics_are_created_once_and_checked_afterwards(own_broker: Broker) -> None:
    async def scenario(url: str) -> None:
        created = await asyncio.gather(ensure_topics(url, 3), ensure_topics(url, 3))
        assert set(created[0]) | set(created[1]) == set(TOPICS)
        assert await ensure_topics(url, 3) == []
        with pytest.raises(BrokerError, match="trades: expected 4, found 3"):
            await ensure_topics(url, 4)

    asyncio.run(scenario(own_broker.url))


def test_a_broker_that_is_not_there_is_named() -> None:
    with pytest.raises(BrokerError, match=r"expected a Kafka broker at 127\.0\.0\.1:1"):
        asyncio.run(ensure_topics("127.0.0.1:1", 1))


@pytest.mark.parametrize("address", ["", "host", "http://host:80", "host:", "host:0", "host:99999", "a:1,,b:2"])
def test_an_address_of_another_form_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="expected host:port"):
        bootstrap_servers(address)


def test_the_asyncapi_document_holds_every_topic_and_every_reference_it_makes() -> None:
    document = asyncapi_document("localhost:9092", 4)
    assert set(document["channels"]) == set(TOPICS)
    text = json.dumps(document)
    for reference in {part.split('"')[0] for part in text.split('"$ref": "#/')[1:]}:
        target = document
        for step in reference.split("/"):
            target = target[step]
    assert document["components"]["schemas"]["Trade"]["properties"]["price"]["exclusiveMinimum"] == 0
