"""Hours of an exchange on which crowds build up and now and then break, and what the core says of them meanwhile.

The core sees leverage changes, liquidations, and every fifth book and ticker: what its odds of a cascade rest on, and
enough for alerts of books, marks, liquidations and leverage. Cancels and trades are left out; they are nine tenths of
the flow. Its odds are calibrated online, from nothing: each chain of flows hands that calibration, and nothing else,
from one to the next, as a venue's worker would have it from the days before.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import msgspec

from detectors.cascade_odds import FORECAST_EVERY_S, CascadeOdds
from detectors.cascade_pool import HORIZONS_S
from detectors.config import CoreSettings
from detectors.events import BookSnapshot, DerivativeTicker, Event, LeverageChange, Liquidation
from detectors.pipeline import Pipeline
from streams.simulator import Cascades, Exchange, ExchangeSettings, Forced
from streams.simulator.build_ups import UNWIND_S, plan
from tests.benchmarks.detection.cascade_baselines import GAIN, RAISES, Raises, gain_features
from tests.benchmarks.detection.cascade_truth import CascadeTruth
from tests.benchmarks.detection.flows import SECOND_US, SYMBOLS

SQUALL = "Squall"
SCORERS = (SQUALL, GAIN, RAISES)
#: Alerts that tell of the onset of a cascade.
ONSET_PATTERNS = ("liquidation_wave", "cascade_risk", "correlated_stress")
_EVERY = 5
_EVENTS_PER_S = 40.0


class Forecast(msgspec.Struct, frozen=True, array_like=True):
    """What each scorer said of one symbol at one time: its probabilities within 15 and within 30 minutes."""

    at_us: int
    symbol: str
    within: dict[str, tuple[float, float]]


class Rise(msgspec.Struct, frozen=True, array_like=True):
    """An alert of the onset's patterns, from its opening until it was resolved (or the end)."""

    opened_us: int
    resolved_us: int
    pattern: str
    symbol: str


class Attempt(msgspec.Struct, frozen=True, array_like=True):
    """A crowd's build-up: from its beginning until everybody has gone home."""

    symbol: str
    start_us: int
    end_us: int


class CascadeRun(msgspec.Struct, frozen=True):
    """One flow."""

    seed: int
    seconds: int
    forecasts: list[Forecast]
    rises: list[Rise]
    #: By symbol: when cascades began by the definition, and when the clearing house said that one fed on others.
    onsets: dict[str, list[int]]
    self_fed: dict[str, list[int]]
    attempts: list[Attempt]
    #: How many cascades the product itself counted.
    counted: int


def run_chain(chain: Sequence[tuple[int, int]]) -> list[CascadeRun]:
    """See flows of (seed, seconds) one after the other, each calibrated by those before."""
    odds = {scorer: _new_odds(scorer) for scorer in SCORERS[1:]}
    known: list[dict[str, object]] | None = None
    runs = []
    for seed, seconds in chain:
        watched = _Watched(seed, seconds, odds, known)
        runs.append(watched.run())
        known = watched.calibration()
        for horizons in odds.values():
            for one in horizons:
                for symbol in SYMBOLS:
                    one.forget(symbol)
    return runs


def _new_odds(scorer: str) -> list[CascadeOdds]:
    return [CascadeOdds(horizon_s, prior=(-4.0, 1.0), variances=(4.0, 1.0)) for horizon_s in HORIZONS_S]


def exchange_settings(seed: int, seconds: int) -> ExchangeSettings:
    """A thousand accounts on four symbols, a book a second, a crowd on each every hour or so."""
    return ExchangeSettings(
        seed=seed,
        symbols=SYMBOLS,
        accounts=1_000,
        makers=12,
        events_per_s=_EVENTS_PER_S,
        duration_s=seconds,
        books_per_s=1,
        cascades=Cascades(every_s=1_500),
    )


class _Watched:
    """One flow, and all who look at it."""

    def __init__(
        self, seed: int, seconds: int, odds: dict[str, list[CascadeOdds]], known: list[dict[str, object]] | None
    ) -> None:
        self._settings = exchange_settings(seed, seconds)
        self._pipeline = Pipeline(CoreSettings(), 1, lambda _: 0)
        if known is not None:
            notes: list[str] = []
            self._pipeline.cascade.take_calibration(known, notes)
            if notes:
                raise RuntimeError(f"expected the calibration of the flow before, found {notes}")
        self._odds = odds
        self._raises = {symbol: Raises() for symbol in SYMBOLS}
        self._truths = {symbol: CascadeTruth(CoreSettings().cascade) for symbol in SYMBOLS}
        self._forced: list[Forced] = []
        self._forecasts: list[Forecast] = []
        self._open: dict[str, Rise] = {}
        self._rises: list[Rise] = []
        self._offsets: Counter[str] = Counter()

    def calibration(self) -> list[dict[str, object]]:
        """What the core has learned of its odds; forecasts of this flow that wait are of no use to the next."""
        return [{**one, "waiting": {}} for one in self._pipeline.cascade.calibration()]

    def run(self) -> CascadeRun:
        """See all of it."""
        start_us, every_us = self._settings.start_us, FORECAST_EVERY_S * SECOND_US
        next_us = start_us + every_us
        for topic, event in self._thinned():
            while event.timestamp >= next_us:
                self._turn()
                self._forecast(next_us)
                next_us += every_us
            self._pipeline.push(topic, self._offsets[topic], event)
            self._offsets[topic] += 1
        self._pipeline.flush()
        self._collect()
        build_ups = [
            one for symbol in SYMBOLS for one in plan(symbol, self._settings, self._settings.cascades or Cascades())[0]
        ]
        self_fed: defaultdict[str, list[int]] = defaultdict(list)
        for one in self._forced:
            if one.is_self_fed:
                self_fed[one.symbol].append(one.timestamp)
        return CascadeRun(
            seed=self._settings.seed,
            seconds=round(self._settings.duration_s),
            forecasts=self._forecasts,
            rises=[*self._rises, *self._open.values()],
            onsets={symbol: truth.onsets_us for symbol, truth in self._truths.items()},
            self_fed=dict(self_fed),
            attempts=[Attempt(one.symbol, one.start_us, one.end_us + round(UNWIND_S * 1e6)) for one in build_ups],
            counted=self._pipeline.counters["cascades"],
        )

    def _thinned(self) -> Iterator[tuple[str, Event]]:
        seen: Counter[tuple[str, str]] = Counter()
        for topic, event in Exchange(self._settings, log=self._forced.append).events():
            if isinstance(event, LeverageChange):
                self._raises[event.symbol].take(event)
            elif isinstance(event, Liquidation):
                self._truths[event.symbol].take_liquidation(event)
            elif isinstance(event, BookSnapshot | DerivativeTicker):
                if isinstance(event, BookSnapshot):
                    self._take_book(event)
                seen[topic, event.symbol] += 1
                if seen[topic, event.symbol] % _EVERY != 1:
                    continue
            else:
                continue
            yield topic, event

    def _take_book(self, book: BookSnapshot) -> None:
        """Judge whether a cascade begins; baselines learn of it as soon as it does."""
        truth = self._truths[book.symbol]
        before = len(truth.onsets_us)
        truth.take_book(book)
        if len(truth.onsets_us) > before:
            for horizons in self._odds.values():
                for one in horizons:
                    one.begin_cascade(book.symbol, book.timestamp / SECOND_US)

    def _turn(self) -> None:
        self._pipeline.turn()
        self._collect()

    def _collect(self) -> None:
        for alert in self._pipeline.results().alerts:
            if alert.pattern not in ONSET_PATTERNS:
                continue
            if alert.status == "resolved":
                rise = self._open.pop(alert.alert_id, None)
                if rise is not None:
                    self._rises.append(msgspec.structs.replace(rise, resolved_us=alert.timestamp))
            elif alert.alert_id not in self._open:
                self._open[alert.alert_id] = Rise(alert.timestamp, self._settings.end_us, alert.pattern, alert.symbol)

    def _forecast(self, now_us: int) -> None:
        now_s = now_us / SECOND_US
        for symbol, risk in sorted(self._pipeline.cascade.risks.items()):
            first, second = (risk.odds[horizon_s].probability for horizon_s in HORIZONS_S)
            within = {SQUALL: (first, second)}
            features = {GAIN: gain_features(risk.gain), RAISES: self._raises[symbol].features(now_s)}
            for scorer, x in features.items():
                found = []
                for one in self._odds[scorer]:
                    one.pass_time(symbol, now_s)
                    found.append(one.forecast(symbol, x, now_s).probability)
                within[scorer] = (found[0], found[1])
            self._forecasts.append(Forecast(now_us, symbol, within))
