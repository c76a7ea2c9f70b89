"""What the three agents take and send: market to account and correlation, account to correlation, then alerts."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol, cast

from msgspec.structs import replace

from detectors.results import ActivityFrame, Alert, SignalFrame
from detectors.timing import BEGINNING_US
from streams.codecs import decode_activity_frame, decode_signal_frame, encode_alert, encode_frame
from streams.metrics import Metrics
from streams.stations import EventIntake, EventStage, FrameIntake, Intake, OutgoingRecord, Stage, Station
from streams.topics import ACCOUNT_ACTIVITY, ALERTS, SIGNALS

MARKET_TOPICS = ("trades", "cancels", "books", "tickers", "liquidations")
ACCOUNT_EVENT_TOPIC = "leverage"
#: Brokers take records of 1 MiB unless told otherwise.
LARGEST_FRAME_BYTES = 524_288


class MarketOutput(Protocol):
    """What the market stage's `poll` gives: a frame for each account partition, and its signals."""

    @property
    def activity(self) -> tuple[ActivityFrame, ...]:
        """One for each account partition, in order."""
        ...

    @property
    def signals(self) -> SignalFrame:
        """Of the same ticks."""
        ...


class AccountStage(EventStage, Protocol):
    """The stage of account partitions."""

    def push_frame(self, frame: ActivityFrame, offset: int, now_us: int) -> None:
        """Take a frame of a market stage."""
        ...


class CorrelationStage(Stage, Protocol):
    """The stage that makes alerts."""

    def push_frame(self, frame: SignalFrame, offset: int, now_us: int) -> None:
        """Take a frame of a market or account stage."""
        ...


class StageMakers(NamedTuple):
    """Makes fresh stages, given a partition."""

    market: Callable[[int], EventStage]
    account: Callable[[int], AccountStage]
    correlation: Callable[[int], CorrelationStage]


def market_station(partition: int, stage: EventStage, metrics: Metrics, max_record_bytes: int) -> Station:
    """Events by symbol in; activity by account partition and signals out."""

    def to_records(output: object) -> Iterable[OutgoingRecord]:
        if output is None:
            return
        made = cast("MarketOutput", output)
        for account_partition, frame in enumerate(made.activity):
            for value in frame_values(frame):
                yield OutgoingRecord(ACCOUNT_ACTIVITY, value, frame.source.encode(), account_partition)
        yield from _signal_records(made.signals, "market", partition, metrics)

    intakes = {topic: EventIntake(topic, stage, max_record_bytes) for topic in MARKET_TOPICS}
    return Station(partition, stage, intakes, to_records)


def account_station(partition: int, stage: AccountStage, metrics: Metrics, max_record_bytes: int) -> Station:
    """Leverage changes by account and activity frames in; signals out."""

    def to_records(output: object) -> Iterable[OutgoingRecord]:
        if output is not None:
            yield from _signal_records(cast("SignalFrame", output), "account", partition, metrics)

    intakes: dict[str, Intake] = {
        ACCOUNT_EVENT_TOPIC: EventIntake(ACCOUNT_EVENT_TOPIC, stage, max_record_bytes),
        ACCOUNT_ACTIVITY: FrameIntake(decode_activity_frame, stage.push_frame),
    }
    return Station(partition, stage, intakes, to_records)


def correlation_station(partition: int, stage: CorrelationStage, metrics: Metrics) -> Station:
    """Signal frames in; alerts out."""

    def to_records(output: object) -> Iterable[OutgoingRecord]:
        for alert in cast("tuple[Alert, ...]", output):
            metrics.observe_alert(alert)
            yield OutgoingRecord(ALERTS, encode_alert(alert), alert.alert_id.encode())

    intakes = {SIGNALS: FrameIntake(decode_signal_frame, stage.push_frame)}
    return Station(partition, stage, intakes, to_records)


def frame_values(frame: ActivityFrame | SignalFrame, max_bytes: int = LARGEST_FRAME_BYTES) -> Iterator[bytes]:
    """Encode a frame; one that is too large, since a stage caught up with many ticks at once, is cut between ticks.

    Only the last part says how far time has come, so that its reader closes nothing before all parts are there.

    Parameters
    ----------
    frame
        What a stage said.
    max_bytes
        A part of more bytes is cut again, unless it is a single tick.

    Examples
    --------
    >>> frame = ActivityFrame("market/0", closed_us=300, at_rest=True, ticks=((1, (), ()), (2, (), ())))
    >>> for value in frame_values(frame, max_bytes=35): print(value.decode())
    ["market/0",-1,false,[[1,[],[]]]]
    ["market/0",300,true,[[2,[],[]]]]
    """
    value = encode_frame(frame)
    if len(value) <= max_bytes or len(frame.ticks) < 2:
        yield value
        return
    middle = len(frame.ticks) // 2
    early = replace(frame, ticks=frame.ticks[:middle], closed_us=BEGINNING_US, at_rest=False)
    yield from frame_values(early, max_bytes)
    yield from frame_values(replace(frame, ticks=frame.ticks[middle:]), max_bytes)


def _signal_records(frame: SignalFrame, stage: str, partition: int, metrics: Metrics) -> Iterator[OutgoingRecord]:
    if frame.closed_us > 0:
        metrics.watermark_lag_seconds.labels(stage, str(partition)).set(time.time() - frame.closed_us / 1e6)
    for tick in frame.ticks:
        for signal in tick.signals:
            metrics.signals.labels(signal.pattern).inc()
    for value in frame_values(frame):
        yield OutgoingRecord(SIGNALS, value, frame.source.encode(), 0)
