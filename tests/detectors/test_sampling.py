"""Heavy models that look at one observation in so many: which ones is counted, and all else stays as it was."""

import random
from itertools import islice

import msgspec
import pytest

from detectors.base import Detector
from detectors.config import CoreSettings
from detectors.correlation_stage import CorrelationStage
from detectors.leverage_spike import LeverageSpike
from detectors.lockstep import Lockstep
from detectors.market_stage import MarketOutput, MarketStage
from detectors.results import LeverageMove, SignalFrame, SignalTick
from detectors.thin_book import ThinBook
from detectors.toy_streams import TOY_STREAMS
from tests.helpers import Flow, Log, partitioner

POINTS = 2_000


def taught(detector: Detector, one_in: int) -> Detector:
    detector.one_in = one_in
    for x, _ in islice(TOY_STREAMS[detector.name](random.Random(1)), POINTS):
        detector.learn_one(x)
    return detector


@pytest.mark.parametrize(("make", "every"), [(ThinBook, 4), (LeverageSpike, 1)])
@pytest.mark.parametrize("one_in", [8, 64])
def test_trees_learn_one_observation_in_so_many(make: type[Detector], every: int, one_in: int) -> None:
    learned_of_window = taught(make(), one_in).state()["trees"]["counter"]
    assert learned_of_window == -(-POINTS // (every * one_in)) % 250


@pytest.mark.parametrize("make", [ThinBook, LeverageSpike])
def test_levels_and_rates_do_not_depend_on_sampling(make: type[Detector]) -> None:
    full, sampled = taught(make(), 1).state(), taught(make(), 8).state()
    assert full.pop("trees") != sampled.pop("trees")
    assert full == sampled


@pytest.mark.parametrize("make", [ThinBook, LeverageSpike])
def test_planted_points_stand_out_with_sampled_trees(make: type[Detector]) -> None:
    detector, scores = make(), {"normal": [0.0], "planted": [0.0], "episode": [0.0]}
    detector.one_in = 64
    for x, label in islice(TOY_STREAMS[detector.name](random.Random(1)), POINTS):
        if detector.ready:
            scores[label].append(detector.score_one(x))
        detector.learn_one(x)
    assert min(scores["planted"][1:]) > sorted(scores["normal"])[int(0.99 * len(scores["normal"]))]


def test_lockstep_is_due_one_second_in_so_many_and_goes_on_counting_when_restored() -> None:
    lockstep, due = Lockstep(), []
    lockstep.one_in = 8
    for second in range(100):
        if second == 50:
            saved = msgspec.msgpack.decode(msgspec.msgpack.encode(lockstep.state()))
            lockstep = Lockstep()
            lockstep.restore(saved)
            lockstep.one_in = 8
        due.append(lockstep.due)
        lockstep.learn_one({"time_s": float(second), "a": 1.0})
    assert due == [second % 8 == 0 for second in range(100)]


def market_outputs(*one_in: int) -> tuple[list[MarketOutput], MarketStage]:
    stage = MarketStage(0, 1, CoreSettings(), partitioner(1))
    for told in one_in:
        stage.sample(told)
    outputs = []
    log = Log(Flow(seed=3, seconds=60.0).arrivals(), partitions=1)
    for index, (topic, offset, event) in enumerate(log.records):
        if topic in stage.inputs:
            stage.push(topic, (offset,), (event,), 0)
        if index % 100 == 0:
            outputs.append(stage.poll(0))
    outputs.append(stage.flush())
    return [output for output in outputs if output is not None], stage


def test_a_sampled_stage_hands_on_the_same_activity_and_scores_cancels_and_books_as_often() -> None:
    full, full_stage = market_outputs(1)
    sampled, sampled_stage = market_outputs(8)
    assert [output.activity for output in sampled] == [output.activity for output in full]
    counted, expected = sampled_stage.counters, full_stage.counters
    assert "sampled_out" not in expected
    assert counted["sampled_out"] > 0
    scored = counted["scored"] + counted["warming"]
    assert scored + counted["sampled_out"] == expected["scored"] + expected["warming"]


def test_sampling_may_be_taken_back() -> None:
    assert market_outputs(64, 1)[0] == market_outputs()[0]


def test_the_pool_of_leverage_spikes_passes_it_on() -> None:
    learned = []
    for one_in in (1, 8):
        stage = CorrelationStage(["account/0"], CoreSettings())
        stage.sample(one_in)
        ticks = tuple(SignalTick(tick, (), (LeverageMove("S", 1, 1, 1_000_000, 0, 0, ("a",)),)) for tick in range(40))
        stage.push_frame(SignalFrame("account/0", 4_000_000, at_rest=False, ticks=ticks), 0, 0)
        stage.poll(0)
        learned.append(stage.kept()["leverage"].change("S").detector.state()["trees"]["counter"])
    assert learned == [40, 5]
