"""A consumer group as the assignor sees it: members with their last assignment, and topics with their partitions."""

from collections.abc import Mapping
from typing import Any, cast

import faust
from faust.assignor.partition_assignor import PartitionAssignor
from faust.types import TP


class Cluster:
    """What an assignor asks about topics."""

    def __init__(self, partitions: Mapping[str, int]) -> None:
        self._partitions = partitions

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        """Give the numbers of its partitions."""
        return set(range(self._partitions[topic])) if topic in self._partitions else None

    def topics(self) -> set[str]:
        """Give all topics."""
        return set(self._partitions)


class Group:
    """Workers of one application that join and leave; every one has the assignor that the application makes.

    Parameters
    ----------
    app
        The application.
    partitions
        Of each topic that it reads.
    replicas
        The assignor's standby replicas.
    """

    def __init__(self, app: faust.App, partitions: Mapping[str, int], replicas: int) -> None:
        self._app = app
        self._replicas = replicas
        self._partitions = partitions
        self._assignors: dict[str, PartitionAssignor] = {}
        self.owned: dict[str, set[TP]] = {}

    @property
    def all_partitions(self) -> int:
        """How many there are to give out."""
        return sum(self._partitions.values())

    def join(self, member: str) -> None:
        """A worker joins."""
        self._assignors[member] = PartitionAssignor(self._app, replicas=self._replicas)
        self._rebalance()

    def leave(self, member: str) -> None:
        """A worker leaves."""
        del self._assignors[member]
        self.owned.clear()
        if self._assignors:
            self._rebalance()

    def _rebalance(self) -> None:
        topics = set(self._partitions)
        offered = {member: assignor.metadata(topics) for member, assignor in self._assignors.items()}
        leader = next(iter(self._assignors.values()))
        given = leader.assign(cast("Any", Cluster(self._partitions)), offered)
        for member, assignment in given.items():
            self._assignors[member].on_assignment(cast("Any", assignment))
        self.owned = {
            member: {TP(topic, number) for topic, numbers in assignment.assignment for number in numbers}
            for member, assignment in given.items()
        }
