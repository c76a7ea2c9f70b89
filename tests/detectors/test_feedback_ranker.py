"""Verdicts: when they count, what they teach, what a correction is, and that arrival and restarts change nothing."""

import math
import random
from collections import Counter
from typing import Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.config import CoreSettings
from detectors.correlation_stage import CorrelationStage
from detectors.decisions import Feedback
from detectors.feedback_ranker import FeedbackRanker
from detectors.ranker_settings import Ranker
from detectors.ranking import Queued, by_learned_score, by_score
from detectors.results import Alert, Pattern, Signal, SignalFrame, SignalTick
from detectors.verdict_model import Traits, VerdictModel

SECOND_US = 1_000_000
SOON = Ranker(min_verdicts=6, min_each=2, settle_s=60, max_alerts=50)
Verdict = Literal["", "true", "false", "noise"]
PATTERNS: tuple[Pattern, ...] = ("cancel_burst", "thin_book", "layering")


def traits(pattern: Pattern = "cancel_burst", symbol: str = "X", notional: float = 1e6) -> Traits:
    return Traits(pattern, symbol, "warning", 1e-9, notional, 10 * SECOND_US, families=1, repeats=0)


def said(alert_id: str, verdict: Verdict, at_s: float = 0.0) -> Feedback:
    return Feedback(alert_id, "ann", int(at_s * SECOND_US), acknowledged=True, verdict=verdict)


def a_ranker(alerts: int = 20, settings: Ranker = SOON) -> FeedbackRanker:
    """One that was shown alerts 0, 1, ... of three patterns in turn."""
    ranker = FeedbackRanker(settings, Counter())
    for number in range(alerts):
        ranker.remember(str(number), traits(PATTERNS[number % 3]))
    return ranker


def knowledge(ranker: FeedbackRanker) -> bytes:
    kept = ranker.kept()
    return msgspec.msgpack.encode([ranker.state(), [[name, kept.state_of(name)] for name in kept]])


def counts(ranker: FeedbackRanker) -> dict[str, float]:
    return {one.labels[0]: one.value for one in ranker.measures() if one.quantity == "ranker_verdicts"}


def resumed(ranker: FeedbackRanker, settings: Ranker = SOON) -> FeedbackRanker:
    """Another one that has taken up its state, as the journal writes it."""
    kept = ranker.kept()
    cells = {name: msgspec.msgpack.decode(msgspec.msgpack.encode(kept.state_of(name))) for name in kept}
    other, notes = FeedbackRanker(settings, Counter()), list[str]()
    other.kept().restore(cells.items(), notes)
    other.resume(msgspec.msgpack.decode(msgspec.msgpack.encode(ranker.state())), notes)
    assert notes == []
    return other


def test_a_verdict_counts_a_minute_after_it_was_given_and_not_before() -> None:
    ranker = a_ranker()
    ranker.take(said("3", "true", at_s=5.0))
    ranker.settle(65 * SECOND_US - 1)
    assert ranker.verdicts == 0
    ranker.settle(65 * SECOND_US)
    assert counts(ranker) == {"true": 1, "false": 0, "noise": 0}
    ranker.settle(1_000 * SECOND_US)
    assert ranker.verdicts == 1


def test_it_is_off_until_there_are_enough_verdicts_of_both_kinds() -> None:
    ranker = a_ranker()
    verdicts: list[Verdict] = ["true", "noise", "true", "true", "noise", "true"]
    for number, verdict in enumerate(verdicts):
        assert not ranker.is_on
        ranker.take(said(str(number % 3 + 3 * (number // 2)), verdict, number))
        ranker.settle((number + 60) * SECOND_US)
    assert (ranker.verdicts, counts(ranker)["noise"]) == (6, 2)
    one_sided = a_ranker()
    for number in range(20):
        one_sided.take(said(str(number), "true" if number else "false", number))
    one_sided.settle(1_000 * SECOND_US)
    assert one_sided.verdicts == 20
    assert not one_sided.is_on


def test_with_a_largest_factor_of_one_it_learns_and_stays_off() -> None:
    ranker = a_ranker(settings=Ranker(min_verdicts=2, min_each=1, max_factor=1.0))
    for number in range(20):
        ranker.take(said(str(number), "true" if number % 3 == 0 else "false"))
    ranker.settle(60 * SECOND_US)
    losses = {one.labels[0]: one.value for one in ranker.measures() if one.quantity == "ranker_log_loss"}
    assert losses["ranker"] < losses["base_rate"]
    assert not ranker.is_on


def test_predictions_no_better_than_the_base_rate_reorder_nothing() -> None:
    chance, ranker = random.Random(3), FeedbackRanker(Ranker(), Counter())
    for number in range(400):
        ranker.remember(str(number), traits(chance.choice(PATTERNS), chance.choice("XYZ"), 10 ** chance.uniform(2, 7)))
        ranker.take(said(str(number), "true" if chance.random() < 0.3 else "noise"))
    ranker.settle(60 * SECOND_US)
    assert ranker.verdicts == 400
    assert not ranker.is_on


def test_the_first_two_verdicts_by_hand() -> None:
    model, one, other = VerdictModel(), traits("cancel_burst", "X"), traits("thin_book", "Y")
    assert model.probability(one) == 0.5
    model.learn(one, was_true=True)
    # Before anything is known both say 1/2, and so cost ln 2.
    assert model.log_loss == (math.log(2.0), math.log(2.0))
    # AdaGrad's first step is 0.1 for every feature, whatever its size: rarity 3/4, size 1, persistence log10(11) - 1.
    step = 0.1 * (0.75 + (math.log10(1e6 + 1) - 4) / 2 + math.log10(11) - 1 + 1.0)
    # The base rate is 2/3, and the shares of its pattern and symbol are (1 + 4 * 2/3) / 5: these two have not learned.
    intercept = 0.1 * 0.5
    assert model.probability(one) == pytest.approx(1 / (1 + math.exp(-(step + intercept))), abs=1e-6)
    # Of the other's pattern nothing is known.
    before = 1 / (1 + math.exp(-(step - 0.1 + intercept)))
    assert model.probability(other) == pytest.approx(before, abs=1e-6)
    model.learn(other, was_true=False)
    fade = 0.5 ** (1 / 200)
    ours, base = model.log_loss or (0.0, 0.0)
    assert ours == pytest.approx((fade * math.log(2) - math.log(1 - before)) / (fade + 1), abs=1e-6)
    assert base == pytest.approx((fade * math.log(2) - math.log(1 / 3)) / (fade + 1), abs=1e-9)


def test_reasons_are_what_the_features_add_to_the_log_odds_the_largest_first() -> None:
    chance, ranker = random.Random(5), a_ranker()
    for number in range(20):
        ranker.take(said(str(number), "true" if chance.random() < 0.4 else "false"))
    ranker.settle(60 * SECOND_US)
    model = VerdictModel()
    model.restore(ranker.state()["model"])
    leans = model.leans(traits())
    assert [abs(log_odds) for _, log_odds in leans] == sorted((abs(log_odds) for _, log_odds in leans), reverse=True)
    total = sum(log_odds for _, log_odds in leans) + ranker.state()["model"]["intercept"][0]
    assert ranker.opinion(traits())[0] == pytest.approx(1 / (1 + math.exp(-total)), abs=1e-6)
    assert [one.feature for one in ranker.because(traits())] == [name for name, _ in leans[:3]]


def test_a_verdict_said_again_is_no_second_one() -> None:
    once, again = a_ranker(), a_ranker()
    for ranker, times in ((once, 1), (again, 5)):
        for number in range(times):
            ranker.take(said("0", "true", number))
        ranker.settle(1_000 * SECOND_US)
    assert once.verdicts == again.verdicts == 1
    assert once.state()["model"] == again.state()["model"]


def test_a_changed_verdict_takes_the_place_of_the_one_before() -> None:
    ranker = a_ranker()
    ranker.take(said("0", "true", at_s=0))
    ranker.settle(60 * SECOND_US)
    loss = ranker.state()["model"]["losses"]
    ranker.take(said("0", "false", at_s=100))
    ranker.settle(160 * SECOND_US)
    assert counts(ranker) == {"true": 0, "false": 1, "noise": 0}
    state = ranker.state()["model"]
    assert state["history"] == {"all": [0, 1], "patterns": {"cancel_burst": [0, 1]}, "symbols": {"X": [0, 1]}}
    assert state["losses"] == loss
    ranker.take(said("0", "noise", at_s=200))
    ranker.settle(260 * SECOND_US)
    # Noise teaches what false does: nothing to correct but the count.
    assert counts(ranker) == {"true": 0, "false": 0, "noise": 1}
    assert ranker.state()["model"] == state


def test_a_verdict_taken_back_counts_no_more_and_given_again_is_still_the_first() -> None:
    ranker = a_ranker()
    verdicts: list[Verdict] = ["true", "", "true"]
    for number, verdict in enumerate(verdicts):
        ranker.take(said("0", verdict, at_s=100 * number))
    ranker.settle(160 * SECOND_US)
    assert ranker.verdicts == 0
    assert ranker.state()["model"]["history"]["all"] == [0, 0]
    ranker.settle(260 * SECOND_US)
    assert ranker.verdicts == 1
    assert ranker.state()["model"]["losses"][0] == 1.0


def test_an_older_record_that_comes_late_changes_nothing() -> None:
    ranker = a_ranker()
    ranker.take(said("0", "false", at_s=50))
    ranker.settle(200 * SECOND_US)
    ranker.take(said("0", "true", at_s=40))
    ranker.settle(300 * SECOND_US)
    assert counts(ranker) == {"true": 0, "false": 1, "noise": 0}


def test_verdicts_on_unknown_and_evicted_alerts_are_counted_and_teach_nothing() -> None:
    counters: Counter[str] = Counter()
    ranker = FeedbackRanker(Ranker(max_alerts=100), counters)
    for number in range(101):
        ranker.remember(str(number), traits())
    for alert_id in ("0", "nobody"):
        ranker.take(said(alert_id, "true"))
        ranker.take(said(alert_id, "", at_s=1))
    ranker.settle(100 * SECOND_US)
    assert ranker.verdicts == 0
    assert counters == {"evicted_alerts": 1, "feedback_unknown": 2}


def test_what_waits_is_bounded_and_what_would_count_last_goes() -> None:
    counters: Counter[str] = Counter()
    ranker = FeedbackRanker(Ranker(), counters)
    for number in range(10_100):
        ranker.take(said(str(number), "true", at_s=number))
    waiting = ranker.state()["waiting"]
    assert len(waiting) == 10_000
    assert waiting[-1][0] == 9_999 * SECOND_US
    assert counters["feedback_over_max"] == 100


@pytest.mark.parametrize(
    ("part", "broken"),
    [("weights", {"size": [math.nan, 1.0]}), ("intercept", [0.5]), ("losses", [1.0, math.inf, 1.0]), ("history", {})],
)
def test_a_model_whose_state_does_not_fit_learns_anew_and_says_so(part: str, broken: object) -> None:
    ranker, notes = a_ranker(), list[str]()
    ranker.take(said("0", "true"))
    ranker.settle(60 * SECOND_US)
    state = ranker.state()
    state["model"] = state["model"] | {part: broken}
    other = FeedbackRanker(SOON, Counter())
    other.resume(state, notes)
    assert len(notes) == 1
    assert notes[0].startswith("what verdicts have taught begins afresh: ")
    assert other.opinion(traits()) == (0.5, 1.0)


def test_a_model_that_fails_is_counted_and_alerts_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a model's own fault")

    def said_of(tick: int) -> list[Alert]:
        signal = Signal(
            (tick + 1) * 100_000, "thin_book", "thin_book", "symbol", f"S{tick}", f"S{tick}", 1e-9, 1e-4, 9.0, ()
        )
        frame = SignalFrame("market/0", (tick + 1) * 100_000, at_rest=False, ticks=(SignalTick(tick, (signal,)),))
        stage.push_frame(frame, tick, 0)
        return list(stage.poll(0).alerts)

    monkeypatch.setattr(VerdictModel, "learn", fail)
    stage = CorrelationStage(["market/0"], CoreSettings(ranker=SOON))
    (first,) = said_of(0)
    stage.hear(Feedback(first.alert_id, "ann", 1, verdict="true"))
    assert len(said_of(700)) == 2
    assert stage.counters["model_failed"] == 1
    assert list(stage.faults) == ["ranker: ZeroDivisionError: a model's own fault"]


verdicts: st.SearchStrategy[Verdict] = st.sampled_from(["", "true", "false", "noise"])
#: Alert, verdict, when it was given, and how many seconds later it is read: within the minute.
arrivals = st.lists(st.tuples(st.integers(0, 22), verdicts, st.integers(0, 300), st.integers(0, 59)), max_size=40)


def heard(
    arrivals: list[tuple[int, Verdict, int, int]], restarts: frozenset[int] = frozenset(), turn_s: int = 1
) -> tuple[bytes, list[tuple[float, float]]]:
    """What a ranker knows in the end, and what it thought after each minute."""
    ranker, opinions = a_ranker(), []
    for now_s in range(0, 420, turn_s):
        for alert, verdict, at_s, late_s in arrivals:
            if now_s - turn_s < at_s + late_s <= now_s:
                ranker.take(said(str(alert), verdict, at_s))
        if now_s in restarts:
            ranker = resumed(ranker)
        ranker.settle(now_s * SECOND_US)
        ranker.remember(str(now_s % 20), traits(PATTERNS[now_s % 3], "XYZ"[now_s % 2]))
        if now_s % 60 == 0:
            opinions += [ranker.opinion(traits(pattern)) for pattern in PATTERNS] * ranker.is_on
    return knowledge(ranker), opinions


@settings(max_examples=40)
@given(arrivals, st.lists(st.integers(0, 59), min_size=40, max_size=40))
def test_whenever_within_the_minute_verdicts_are_read_the_same_is_learned(
    arrivals: list[tuple[int, Verdict, int, int]], late: list[int]
) -> None:
    moved = [(*one[:3], late_s) for one, late_s in zip(arrivals, late, strict=False)]
    assert heard(moved) == heard(arrivals) == heard(arrivals[::-1])


@settings(max_examples=40)
@given(arrivals, st.frozensets(st.integers(0, 419), max_size=6))
def test_one_that_is_taken_up_at_any_moment_goes_on_as_if_it_had_not_been(
    arrivals: list[tuple[int, Verdict, int, int]], restarts: frozenset[int]
) -> None:
    assert heard(arrivals, restarts) == heard(arrivals)


@given(st.lists(st.tuples(st.integers(0, 10), verdicts, st.integers(0, 100)), max_size=60))
def test_whatever_is_said_no_alert_has_more_than_one_verdict_and_the_counts_are_those_of_the_newest(
    records: list[tuple[int, Verdict, int]],
) -> None:
    ranker, newest = a_ranker(), dict[int, Verdict]()
    for alert, verdict, at_s in records:
        ranker.take(said(str(alert), verdict, at_s))
    for alert, verdict, _ in sorted(records, key=lambda one: (one[2], str(one[0]), one[1])):
        newest[alert] = verdict
    ranker.settle(1_000 * SECOND_US)
    expected = Counter(verdict for verdict in newest.values() if verdict)
    assert {verdict: many for verdict, many in counts(ranker).items() if many} == expected
    history = ranker.state()["model"]["history"]
    assert history["all"] == [expected["true"], expected.total()]


@given(st.lists(st.tuples(st.sampled_from(PATTERNS), st.floats(0, 1e300), st.booleans()), max_size=200))
def test_a_factor_never_leaves_its_bounds(learned: list[tuple[Pattern, float, bool]]) -> None:
    ranker = FeedbackRanker(Ranker(min_verdicts=1, min_each=1), Counter())
    for number, (pattern, notional, was_true) in enumerate(learned):
        ranker.remember(str(number), traits(pattern, notional=notional))
        ranker.take(said(str(number), "true" if was_true else "false"))
    ranker.settle(60 * SECOND_US)
    for pattern, notional in ((pattern, 10.0**size) for pattern in PATTERNS for size in (-5, 0, 6, 300)):
        probability, factor = ranker.opinion(traits(pattern, notional=notional))
        assert 0.01 <= probability <= 0.99
        assert 0.5 <= factor <= 2.0


Queue = list[tuple[str, Traits, float, bool]]


def a_queue(chance: random.Random, many: int) -> Queue:
    """Alerts with scores that say little, and whether each is true: more often those of some patterns and symbols."""
    queue = []
    for number in range(many):
        pattern, symbol = chance.choice(PATTERNS), chance.choice("VWXYZ")
        size = chance.uniform(3, 8)
        likely = {"cancel_burst": 0.75, "thin_book": 0.15, "layering": 0.3}[pattern] + (0.2 if symbol == "Z" else 0.0)
        likely = min(likely + 0.05 * (size - 5), 0.97)
        queue.append((str(number), traits(pattern, symbol, 10**size), chance.uniform(4, 12), chance.random() < likely))
    return queue


def precision_at_10(queue: Queue, ranker: FeedbackRanker | None) -> float:
    """Share of true ones among the first ten of each queue of forty."""
    found = []
    for begin in range(0, len(queue), 40):
        part = {one[0]: one for one in queue[begin : begin + 40]}
        ranked = [
            Queued(name, "warning", score, ranker.opinion(about)[1] if ranker else 1.0)
            for name, about, score, _ in part.values()
        ]
        order = by_learned_score(ranked) if ranker else by_score(ranked)
        found += [part[one.alert_id][3] for one in order[:10]]
    return sum(found) / len(found)


def taught(queue: Queue, *, wrong: bool = False) -> FeedbackRanker:
    ranker = FeedbackRanker(Ranker(), Counter())
    for number, (name, about, _, was_true) in enumerate(queue):
        ranker.remember(name, about)
        ranker.take(said(name, "true" if was_true != wrong else "noise", number / 1e3))
    ranker.settle(100 * SECOND_US)
    return ranker


@pytest.mark.parametrize("seed", range(3))
def test_held_out_true_alerts_come_first_more_often_after_two_hundred_verdicts(seed: int) -> None:
    chance = random.Random(seed)
    held_out = a_queue(chance, 2_000)
    ranker = taught(a_queue(chance, 200))
    assert ranker.is_on
    assert precision_at_10(held_out, ranker) > precision_at_10(held_out, None) + 0.15


def test_verdicts_that_are_all_wrong_do_bounded_harm() -> None:
    chance = random.Random(7)
    held_out = a_queue(chance, 400)
    ranker = taught(a_queue(chance, 300), wrong=True)
    # Nobody can tell them from right ones: it believes them, and puts true alerts last, but not past twice their place.
    assert ranker.is_on
    assert precision_at_10(held_out, ranker) < precision_at_10(held_out, None)
    queue = [Queued(name, "warning", score, ranker.opinion(about)[1]) for name, about, score, _ in held_out]
    place = {one.alert_id: rank for rank, one in enumerate(by_learned_score(queue))}
    above = {one.alert_id: sum(4.0 * other.score > one.score for other in queue) for one in queue}
    assert all(place[name] < many for name, many in above.items())
    # One critical alert among them, called noise by everybody, is still looked at when it was before.
    worst = Queued("worst", "critical", 11.0, 0.5)
    base = [one.alert_id for one in by_score([*queue, worst])]
    learned = [one.alert_id for one in by_learned_score([*queue, worst])]
    assert learned.index("worst") <= base.index("worst")
