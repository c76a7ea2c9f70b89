"""Cascade risk of every symbol, the odds of a cascade, and the graph over which one spreads."""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import msgspec

from detectors.base import State
from detectors.cascade_odds import CascadeOdds, Odds
from detectors.cascade_outlook import PRIOR, VARIANCES
from detectors.cascade_risk import CascadeRisk
from detectors.cascade_watch import BEGUN_PER_DAY, CascadeWatch
from detectors.config import CoreSettings
from detectors.contagion_graph import Contagion, ContagionGraph, Node
from detectors.entities import Entities
from detectors.measures import Measure, calibration_measure
from detectors.results import BookProfile, Contribution, Evidence, LeverageMove, Signal
from detectors.revival import revived
from detectors.scorer import Scorer, Verdict, signal_of

HORIZONS_S = (900, 1_800)
#: How near the price liquidations count in the graph.
_NEAR_BP = 200
_GRAPH_EVERY_S = 60


class SymbolRisk(NamedTuple):
    """One symbol's odds of a cascade by horizon in seconds, and the distance to the nearest self-feeding interval."""

    odds: dict[int, Odds]
    self_feeding_bp: float | None
    gain: float


class CascadePool:
    """Leverage moves and book profiles of all partitions to signals of cascade risk.

    Parameters
    ----------
    settings
        The settings of the core.
    counters
        The stage's counters.
    """

    def __init__(self, settings: CoreSettings, counters: Counter[str]) -> None:
        self._settings = settings
        self._counters = counters
        self._tick_us = settings.timing.tick_us
        self._symbols: Entities[CascadeWatch] = Entities(
            settings.memory.max_symbols,
            save=CascadeWatch.state,
            load=self._load,
            turn=lambda watch: watch.turn,
            counters=counters,
            evicted="evicted_symbols",
        )
        self._scorer = self._new_scorer()
        self._odds = {horizon_s: self._new_odds(horizon_s) for horizon_s in HORIZONS_S}
        self._graph = ContagionGraph()
        self._graph_s = -1.0
        #: What shells may show.
        self.risks: dict[str, SymbolRisk] = {}
        self.contagion: Contagion | None = None

    def close_tick(
        self,
        tick: int,
        moves: list[LeverageMove],
        profiles: list[BookProfile],
        evidence: Mapping[str, tuple[Evidence, ...]],
    ) -> list[Signal]:
        """Take one tick in, with evidence by symbol; cascades that begin, and prices nearer to one than ever."""
        placed = [move for move in moves if move.liquidations or move.cross_cents]
        second = tick * self._tick_us // 1_000_000
        for symbol in sorted({move.symbol for move in placed} | {profile.symbol for profile in profiles}):
            self._watch(symbol, tick).evidence.add(second, evidence.get(symbol, ()))
        # What each partition takes out it has put in before, so that sums come out alike; the cap needs an order.
        for move in sorted(placed, key=lambda one: (one.symbol, one.liquidations)):
            self._hold(tick, move)
        time_s = (tick + 1) * self._tick_us / 1e6
        signals: list[Signal] = []
        for profile in sorted(profiles, key=lambda one: one.symbol):
            signals += self._judge(tick, profile, time_s)
        if profiles and time_s - self._graph_s >= _GRAPH_EVERY_S:
            self._graph_s = time_s
            self.contagion = self._graph.step(time_s, self._nodes(tick))
        return signals

    def _hold(self, tick: int, move: LeverageMove) -> None:
        watch = self._watch(move.symbol, tick)
        for side, bucket, cents in move.liquidations:
            watch.density.add(side, bucket, cents)
        watch.cross_cents += move.cross_cents
        watch.all_cents += move.notional_cents

    def _judge(self, tick: int, profile: BookProfile, time_s: float) -> list[Signal]:
        watch = self._watch(profile.symbol, tick)
        x = watch.take(profile, time_s)
        begins = watch.begins(time_s)
        odds = {}
        features = watch.odds_features(time_s)
        for horizon_s, one in self._odds.items():
            if begins:
                one.begin_cascade(profile.symbol, time_s)
            one.pass_time(profile.symbol, time_s)
            odds[horizon_s] = one.forecast(profile.symbol, features, time_s)
        self._counters["cascades"] += bool(begins)
        near = [distance for name in ("down_bp", "up_bp") if (distance := x.get(name)) is not None]
        gain = max(x["down_gain"], x["up_gain"])
        self.risks[profile.symbol] = SymbolRisk(odds, min(near, default=None), gain)
        verdict = self._scorer.step(watch.risk, x, time_s)
        begun = Verdict(0.0, BEGUN_PER_DAY / 86_400.0, BEGUN_PER_DAY, begins) if begins else None
        told = (one for one in (begun, verdict) if one is not None)
        return [self._signal(tick, profile.symbol, watch, one, odds) for one in told]

    def _signal(self, tick: int, symbol: str, watch: CascadeWatch, verdict: Verdict, odds: dict[int, Odds]) -> Signal:
        told = tuple(part for horizon_s, one in odds.items() for part in _told(horizon_s, one))
        at_risk = sum(interval.liquidated for gain in watch.gains or () for interval in gain.intervals)
        return signal_of(
            msgspec.structs.replace(verdict, contributions=(*verdict.contributions, *told)),
            (tick + 1) * self._tick_us,
            detector="cascade_risk",
            pattern="cascade_risk",
            scope="symbol",
            entity=symbol,
            symbol=symbol,
            accounts=(),
            notional=at_risk,
            evidence=watch.evidence,
        )

    def _nodes(self, tick: int) -> dict[str, Node]:
        recent = tick - _GRAPH_EVERY_S * 1_000_000 // self._tick_us
        return {
            name: Node(watch.risk.mid, watch.near_gain(_NEAR_BP), watch.cross_share, watch.all_cents / 100.0)
            for name, watch in sorted(self._symbols.items())
            if watch.turn >= recent and watch.gains is not None
        }

    def _watch(self, symbol: str, tick: int) -> CascadeWatch:
        watch = self._symbols.touch(symbol)
        watch = watch or self._symbols.add(symbol, self._new_watch())
        watch.turn = tick
        if len(self.risks) > len(self._symbols):
            self._forget()
        return watch

    def _forget(self) -> None:
        for symbol in [name for name in self.risks if name not in self._symbols]:
            del self.risks[symbol]
            for odds in self._odds.values():
                odds.forget(symbol)

    def measures(self) -> Iterator[Measure]:
        """What is known of cascades, for whoever shows it."""
        for symbol, risk in self.risks.items():
            yield Measure("cascade_gain", (symbol,), risk.gain)
            if risk.self_feeding_bp is not None:
                yield Measure("cascade_distance_bp", (symbol,), risk.self_feeding_bp)
            for horizon_s, odds in risk.odds.items():
                yield Measure("cascade_probability", (symbol, str(horizon_s)), odds.probability)
        for horizon_s, forecasts in self._odds.items():
            yield Measure("cascade_base_rate", (str(horizon_s),), forecasts.base_rate)
            if forecasts.brier is not None:
                brier, base_brier = forecasts.brier
                yield Measure("cascade_brier", (str(horizon_s), "forecast"), brier)
                yield Measure("cascade_brier", (str(horizon_s), "base_rate"), base_brier)
        if self.contagion is not None:
            yield Measure("contagion_radius", (), self.contagion.spectral_radius)
            yield Measure("contagion_expected", (), self.contagion.expected)
        yield calibration_measure(CascadeRisk.name, is_warm=self._scorer.pot.ready)

    def kept(self) -> dict[str, Entities[Any]]:
        """Symbols."""
        return {"cascade": self._symbols}

    def head(self) -> State:
        """What all symbols share."""
        return {
            "scorer": self._scorer.state(),
            "odds": self.calibration(),
            "graph": self._graph.state(),
            "graph_s": self._graph_s,
        }

    def resume(self, head: State, notes: list[str]) -> None:
        """Take up what all symbols share."""
        self._scorer = revived(self._new_scorer, head["scorer"], "calibration of cascade_risk", notes)
        self.take_calibration(head["odds"], notes)
        self._graph.restore(head["graph"])
        self._graph_s = head["graph_s"]

    def calibration(self) -> list[State]:
        """What was learned of the odds, of each horizon."""
        return [odds.state() for odds in self._odds.values()]

    def take_calibration(self, saved: list[State], notes: list[str]) -> None:
        """Take up what was learned of the odds."""
        for horizon_s, state in zip(HORIZONS_S, saved, strict=True):
            make = partial(self._new_odds, horizon_s)
            self._odds[horizon_s] = revived(make, state, f"odds of a cascade within {horizon_s} s", notes)

    @staticmethod
    def _new_odds(horizon_s: int) -> CascadeOdds:
        return CascadeOdds(horizon_s, PRIOR, VARIANCES)

    def _new_watch(self) -> CascadeWatch:
        return CascadeWatch(self._settings.cascade, self._settings.memory.half_life_s)

    def _load(self, symbol: str, state: State, notes: list[str]) -> CascadeWatch:
        return revived(self._new_watch, state, f"{CascadeRisk.name} of {symbol}", notes)

    def _new_scorer(self) -> Scorer:
        return Scorer(self._settings.calibration, self._counters)


def _told(horizon_s: int, odds: Odds) -> tuple[Contribution, ...]:
    """The odds as lines of an explanation: they have no share in the score."""
    minutes = horizon_s // 60
    belief = "calibrated" if odds.known else "not yet known how good"
    named = f"probability of a cascade within {minutes} min ({belief})"
    lines = [Contribution(named, round(odds.probability, 6), round(odds.base_rate, 6), "probability", 1.0, 0.0)]
    if odds.known:
        named = f"Brier score of that, against the base rate's ({minutes} min)"
        lines.append(Contribution(named, round(odds.brier, 6), round(odds.base_brier, 6), "score", 1.0, 0.0))
    return tuple(lines)
