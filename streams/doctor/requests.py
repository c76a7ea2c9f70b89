"""Requests that aiokafka has in older versions only: they tell what the broker allows us to do."""

from typing import Any

from aiokafka.protocol.admin import (
    DescribeGroupsRequest_v0,
    DescribeGroupsRequest_v1,
    DescribeGroupsRequest_v2,
    DescribeGroupsResponse_v3,
)
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

#: What an answer without rights says.
NOT_TOLD = -(2**31)
_READ, _WRITE, _DESCRIBE = 3, 4, 8
_NAMES = {"read": _READ, "write": _WRITE, "describe": _DESCRIBE}


def missing_rights(allowed: int, needed: tuple[str, ...]) -> list[str]:
    """Which of the rights needed (`read`, `write`, `describe`) a broker's bit field does not hold.

    Examples
    --------
    >>> missing_rights(1 << 3 | 1 << 8, ("read", "write"))
    ['write']
    """
    return [name for name in needed if not allowed >> _NAMES[name] & 1]


class MetadataResponse_v8(Response):  # type: ignore[misc] # aiokafka has no types
    """Topics, with what we may do to each."""

    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            Array(("node_id", Int32), ("host", String("utf-8")), ("port", Int32), ("rack", String("utf-8"))),
        ),
        ("cluster_id", String("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String("utf-8")),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
        ("cluster_authorized_operations", Int32),
    )


class MetadataRequest_v8(RequestStruct):  # type: ignore[misc]
    """Ask for topics and rights; creates nothing."""

    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = MetadataResponse_v8
    SCHEMA = Schema(
        ("topics", Array(String("utf-8"))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class TopicRights(Request[MetadataRequest_v8]):  # type: ignore[misc]
    """What may be done to the topics named."""

    API_KEY = 3

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[MetadataRequest_v8]) -> MetadataRequest_v8:
        """Make it."""
        return request_struct_class(self._topics, False, False, True)


class DescribeGroupsRequest_v3(RequestStruct):  # type: ignore[misc]
    """As aiokafka's, which reads the answer as one of version 2 and so loses the rights."""

    API_KEY = 15
    API_VERSION = 3
    RESPONSE_TYPE = DescribeGroupsResponse_v3
    SCHEMA = Schema(("groups", Array(String("utf-8"))), ("include_authorized_operations", Boolean))


class DescribeGroup(
    Request[  # type: ignore[misc]
        DescribeGroupsRequest_v0 | DescribeGroupsRequest_v1 | DescribeGroupsRequest_v2 | DescribeGroupsRequest_v3
    ]
):
    """Members of a group, and from version 3 on what we may do to it."""

    API_KEY = 15

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: Any) -> Any:  # noqa: ANN401 - one of the four above
        """Make it, as the broker's version has it."""
        rights = (True,) if request_struct_class.API_VERSION >= 3 else ()
        return request_struct_class([self._group], *rights)
