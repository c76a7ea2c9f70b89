"""All stages in one process: files through the same core as Kafka."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec

from detectors.account_stage import AccountOutput, AccountStage
from detectors.cascade_pool import CascadePool
from detectors.config import CoreSettings
from detectors.correlation_stage import CorrelationOutput, CorrelationStage
from detectors.decisions import AuditRecord, Decisions, RateLimit, Trip
from detectors.events import Event, key_of
from detectors.market_stage import MarketOutput, MarketStage
from detectors.results import Alert, Refusal, RefusedRecord, Signal, SignalFrame
from detectors.stage import Stage
from detectors.timing import ClockGuard

#: Events between two polls: as a worker's batch, and like it without any effect on what comes out.
_BATCH = 512


class Results(msgspec.Struct):
    """What came out."""

    alerts: list[Alert] = msgspec.field(default_factory=list)
    signals: list[Signal] = msgspec.field(default_factory=list)
    limits: list[RateLimit] = msgspec.field(default_factory=list)
    trips: list[Trip] = msgspec.field(default_factory=list)
    audit: list[AuditRecord] = msgspec.field(default_factory=list)


def source_names(partitions: int) -> list[str]:
    """The sources of a correlation stage.

    Examples
    --------
    >>> source_names(1)
    ['market/0', 'account/0']
    """
    return [f"{stage}/{partition}" for stage in ("market", "account") for partition in range(partitions)]


class Pipeline:
    """Every partition of every stage, fed in order of time.

    Parameters
    ----------
    settings
        The settings of the core.
    partitions
        Partitions of the co-partitioned topics: results are those of as many Kafka partitions.
    partition_of
        Kafka's partition of a key.

    Examples
    --------
    >>> from detectors.events import Trade
    >>> pipeline = Pipeline(CoreSettings(), 1, lambda key: 0)
    >>> pipeline.push("trades", 0, Trade(1_000_000, "BTC-PERP", 100.0, 1.0, "buy"))
    >>> pipeline.flush()
    >>> pipeline.results()
    Results(alerts=[], signals=[], limits=[], trips=[], audit=[])
    """

    def __init__(self, settings: CoreSettings, partitions: int, partition_of: Callable[[str], int]) -> None:
        self._partition_of = partition_of
        self._lateness_us = settings.timing.lateness_us
        self._market = [MarketStage(number, partitions, settings, partition_of) for number in range(partitions)]
        self._account = [AccountStage(number, partitions, settings, partition_of) for number in range(partitions)]
        self._correlation = CorrelationStage(source_names(partitions), settings)
        self._results = Results()
        # The time of the files as a whole: one wild line must not move it.
        self._guard = ClockGuard(settings.timing)
        self._pushed = 0
        self._frames = [0] * partitions
        self._signal_frames = 0
        self._stress_frames = 0

    @property
    def cascade(self) -> CascadePool:
        """What is known of cascades: the odds on each symbol, and how they are calibrated."""
        return self._correlation.cascade

    @property
    def stages(self) -> tuple[Stage[Any], ...]:
        """All stages: of markets, of accounts, and of correlation."""
        return (*self._market, *self._account, self._correlation)

    @property
    def counters(self) -> Counter[str]:
        """The counters of all stages, added up."""
        total: Counter[str] = Counter(self._correlation.counters)
        for market, account in zip(self._market, self._account, strict=True):
            total.update(market.counters)
            total.update(account.counters)
        return total

    def push(self, topic: str, offset: int, event: Event) -> Refusal | None:
        """Take one event at its offset in its topic partition; the reason, if it is refused."""
        partition = self._partition_of(key_of(topic, event))
        stage = self._account[partition] if topic == "leverage" else self._market[partition]
        if topic not in stage.inputs:
            return None
        refusals = stage.push(topic, (offset,), (event,), 0)
        if refusals:
            return refusals[0]
        self._guard.accepts(event.timestamp)
        self._pushed += 1
        if self._pushed % _BATCH == 0:
            self.turn()
        return None

    def refuse(self, topic: str, partition: int, refused: RefusedRecord) -> None:
        """Note a record of a topic partition that could not be taken; those of inputs that nobody reads are not."""
        stage = self._account[partition] if topic == "leverage" else self._market[partition]
        if topic in stage.inputs:
            stage.push(topic, (), (), 0, (refused,))

    def turn(self) -> None:
        """Close what can be closed: all inputs are complete to the newest event less the lateness.

        `push` does it now and then; whoever waits for an answer, as an exchange that obeys it, asks sooner.
        """
        # A file is in order of time.
        complete_us = self._guard.newest_us - self._lateness_us
        for market in self._market:
            market.complete(complete_us)
            output = market.poll(0)
            if output is not None:
                self._hand_on(output)
        for account in self._account:
            account.complete(complete_us)
            found = account.poll(0)
            if found is not None:
                self._hear(found)
        self._spread(self._correlation.poll(0))

    def flush(self) -> None:
        """The input has ended: close every tick."""
        self.turn()
        for market in self._market:
            self._hand_on(market.flush())
        for account in self._account:
            self._hear(account.flush())
        self._spread(self._correlation.flush())
        for account in self._account:
            self._keep(account.finish())

    def results(self) -> Results:
        """What has come out since the last call."""
        results, self._results = self._results, Results()
        return results

    def _hand_on(self, output: MarketOutput) -> None:
        for partition, frame in enumerate(output.activity):
            self._account[partition].push_frame(frame, self._frames[partition], 0)
            self._frames[partition] += 1
        self._keep(output.decisions)
        self._signals(output.signals)

    def _hear(self, output: AccountOutput) -> None:
        self._keep(output.decisions)
        self._signals(output.signals)

    def _spread(self, output: CorrelationOutput) -> None:
        self._results.alerts += output.alerts
        if output.stress is not None:
            for account in self._account:
                account.push_stress(output.stress, self._stress_frames, 0)
            self._stress_frames += 1

    def _keep(self, decisions: Decisions) -> None:
        self._results.limits += decisions.limits
        self._results.trips += decisions.trips
        self._results.audit += decisions.audit

    def _signals(self, frame: SignalFrame) -> None:
        self._correlation.push_frame(frame, self._signal_frames, 0)
        self._signal_frames += 1
        for tick in frame.ticks:
            self._results.signals += tick.signals
