"""The shell in miniature: stages fed from logs in any order and grouping, by a clock that is set by hand."""

import random

from detectors.account_stage import AccountStage
from detectors.config import CoreSettings
from detectors.correlation_stage import CorrelationStage
from detectors.decisions import Decisions, StressFrame
from detectors.events import EVENT_TYPES, key_of
from detectors.market_stage import MarketOutput, MarketStage
from detectors.pipeline import Pipeline, Results, source_names
from detectors.results import ActivityFrame, Alert, SignalFrame
from tests.helpers import Log

#: Most that passes between two reads: far below the time-outs of those that still have something to read.
_STEP_US = 20_000
_RESTART_CHANCE = 0.05
#: Frames are read at least so many at once: stages that have nothing to say make them too.
_LEAST_FRAMES = 50
#: So much of the idle time-out passes between two rounds of workers that have nothing to read.
_ROUND_US = 400_000
#: Time-outs in a row (market, account and correlation stage, one after another), and some to spare.
_LAST_ROUNDS = 24


def alerts_of_pipeline(log: Log, settings: CoreSettings) -> list[Alert]:
    """The alerts when the log is read as a file."""
    return results_of_pipeline(log, settings).alerts


def results_of_pipeline(log: Log, settings: CoreSettings) -> Results:
    """All results when the log is read as a file."""
    pipeline = Pipeline(settings, log.partitions, log.partition_of)
    for topic, offset, event in log.records:
        partition = log.partition_of(key_of(topic, event))
        refused = log.refused.get((topic, partition, offset))
        if refused is None:
            assert pipeline.push(topic, offset, event) is None
        else:
            pipeline.refuse(topic, partition, refused)
    pipeline.flush()
    return pipeline.results()


#: What an account stage reads.
ACCOUNT_INPUTS = ("leverage", "account-activity", "stress")


class Workers:
    """Every stage of every partition, with the logs between them.

    Each stage reads its topic partitions in order of offset; nothing else is promised. An input is said to be at rest
    only when it has been read to its end.

    Parameters
    ----------
    settings
        The settings of the core.
    log
        The input.
    seed
        Seed of all choices.
    batch
        Largest number of records that are read at once.
    """

    def __init__(self, settings: CoreSettings, log: Log, seed: int = 0, batch: int = 200) -> None:
        self.settings = settings
        self.log = log
        self.batch = batch
        self.chance = random.Random(seed)
        self.now_us = 0
        numbers = range(log.partitions)
        self.markets = [self.new_market(number) for number in numbers]
        self.accounts = [self.new_account(number) for number in numbers]
        self.correlation = CorrelationStage(source_names(log.partitions), settings)
        self.activity: list[list[ActivityFrame]] = [[] for _ in numbers]
        self.signals: list[SignalFrame] = []
        self.stress: list[StressFrame] = []
        self.alerts: list[Alert] = []
        self.decisions: list[Decisions] = []
        #: How far each input was read: (stage, partition, topic) -> next offset.
        self.read: dict[tuple[str, int, str], int] = {}

    def new_market(self, partition: int) -> MarketStage:
        """A market stage that has seen nothing."""
        return MarketStage(partition, self.log.partitions, self.settings, self.log.partition_of)

    def new_account(self, partition: int) -> AccountStage:
        """An account stage that has seen nothing."""
        return AccountStage(partition, self.log.partitions, self.settings, self.log.partition_of)

    def run(self, *, repeat: float = 0.0, restarts: int = 0, idle: float = 0.0) -> list[Alert]:
        """Read everything, in any order, until all inputs have been at rest for long enough; the alerts.

        Parameters
        ----------
        repeat
            Chance that a read begins again at records that were read before.
        restarts
            How often a market stage begins again with nothing, at the beginning of its topics.
        idle
            Chance that the idle time-out passes between two reads.
        """
        topics = self.inputs()
        for _ in range(2):
            for place in topics:
                if not self.left(*place):
                    self.take(*place)
            self.now_us += self.settings.timing.idle_us
        while any(self.left(*place) for place in topics):
            # For a while, some inputs run ahead of all others.
            favoured = self.chance.sample(topics, self.chance.randint(1, len(topics)))
            for _ in range(self.chance.randint(1, 12)):
                self.now_us += self.chance.randrange(_STEP_US)
                stage, partition, topic = self.chance.choice(favoured)
                self.take(stage, partition, topic, repeat)
                if self.chance.random() < 0.5:
                    self.turn(stage, partition)
                if restarts and self.chance.random() < _RESTART_CHANCE:
                    restarts -= self.begin_again(self.chance.randrange(self.log.partitions))
                if self.chance.random() < idle:
                    self.now_us += self.settings.timing.idle_us
        self.come_to_rest()
        return self.alerts

    def inputs(self) -> list[tuple[str, int, str]]:
        """Every (stage, partition, topic) that is read."""
        numbers = range(self.log.partitions)
        market = [("market", number, topic) for number in numbers for topic in self.markets[number].inputs]
        account = [("account", number, topic) for number in numbers for topic in ACCOUNT_INPUTS]
        return [*market, *account, ("correlation", 0, "signals")]

    def left(self, stage: str, partition: int, topic: str) -> int:
        """Records of an input that were not read yet."""
        return self._end(partition, topic) - self.read.get((stage, partition, topic), 0)

    def take(self, stage: str, partition: int, topic: str, repeat: float = 0.0) -> None:
        """Read up to a batch of an input; say that it is at rest when there is nothing left."""
        place = (stage, partition, topic)
        begin = self.read.get(place, 0)
        if self.chance.random() < repeat:
            begin = self.chance.randint(max(begin - 50, 0), begin)
        most = self.batch if topic in EVENT_TYPES else max(self.batch, _LEAST_FRAMES)
        end = min(begin + self.chance.randint(1, most), self._end(partition, topic))
        self._push(stage, partition, topic, begin, end)
        self.read[place] = max(self.read.get(place, 0), end)

    def turn(self, stage: str, partition: int) -> None:
        """Let a stage close what it can, and keep what it says."""
        if stage == "market":
            self._keep(self.markets[partition].poll(self.now_us))
        elif stage == "account":
            found = self.accounts[partition].poll(self.now_us)
            if found is not None:
                self.signals.append(found.signals)
                self.decisions.append(found.decisions)
        else:
            said = self.correlation.poll(self.now_us)
            self.alerts += said.alerts
            if said.stress is not None:
                self.stress.append(said.stress)

    def begin_again(self, partition: int) -> bool:
        """A market stage that has closed a tick loses everything and reads from the beginning; whether it had."""
        if not self.markets[partition].counters["ticks"]:
            return False
        self.markets[partition] = self.new_market(partition)
        for topic in self.markets[partition].inputs:
            self.read["market", partition, topic] = 0
        return True

    def come_to_rest(self) -> None:
        """Everything that is left, and then silence for as long as the time-outs take."""
        for _ in range(_LAST_ROUNDS):
            for place in self.inputs():
                while self.left(*place):
                    self.take(*place)
                self.take(*place)
            for number in range(self.log.partitions):
                self.turn("market", number)
                self.turn("account", number)
            self.turn("correlation", 0)
            self.now_us += _ROUND_US

    def _end(self, partition: int, topic: str) -> int:
        if topic == "account-activity":
            return len(self.activity[partition])
        if topic == "stress":
            return len(self.stress)
        return len(self.signals) if topic == "signals" else len(self.log.of(topic, partition))

    def _push(self, stage: str, partition: int, topic: str, begin: int, end: int) -> None:
        if topic == "account-activity":
            for offset in range(begin, end):
                self.accounts[partition].push_frame(self.activity[partition][offset], offset, self.now_us)
        elif topic == "stress":
            for offset in range(begin, end):
                self.accounts[partition].push_stress(self.stress[offset], offset, self.now_us)
        elif topic == "signals":
            for offset in range(begin, end):
                self.correlation.push_frame(self.signals[offset], offset, self.now_us)
        else:
            reader = self.markets[partition] if stage == "market" else self.accounts[partition]
            if begin < end:
                refused = [self.log.refused.get((topic, partition, offset)) for offset in range(begin, end)]
                taken = [offset for offset, one in enumerate(refused, begin) if one is None]
                events = [self.log.of(topic, partition)[offset] for offset in taken]
                told = [one for one in refused if one is not None]
                assert reader.push(topic, taken, events, self.now_us, told) == []
            if end == self._end(partition, topic):
                reader.rest(topic, self.now_us)

    def _keep(self, output: MarketOutput | None) -> None:
        if output is not None:
            for number, frame in enumerate(output.activity):
                self.activity[number].append(frame)
            self.signals.append(output.signals)
            self.decisions.append(output.decisions)
