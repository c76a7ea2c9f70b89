"""The checker sees what is wrong: facts of a perfect run hold, and each fault breaks the invariant it should."""

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import groupby

import msgspec
import pytest

from streams.codecs import decode_alert, encode_alert
from streams.dead_letters import dead_letter
from streams.demo.scoring import match
from streams.settings import Settings
from streams.topics import ALERTS, DEAD_LETTERS, RATE_LIMITS, SIGNALS
from tests.chaos.facts import DECISIONS, Facts, letter_key
from tests.chaos.feed import Sent
from tests.chaos.invariants import Verdict, judge
from tests.chaos.lag import lags, steady_after
from tests.chaos.load import Load
from tests.chaos.oracle import Oracle, Place
from tests.chaos.poison import KINDS, OVERSIZED
from tests.chaos.run import Outcome, event_times
from tests.chaos.sent import compare_with_plan
from tests.chaos.watch import OUTPUTS, Kept, Sample

LOAD = Load(seed=2, wall_s=20.0, events_per_s=90.0, warm_up_s=40.0, poison=0.005, reorder_ms=300, clock_off=True)
WORKERS = {
    "timing": {"lateness_ms": 1_000, "source_timeout_ms": 600_000},
    "calibration": {"warm_up": 50, "warm_up_s": 10.0},
    "alerts": {"info_per_day": 20_000.0, "false_alarms_per_day": 300.0, "resolve_after_s": 15},
}
Harm = Callable[[Facts], None]


def perfect_run() -> Facts:
    """What a run without any fault would leave behind, made without a broker."""
    settings = Settings(partitions=LOAD.partitions, **WORKERS)
    log: dict[Place, list[bytes]] = {}
    journal: list[Sent] = []
    for number, records in groupby(LOAD.records(), key=lambda record: record.slice_number):
        ends: dict[str, int] = {}
        for record in records:
            there = log.setdefault((record.topic, record.partition), [])
            there.append(record.value)
            ends[f"{record.topic}/{record.partition}"] = len(there)
        journal.append(Sent(number, 100.0 + len(journal) * 0.01, ends))
    slices = [{(name[:-2], int(name[-1])): end for name, end in sent.ends.items()} for sent in journal]
    expected = Oracle(settings).run(log, slices)
    outputs: dict[str, list[Kept]] = {topic: [] for topic in OUTPUTS}
    for key, value in expected.outputs[ALERTS]:
        outputs[ALERTS].append(Kept(0, len(outputs[ALERTS]), key, value, {}))
    for topic in DECISIONS:
        for key, value in expected.outputs.get(topic, []):
            outputs[topic].append(Kept(0, len(outputs[topic]), key, value, {}))
    for place, refused in expected.refused.items():
        for one in refused:
            value, headers = dead_letter(*place, one, "squall")
            outputs[DEAD_LETTERS].append(Kept(0, len(outputs[DEAD_LETTERS]), b"", value, dict(headers)))
    closed = {f"{stage}/{p}": expected.cutoff_us for stage in ("market", "account") for p in range(LOAD.partitions)}
    seen = {topic: len(kept) for topic, kept in outputs.items()}
    end_s = journal[-1].at_s
    samples = [Sample(end_s + wait_s, {**expected.safe, (SIGNALS, 0): 1}, seen, closed) for wait_s in (0.5, 1.5, 3.5)]
    alerts = [decode_alert(kept.value) for kept in outputs[ALERTS]]
    # Whether these few minutes suffice to find each incident is the detectors' affair.
    found = [one.incident for one in match(LOAD.incidents(), alerts) if one.alert is not None]
    return Facts(
        incidents=found,
        poison=compare_with_plan(LOAD, log).poison,
        expected=expected,
        log=log,
        event_us=event_times(log, expected, settings.worker.max_record_bytes),
        frames={(SIGNALS, 0): [frame_up_to(expected.cutoff_us - 100_000)]},
        outputs=outputs,
        samples=samples,
        journal=journal,
        lateness_us=settings.core.timing.lateness_us,
        tick_us=settings.core.timing.tick_us,
        last_fault_s=end_s,
        checkpoints=1,
        memory={"worker-0": [(float(second), 200_000_000) for second in range(60)]},
    )


def frame_up_to(time_us: int) -> bytes:
    """A signal frame with one tick, which ends there."""
    return json.dumps(
        {"source": "market/0", "closed_us": time_us, "at_rest": False, "ticks": [{"tick": time_us // 100_000 - 1}]}
    ).encode()


@pytest.fixture(scope="module")
def made() -> Facts:
    return perfect_run()


@pytest.fixture
def facts(made: Facts) -> Iterator[Facts]:
    """Facts that a test may spoil; what is large and never spoiled is shared."""
    yield replace(
        made,
        outputs={topic: list(kept) for topic, kept in made.outputs.items()},
        samples=copy.deepcopy(made.samples),
        event_us=made.event_us,
    )


def broken(facts: Facts) -> set[str]:
    return {verdict.invariant for verdict in judge(facts) if verdict.holds is False}


def test_a_perfect_run_breaks_nothing_and_answers_every_question_that_arises(facts: Facts) -> None:
    verdicts = judge(facts)
    assert not broken(facts)
    assert all(verdict.holds for verdict in verdicts)
    assert len(facts.outputs[ALERTS]) > 10
    assert len(facts.outputs[RATE_LIMITS]) > 10
    assert facts.poison > 30


def alerts_of(facts: Facts) -> list[Kept]:
    kept = facts.outputs[ALERTS]
    assert isinstance(kept, list)
    return kept


def letters_of(facts: Facts) -> list[Kept]:
    kept = facts.outputs[DEAD_LETTERS]
    assert isinstance(kept, list)
    return kept


def lose_an_alert(facts: Facts) -> None:
    del alerts_of(facts)[3]


def lose_all_alerts(facts: Facts) -> None:
    alerts_of(facts).clear()


def change_one_field(facts: Facts) -> None:
    kept = alerts_of(facts)[3]
    alert = msgspec.structs.replace(decode_alert(kept.value), rank=99)
    alerts_of(facts)[3] = kept._replace(value=encode_alert(alert))


def raise_another_alert(facts: Facts) -> None:
    kept = alerts_of(facts)[3]
    alert = msgspec.structs.replace(decode_alert(kept.value), alert_id="0" * 32)
    alerts_of(facts).append(kept._replace(value=encode_alert(alert)))


def say_it_twice_differently(facts: Facts) -> None:
    kept = alerts_of(facts)[3]
    alert = msgspec.structs.replace(decode_alert(kept.value), score=-1.0)
    alerts_of(facts).append(kept._replace(value=encode_alert(alert)))


def lose_a_dead_letter(facts: Facts) -> None:
    del letters_of(facts)[-1]


def spoil_a_dead_letter(facts: Facts) -> None:
    letters_of(facts)[-1] = letters_of(facts)[-1]._replace(value=b"something else")


def refuse_a_good_record(facts: Facts) -> None:
    letter = letters_of(facts)[-1]
    letters_of(facts).append(letter._replace(headers=letter.headers | {"squall.element": b"7"}))


def plant_more_than_is_refused(facts: Facts) -> None:
    facts.poison += 1


def commit_what_is_not_closed(facts: Facts) -> None:
    facts.samples[0].closed_us = dict.fromkeys(facts.samples[0].closed_us, facts.expected.cutoff_us - 5_000_000)


def commit_before_the_dead_letter(facts: Facts) -> None:
    facts.samples[0].seen = facts.samples[0].seen | {DEAD_LETTERS: 3}


def commit_before_the_alert(facts: Facts) -> None:
    facts.samples[0].seen = facts.samples[0].seen | {ALERTS: 3}


def commit_too_little(facts: Facts) -> None:
    facts.samples[-1].committed = facts.samples[-1].committed | {("cancels", 0): 5}


def commit_what_is_not_there(facts: Facts) -> None:
    facts.samples[-1].committed = facts.samples[-1].committed | {("cancels", 0): 10**9}


def commit_beyond_a_checkpoint(facts: Facts) -> None:
    facts.samples[0].beyond = ["market/0"]


def never_look(facts: Facts) -> None:
    facts.samples = []


def let_a_version_go_back(facts: Facts) -> None:
    lease = {"issued_at": 1, "expires_at": 2}
    values = [msgspec.json.encode({"version": version, **lease}) for version in (2, 1)]
    facts.outputs = {**facts.outputs, RATE_LIMITS: [Kept(0, n, b"a", value, {}) for n, value in enumerate(values)]}


def let_a_lease_never_run(facts: Facts) -> None:
    value = msgspec.json.encode({"version": 1, "issued_at": 2, "expires_at": 2})
    facts.outputs = {**facts.outputs, RATE_LIMITS: [Kept(0, 0, b"a", value, {})]}


def leak(facts: Facts) -> None:
    facts.memory = {"worker-0": [(float(second), 100_000_000 + second * 2_000_000) for second in range(60)]}


def stay_behind(facts: Facts) -> None:
    for sample in facts.samples:
        sample.closed_us = dict.fromkeys(sample.closed_us, facts.expected.cutoff_us - 60_000_000)
        sample.at_s += 30.0


@pytest.mark.parametrize(
    ("harm", "invariant"),
    [
        (lose_an_alert, "alerts equal the oracle's"),
        (lose_all_alerts, "every planted incident is alerted"),
        (change_one_field, "alerts equal the oracle's"),
        (raise_another_alert, "alerts equal the oracle's"),
        (say_it_twice_differently, "no revision has two contents"),
        (say_it_twice_differently, "alerts equal the oracle's"),
        (lose_a_dead_letter, "poison count equals dead letter count"),
        (spoil_a_dead_letter, "poison count equals dead letter count"),
        (refuse_a_good_record, "poison count equals dead letter count"),
        (plant_more_than_is_refused, "poison count equals dead letter count"),
        (commit_what_is_not_closed, "no commit passes an unprocessed event"),
        (commit_before_the_dead_letter, "no commit passes an unprocessed event"),
        (commit_before_the_alert, "no commit passes an unprocessed event"),
        (never_look, "no commit passes an unprocessed event"),
        (commit_beyond_a_checkpoint, "no commit passes a stored checkpoint"),
        (commit_too_little, "everything is committed in the end"),
        (commit_what_is_not_there, "everything is committed in the end"),
        (let_a_version_go_back, "limit versions rise, leases end"),
        (let_a_lease_never_run, "limit versions rise, leases end"),
        (let_a_lease_never_run, "limits and trips equal the oracle's"),
        (leak, "memory is flat"),
        (stay_behind, "lag under 1 s within 15 s"),
    ],
)
def test_a_fault_breaks_its_invariant(facts: Facts, harm: Harm, invariant: str) -> None:
    assert invariant not in broken(facts)
    harm(facts)
    assert invariant in broken(facts)


def test_a_dead_letter_that_comes_twice_is_counted_once(facts: Facts) -> None:
    letters = letters_of(facts)
    letters.insert(0, letters[-1])
    assert len({letter_key(letter) for letter in letters}) == len(letters) - 1
    assert "poison count equals dead letter count" not in broken(facts)


def test_an_alert_that_comes_twice_alike_is_counted_once(facts: Facts) -> None:
    alerts_of(facts).append(alerts_of(facts)[3])
    assert not broken(facts)


def test_lag_is_low_only_when_it_stays_low() -> None:
    after = [(10.0, 9.0), (11.0, 0.5), (11.5, 3.0), (14.0, 0.4), (15.0, 0.2), (16.5, 0.9)]
    assert steady_after(after, 10.0, 1.0, 2.0) == 4.0
    assert steady_after(after[:4], 10.0, 1.0, 2.0) is None


def test_lag_grows_while_the_last_source_says_nothing(facts: Facts) -> None:
    first, last = facts.samples[0], facts.samples[-1]
    for sample in facts.samples:
        sample.closed_us = sample.closed_us | {"account/1": facts.expected.cutoff_us - 20_000_000}
    found = dict(lags(facts))
    assert found[last.at_s] - found[first.at_s] == pytest.approx(last.at_s - first.at_s)
    assert found[first.at_s] > 1.0


def test_a_log_with_a_hole_or_with_strangers_is_refused(facts: Facts) -> None:
    place = ("cancels", 0)
    values = list(facts.log[place])
    for log in (values[:-1], [*values, b"{}"]):
        with pytest.raises(RuntimeError, match="cancels/0"):
            compare_with_plan(LOAD, {**facts.log, place: log})


def test_what_a_producer_sends_again_or_in_another_order_is_counted(facts: Facts) -> None:
    place = ("books", 0)
    values = list(facts.log[place])
    assert compare_with_plan(LOAD, facts.log)[1:] == (0, 0)
    again = {**facts.log, place: [*values[:3], values[2], *values[3:]]}
    assert compare_with_plan(LOAD, again)[1:] == (1, 0)
    swapped = {**facts.log, place: [values[1], values[0], *values[2:]]}
    assert compare_with_plan(LOAD, swapped)[1:] == (0, 1)


def test_a_load_with_poison_holds_every_kind_of_it() -> None:
    load = Load(wall_s=20.0, events_per_s=90.0, warm_up_s=40.0, poison=0.02)
    assert {record.fault for record in load.records()} == {"", OVERSIZED, *KINDS}


def test_the_same_load_gives_the_same_records() -> None:
    load = Load(seed=5, wall_s=18.0, events_per_s=90.0, warm_up_s=40.0, poison=0.01, duplicates=0.1, reorder_ms=400)
    assert list(load.records()) == list(load.records())


@pytest.mark.parametrize(
    ("broken", "slow"),
    [
        (set(), False),
        ({"memory is flat"}, True),
        ({"lag under 1 s within 15 s", "memory is flat"}, True),
        ({"lag under 1 s within 15 s", "alerts equal the oracle's"}, False),
        ({"alerts equal the oracle's"}, False),
    ],
)
def test_only_what_a_busy_machine_breaks_is_worth_a_second_run(broken: set[str], slow: bool) -> None:
    names = {"memory is flat", "lag under 1 s within 15 s", "alerts equal the oracle's"}
    verdicts = [Verdict(name, name not in broken, "") for name in sorted(names)]
    assert Outcome("kills", "embedded", verdicts, {}, [], []).was_only_slow is slow
