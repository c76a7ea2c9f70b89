"""What is said of a flow: by Squall's core, and by every baseline, second by second."""

from array import array
from collections import Counter
from collections.abc import Iterable

import msgspec

from detectors.config import Calibration, CoreSettings
from detectors.events import Latency
from detectors.pipeline import Pipeline
from tests.benchmarks.detection.baselines import BASELINES, Baseline
from tests.benchmarks.detection.families import FEATURES, Family
from tests.benchmarks.detection.flows import COMPONENTS, SECOND_US, Arrival, Flow
from tests.benchmarks.detection.scores_seen import Stream as SeenStream
from tests.benchmarks.detection.scores_seen import scores_seen
from tests.benchmarks.detection.seconds import ComponentMeter, SymbolMeter
from tests.benchmarks.detection.surroundings import Memory

#: Whose seconds one baseline scores: a set of features, and the entity.
Stream = tuple[str, str]


class Said(msgspec.Struct, frozen=True, array_like=True):
    """A signal, as far as it is judged here."""

    at_us: int
    detector: str
    scope: str
    pattern: str
    symbol: str
    p_value: float
    per_day: float
    entity: str = ""


class Raised(msgspec.Struct, frozen=True, array_like=True):
    """A revision of an alert, as far as it is judged here."""

    at_us: int
    alert_id: str
    status: str
    pattern: str
    symbol: str
    severity: str
    score: float
    p_value: float
    title: str


def measured_settings() -> CoreSettings:
    """The defaults, but every p-value is published.

    What is more frequent than the default's 2,000 a day is needed for calibration; it changes no alert (`tests/quality`
    checks that).
    """
    return CoreSettings(calibration=Calibration(publish_per_day=1e9))


class Observer:
    """Takes a flow in and keeps what is said of it.

    Parameters
    ----------
    flow
        What will come.
    settings
        Of the core.
    families
        Whose features baselines score.
    """

    def __init__(self, flow: Flow, settings: CoreSettings, families: Iterable[Family]) -> None:
        self.flow = flow
        self.second = flow.start_us // SECOND_US
        self.first_second = self.second
        self.memories = {symbol: Memory(symbol) for symbol in flow.symbols}
        self.signals: list[Said] = []
        self.alerts: list[Raised] = []
        #: Scorer and stream -> its score of each second from `first_second` on.
        self.scores: dict[tuple[str, Stream], array[float]] = {}
        #: Mid price, least depth within 25 bp, and cancels, every ten seconds of the first symbol: for pictures.
        self.timeline: list[tuple[float, float, float]] = []
        self._pipeline = Pipeline(settings, 1, lambda _: 0)
        self._offsets: Counter[str] = Counter()
        self._symbols = {symbol: SymbolMeter() for symbol in flow.symbols}
        self._components = {name: ComponentMeter() for name in COMPONENTS if "latency" in flow.topics}
        self._models: dict[tuple[str, Stream], Baseline] = {}
        for features in sorted({family.features for family in families}):
            watched = FEATURES[features]
            entities: Iterable[str] = self._components if features == "latency" else self._symbols
            for number, entity in enumerate(entities):
                for scorer, make in BASELINES.items():
                    self._models[scorer, (features, entity)] = make(watched, flow.seed * 100 + number)
                    self.scores[scorer, (features, entity)] = array("d")

    def keep_only(self, family: Family, entity: str, seed: int) -> None:
        """From here on only one family's baselines matter, on one entity; chance is drawn anew."""
        stream = family.features, entity
        self._models = {name: model for name, model in self._models.items() if name[1] == stream}
        self._models["random", stream] = BASELINES["random"](FEATURES[family.features], seed)

    def see(self, arrivals: Iterable[Arrival]) -> None:
        """Take in what came."""
        offsets = self._offsets
        for topic, event in arrivals:
            while event.timestamp >= (self.second + 1) * SECOND_US:
                self._close_second()
            if isinstance(event, Latency):
                self._components[event.component].see(event)
            else:
                self._symbols[event.symbol].see(event)
                self.memories[event.symbol].see(event)
            self._pipeline.push(topic, offsets[topic], event)
            offsets[topic] += 1

    def finish(self) -> None:
        """Nothing more comes."""
        self._close_second()
        self._pipeline.flush()
        self._collect()

    def scores_seen(self) -> Counter[SeenStream]:
        """Scores that each of the core's calibrations has seen."""
        return scores_seen(self._pipeline)

    def _close_second(self) -> None:
        rows = {name: meter.close(self.second) for name, meter in self._symbols.items()}
        rows |= {name: meter.close(self.second) for name, meter in self._components.items()}
        for (scorer, stream), model in self._models.items():
            self.scores[scorer, stream].append(model.step(rows[stream[1]]))
        self.second += 1
        if (self.second - self.first_second) % 10 == 0:
            first = self.flow.symbols[0]
            row = rows[first]
            self.timeline.append((self.memories[first].mid, row.get("depth_25bp", 0.0), row["cancels_10s"]))
        self._pipeline.turn()
        self._collect()

    def _collect(self) -> None:
        results = self._pipeline.results()
        self.signals += (
            Said(
                one.timestamp, one.detector, one.scope, one.pattern, one.symbol, one.p_value, one.per_day, one.entity
            )
            for one in results.signals
        )  # fmt: skip
        self.alerts += (
            Raised(
                one.timestamp, one.alert_id, one.status, one.pattern, one.symbol, one.severity, one.score, one.p_value,
                one.title,
            )
            for one in results.alerts
        )  # fmt: skip
