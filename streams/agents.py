"""What the three agents take and send: market to account and correlation, account to correlation, then alerts."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol, cast

from msgspec.structs import replace

from detectors.decisions import Decisions, Feedback, Override, StressFrame
from detectors.results import ActivityFrame, Alert, SignalFrame
from detectors.timing import BEGINNING_US
from streams.codecs import (
    decode_activity_frame,
    decode_signal_frame,
    decode_stress_frame,
    encode_alert,
    encode_decision,
    encode_frame,
)
from streams.feedback import decode_feedback
from streams.followed_intake import FollowedIntake, Since
from streams.mapping.field_mapping import NO_MAPPING, FieldMapping
from streams.metrics import Metrics
from streams.orders import decode_order
from streams.stations import EventIntake, EventStage, FrameIntake, Intake, OutgoingRecord, Stage, Station
from streams.topics import (
    ACCOUNT_ACTIVITY,
    ALERTS,
    AUDIT,
    FEEDBACK,
    GUARDRAILS,
    OVERRIDES,
    RATE_LIMITS,
    SIGNALS,
    STRESS,
)

MARKET_TOPICS = ("trades", "cancels", "books", "tickers", "liquidations", "latency")
ACCOUNT_EVENT_TOPIC = "leverage"
ACCOUNT_TOPICS = (ACCOUNT_EVENT_TOPIC, ACCOUNT_ACTIVITY, STRESS)
#: Brokers take records of 1 MiB unless told otherwise.
LARGEST_FRAME_BYTES = 524_288


class MarketOutput(Protocol):
    """What the market stage's `poll` gives: a frame for each account partition, its signals, and trips."""

    @property
    def activity(self) -> tuple[ActivityFrame, ...]:
        """One for each account partition, in order."""
        ...

    @property
    def signals(self) -> SignalFrame:
        """Of the same ticks."""
        ...

    @property
    def decisions(self) -> Decisions:
        """Guardrails that tripped or cleared."""
        ...


class AccountOutput(Protocol):
    """What the account stage's `poll` gives."""

    @property
    def signals(self) -> SignalFrame:
        """What came of the ticks closed since the last."""
        ...

    @property
    def decisions(self) -> Decisions:
        """Limits, trips, and their audit."""
        ...


class CorrelationOutput(Protocol):
    """What the correlation stage's `poll` gives."""

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """In order."""
        ...

    @property
    def stress(self) -> StressFrame | None:
        """What account stages have to know, if that is due."""
        ...


class AccountStage(EventStage, Protocol):
    """The stage of account partitions."""

    followed_below: int

    def push_frame(self, frame: ActivityFrame, offset: int, now_us: int) -> None:
        """Take a frame of a market stage."""
        ...

    def push_stress(self, frame: StressFrame, offset: int, now_us: int) -> None:
        """Take a frame of the correlation stage."""
        ...

    def obey(self, order: Override) -> None:
        """Let an operator's order be in force."""
        ...


class CorrelationStage(Stage, Protocol):
    """The stage that makes alerts."""

    followed_below: int

    def push_frame(self, frame: SignalFrame, offset: int, now_us: int) -> None:
        """Take a frame of a market or account stage."""
        ...

    def hear(self, feedback: Feedback) -> None:
        """Take what an operator said of an alert."""
        ...


class StageMakers(NamedTuple):
    """Makes fresh stages, given a partition."""

    market: Callable[[int], EventStage]
    account: Callable[[int], AccountStage]
    correlation: Callable[[int], CorrelationStage]


def market_station(
    partition: int, stage: EventStage, metrics: Metrics, max_record_bytes: int, mapping: FieldMapping = NO_MAPPING
) -> Station:
    """Events by symbol in; activity by account partition and signals out."""

    def to_records(output: object) -> Iterable[OutgoingRecord]:
        if output is None:
            return
        made = cast("MarketOutput", output)
        # Decisions first: somebody acts on them.
        yield from _decision_records(made.decisions, metrics)
        for account_partition, frame in enumerate(made.activity):
            for value in frame_values(frame):
                yield OutgoingRecord(ACCOUNT_ACTIVITY, value, frame.source.encode(), account_partition)
        yield from _signal_records(made.signals, "market", partition, metrics)

    intakes = {
        mapping.source_of(topic): EventIntake(topic, stage, max_record_bytes, mapping.streams.get(topic))
        for topic in MARKET_TOPICS
    }
    return Station(partition, stage, intakes, to_records, names=mapping.names)


def account_station(
    partition: int,
    stage: AccountStage,
    metrics: Metrics,
    max_record_bytes: int,
    orders_since: Since | None = None,
    mapping: FieldMapping = NO_MAPPING,
) -> Station:
    """Leverage changes by account, activity, stress and operators' orders in; signals, limits and trips out."""

    def to_records(output: object) -> Iterable[OutgoingRecord]:
        if output is not None:
            made = cast("AccountOutput", output)
            yield from _decision_records(made.decisions, metrics)
            yield from _signal_records(made.signals, "account", partition, metrics)

    reader = mapping.streams.get(ACCOUNT_EVENT_TOPIC)
    intakes: dict[str, Intake] = {
        mapping.source_of(ACCOUNT_EVENT_TOPIC): EventIntake(ACCOUNT_EVENT_TOPIC, stage, max_record_bytes, reader),
        ACCOUNT_ACTIVITY: FrameIntake(decode_activity_frame, stage.push_frame),
        STRESS: FrameIntake(decode_stress_frame, stage.push_stress),
    }
    orders = None
    if orders_since is not None:
        orders = FollowedIntake(
            OVERRIDES, stage, stage.obey, decode=decode_order, since=orders_since, tells=partition == 0
        )
    return Station(partition, stage, intakes, to_records, orders, names=mapping.names)


def correlation_station(
    partition: int,
    stage: CorrelationStage,
    metrics: Metrics,
    partitions: int,
    feedback_since: Since | None = None,
    mapping: FieldMapping = NO_MAPPING,
) -> Station:
    """Signal frames and verdicts in; alerts out, and stress to each of so many account partitions."""

    def to_records(output: object) -> Iterable[OutgoingRecord]:
        made = cast("CorrelationOutput", output)
        for alert in made.alerts:
            metrics.decided.observe_alert(alert)
            yield OutgoingRecord(ALERTS, encode_alert(mapping.as_on_broker(alert)), alert.alert_id.encode())
        if made.stress is not None:
            for value in frame_values(made.stress):
                for account_partition in range(partitions):
                    yield OutgoingRecord(STRESS, value, made.stress.source.encode(), account_partition)

    intakes = {SIGNALS: FrameIntake(decode_signal_frame, stage.push_frame)}
    said = None
    if feedback_since is not None:
        said = FollowedIntake(FEEDBACK, stage, stage.hear, decode=decode_feedback, since=feedback_since, tells=True)
    return Station(partition, stage, intakes, to_records, said)


def frame_values(
    frame: ActivityFrame | SignalFrame | StressFrame, max_bytes: int = LARGEST_FRAME_BYTES
) -> Iterator[bytes]:
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
    >>> for value in frame_values(frame, max_bytes=38): print(value.decode())
    ["market/0",-1,false,[[1,[],[]]],[]]
    ["market/0",300,true,[[2,[],[]]],[]]
    """
    value = encode_frame(frame)
    if len(value) <= max_bytes or len(frame.ticks) < 2:
        yield value
        return
    middle = len(frame.ticks) // 2
    early = replace(frame, ticks=frame.ticks[:middle], closed_us=BEGINNING_US, at_rest=False)
    late = replace(frame, ticks=frame.ticks[middle:])
    if isinstance(frame, ActivityFrame):
        # Each part has all of its ticks: a reader passes over what it has seen.
        last = frame.ticks[middle - 1][0]
        early = replace(early, interest=tuple(one for one in frame.interest if one[0] <= last))
        late = replace(late, interest=tuple(one for one in frame.interest if one[0] > last))
    yield from frame_values(early, max_bytes)
    yield from frame_values(late, max_bytes)


def _decision_records(decisions: Decisions, metrics: Metrics) -> Iterator[OutgoingRecord]:
    for limit in decisions.limits:
        metrics.decided.observe_limit(limit)
        yield OutgoingRecord(RATE_LIMITS, encode_decision(limit), limit.account.encode())
    for trip in decisions.trips:
        metrics.decided.observe_trip(trip)
        yield OutgoingRecord(GUARDRAILS, encode_decision(trip), f"{trip.rule}/{trip.entity}".encode())
    for record in decisions.audit:
        yield OutgoingRecord(AUDIT, encode_decision(record), record.entity.encode())


def _signal_records(frame: SignalFrame, stage: str, partition: int, metrics: Metrics) -> Iterator[OutgoingRecord]:
    if frame.closed_us > 0:
        metrics.watermark_lag_seconds.labels(stage, str(partition)).set(time.time() - frame.closed_us / 1e6)
    metrics.decided.observe_signals(frame)
    for value in frame_values(frame):
        yield OutgoingRecord(SIGNALS, value, frame.source.encode(), 0)
