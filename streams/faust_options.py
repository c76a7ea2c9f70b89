"""Faust's own settings, made of ours."""

from typing import Any

from mode.supervisors import CrashingSupervisor

from streams.security import faust_credentials
from streams.settings import Settings


def faust_options(settings: Settings) -> dict[str, Any]:
    """Make the keyword arguments of `faust.App`."""
    worker = settings.worker
    return {
        "broker": settings.broker,
        "broker_credentials": faust_credentials(settings.security),
        "autodiscover": False,
        "agent_supervisor": CrashingSupervisor,
        "key_serializer": "raw",
        "value_serializer": "raw",
        "stream_buffer_maxsize": worker.queued_batches,
        "stream_wait_empty": True,
        "stream_recovery_delay": 0.0,
        "broker_client_id": f"{settings.app_id}-worker",
        "broker_commit_interval": worker.commit_interval_ms / 1_000,
        "broker_max_poll_records": worker.max_batch_records,
        "broker_session_timeout": worker.session_timeout_s,
        "broker_rebalance_timeout": worker.rebalance_timeout_s,
        "broker_heartbeat_interval": worker.session_timeout_s / 5,
        "broker_request_timeout": max(40.0, worker.session_timeout_s + 10.0),
        "broker_max_poll_interval": 300.0,
        "consumer_auto_offset_reset": "earliest",
        "consumer_max_fetch_size": worker.fetch_max_bytes,
        "consumer_group_instance_id": worker.group_instance_id or None,
        "producer_acks": -1,
        "producer_linger": worker.producer_linger_ms / 1_000,
        "producer_max_batch_size": 262_144,
        # The broker's limit decides: ours is on what a record is before it is compressed.
        "producer_max_request_size": 16_777_216,
        "producer_compression_type": worker.producer_compression or None,
        "producer_request_timeout": worker.producer_timeout_s,
        # There is nothing to replicate: this keeps Faust's own assignor, which keeps partitions of the topics together.
        "table_standby_replicas": 1,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "web_enabled": False,
    }
