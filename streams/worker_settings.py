"""The settings of a worker process: batches, commits, time-outs, where it answers probes."""

from dataclasses import dataclass
from typing import Literal

from detectors.errors import ConfigError


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How one worker reads, sends, commits and stops.

    Parameters
    ----------
    web_host, web_port
        Where `/metrics`, `/livez` and `/readyz` are served; port 0 takes a free one.
    max_batch_records, max_batch_bytes
        Limits of what an agent takes at once.
    max_record_bytes
        A longer record value goes to the dead letters unread.
    fetch_max_bytes
        At most so many bytes of one partition are fetched at once.
    fetch_max_wait_ms
        How long the broker may hold an empty fetch: it bounds the latency of a lone record.
    queued_batches
        Batches that wait for an agent before fetching pauses.
    max_open_ticks
        A stage with more open ticks than this no longer fetches those of its inputs that are as far ahead of the
        others in event time, until the others have caught up: it bounds memory in a backlog.
    degrade_lag_s
        When a worker lags so long behind the broker, in seconds, its heavy models look at a sample; 0: never, and
        alerts are the same however far it lags.
    poll_interval_ms
        How often a stage is asked to close what time alone closes.
    commit_interval_ms
        How often safe offsets are committed.
    snapshot_interval_s
        How often the state of a partition is written to `snapshots`; only what it holds is ever committed, so that
        it is also what a successor has to work out again, > 0.
    session_timeout_s
        A worker not heard of so long loses its partitions. Kafka refuses less than 6 unless told otherwise; the
        embedded broker waits half of it at every join.
    rebalance_timeout_s
        How long members may take to finish and join again when partitions are given out anew.
    settle_timeout_s
        How long a worker that loses partitions waits for its outputs to be acknowledged.
    stop_timeout_s
        A worker that was asked to stop, and has not after so long, is ended.
    watchdog_s
        A worker that has not been live for so long (its event loop, or an agent, is stuck) is ended; 0: never.
    group_instance_id
        Kafka's static membership: a stable name keeps a restarted worker's partitions; empty: off.
    idempotent_producer
        Let the broker remove duplicates of retried sends; the embedded broker cannot.
    metric_symbols, metric_symbols_max
        Symbols that match one of these patterns are named in metrics, at most so many, >= 0; the rest is `other`.
    producer_linger_ms, producer_compression, producer_timeout_s
        How long records wait for company, how they are packed, and when a send that was retried has failed.
    """

    web_host: str = "127.0.0.1"
    web_port: int = 6066
    max_batch_records: int = 2_000
    max_batch_bytes: int = 524_288
    max_record_bytes: int = 1_048_576
    fetch_max_bytes: int = 1_048_576
    fetch_max_wait_ms: int = 10
    queued_batches: int = 16
    max_open_ticks: int = 600
    degrade_lag_s: float = 30.0
    poll_interval_ms: int = 25
    commit_interval_ms: int = 1_000
    snapshot_interval_s: float = 5.0
    session_timeout_s: float = 15.0
    rebalance_timeout_s: float = 15.0
    settle_timeout_s: float = 5.0
    stop_timeout_s: float = 20.0
    watchdog_s: float = 30.0
    group_instance_id: str = ""
    idempotent_producer: bool = False
    metric_symbols: tuple[str, ...] = ("*",)
    metric_symbols_max: int = 50
    producer_linger_ms: int = 5
    producer_compression: Literal["", "lz4", "gzip", "snappy", "zstd"] = "lz4"
    producer_timeout_s: float = 20.0

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not 0 <= self.web_port < 65_536:
            raise ConfigError(f"worker.web_port must be in 0..65535, was {self.web_port!r}")
        for name in _AT_LEAST_ONE:
            if getattr(self, name) < 1:
                raise ConfigError(f"worker.{name} must be >= 1, was {getattr(self, name)!r}")
        if not self.snapshot_interval_s > 0:
            raise ConfigError(f"worker.snapshot_interval_s must be > 0, was {self.snapshot_interval_s!r}")
        if self.max_open_ticks < 2:
            raise ConfigError(f"worker.max_open_ticks must be >= 2, was {self.max_open_ticks!r}")
        if not 0.0 <= self.degrade_lag_s < float("inf"):
            raise ConfigError(f"worker.degrade_lag_s must be >= 0, was {self.degrade_lag_s!r}")
        if self.metric_symbols_max < 0:
            raise ConfigError(f"worker.metric_symbols_max must be >= 0, was {self.metric_symbols_max!r}")
        if self.watchdog_s < 0:
            raise ConfigError(f"worker.watchdog_s must be >= 0, was {self.watchdog_s!r}")
        if self.settle_timeout_s >= self.stop_timeout_s:
            raise ConfigError(
                f"worker.settle_timeout_s must be < worker.stop_timeout_s, "
                f"was {self.settle_timeout_s!r} and {self.stop_timeout_s!r}"
            )


_AT_LEAST_ONE = (
    "max_batch_records",
    "max_batch_bytes",
    "max_record_bytes",
    "fetch_max_bytes",
    "fetch_max_wait_ms",
    "queued_batches",
    "poll_interval_ms",
    "commit_interval_ms",
    "session_timeout_s",
    "rebalance_timeout_s",
    "producer_timeout_s",
)
