"""Shared by all tests: brokers to talk to."""

from collections.abc import Iterator

import pytest

from streams.broker import Broker, EmbeddedBroker


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """One broker for the session: tests keep out of each other's way by consumer groups and topics of their own."""
    with EmbeddedBroker() as shared:
        yield shared


@pytest.fixture
def own_broker() -> Iterator[Broker]:
    """A broker for one test that fills the product's own topics; it is up within a tenth of a second."""
    with EmbeddedBroker() as own:
        yield own
