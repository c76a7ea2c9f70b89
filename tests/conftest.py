"""Shared by all tests: brokers to talk to, embedded ones or, with `--kafka`, Apache Kafka."""

from collections.abc import Iterator

import pytest

from streams.broker import Broker, EmbeddedBroker
from tests.kafka import KafkaCluster

_BROKERS = {"broker", "own_broker", "secured_kafka", "certified_kafka"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let whoever runs the tests choose the broker."""
    parser.addoption("--kafka", action="store_true", help="tests that need a broker use Apache Kafka, see deploy/kafka")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests whose broker can be Apache Kafka: they are what `make test-kafka` runs."""
    for item in items:
        if not _BROKERS.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker("kafka")


@pytest.fixture(scope="session")
def broker(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One broker for the session: tests keep out of each other's way by consumer groups and topics of their own."""
    with KafkaCluster(tmp_path_factory.mktemp("kafka")) if _wants_kafka(pytestconfig) else EmbeddedBroker() as shared:
        yield shared


@pytest.fixture
def own_broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """A broker without topics and groups, for one test that fills the product's own topics.

    An embedded one is up within a tenth of a second; Kafka takes some, so that the session's is emptied.
    """
    if _wants_kafka(request.config):
        shared: KafkaCluster = request.getfixturevalue("broker")
        shared.wipe()
        yield shared
    else:
        with EmbeddedBroker() as own:
            yield own


@pytest.fixture(scope="session")
def secured_kafka(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """An Apache Kafka that takes only who logs in, over TLS."""
    if not _wants_kafka(pytestconfig):
        pytest.skip("the embedded broker knows no security; needs --kafka")
    with KafkaCluster(tmp_path_factory.mktemp("kafka"), sasl=True, tls=True) as secured:
        yield secured


@pytest.fixture
def certified_kafka(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """An Apache Kafka that takes only who shows a certificate."""
    if not _wants_kafka(pytestconfig):
        pytest.skip("the embedded broker knows no security; needs --kafka")
    with KafkaCluster(tmp_path_factory.mktemp("kafka"), tls=True) as certified:
        yield certified


def _wants_kafka(config: pytest.Config) -> bool:
    return bool(config.getoption("--kafka"))
