"""What the console remembers: the same in the end, whatever the order and repetition of records, and bounded."""

import random
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.decisions import Feedback, LimitAck
from detectors.errors import DecodeError
from detectors.results import Alert, Signal, SignalFrame, SignalTick, Status
from streams.console.alert_memory import MOST_REVISIONS, AlertMemory
from streams.console.console_settings import ConsoleSettings
from streams.console.limit_memory import LimitMemory, TripMemory
from streams.console.pulse import Pulse
from streams.console.signal_memory import SignalMemory, around, contributes
from streams.console.view import ConsoleView
from streams.topics import ALERTS, AUDIT, FEEDBACK, GUARDRAILS, LIMIT_ACKS, OVERRIDES, RATE_LIMITS, SIGNALS
from tests.streams.decided import CANCELS, NOW_US, SECOND_US, a_limit, a_trip, an_alert

SECONDS = 40


def signal(at_s: float = 0.0, *, entity: str = "acct-7", symbol: str = "BTC-PERP", p_value: float = 1e-6) -> Signal:
    at = NOW_US + round(at_s * SECOND_US)
    return Signal(
        at, "cancel_burst", "cancel_burst", "account", entity, symbol, p_value, 0.1, 9.0, (CANCELS,), (entity,)
    )


@st.composite
def revisions(draw: st.DrawFn) -> list[Alert]:
    found = []
    for number in range(draw(st.integers(1, 6))):
        count = draw(st.integers(1, 5))
        ends = draw(st.booleans())
        for revision in range(1, count + 1):
            over = ends and revision == count and revision > 1
            status: Status = "resolved" if over else "open" if revision == 1 else "update"
            score = draw(st.floats(0.0, 100.0))
            at = NOW_US + (number * 10 + revision) * SECOND_US
            found.append(an_alert(f"id-{number}", revision=revision, status=status, score=score, at=at))
    return found


def known(memory: AlertMemory) -> tuple[list[list[Alert]], list[list[Alert]]]:
    return (
        [list(case.history()) for case in memory.open_alerts()],
        [list(case.history()) for case in memory.resolved_alerts()],
    )


@given(st.data(), revisions())
def test_alerts_are_the_same_in_whatever_order_and_however_often_revisions_come(
    data: st.DataObject, alerts: list[Alert]
) -> None:
    in_order, shuffled = AlertMemory(50, 50), AlertMemory(50, 50)
    for alert in alerts:
        in_order.take(alert)
    repeated = data.draw(st.permutations([*alerts, *data.draw(st.lists(st.sampled_from(alerts), max_size=8))]))
    new = sum(shuffled.take(alert) for alert in repeated)
    assert known(shuffled) == known(in_order)
    assert new == len(alerts)
    assert {case.latest for case in in_order.cases()} == {
        max((one for one in alerts if one.alert_id == alert_id), key=lambda one: one.revision)
        for alert_id in {one.alert_id for one in alerts}
    }


def test_open_alerts_stand_by_score_and_resolved_ones_by_time() -> None:
    memory = AlertMemory(10, 10)
    for name, score in (("a", 1.0), ("b", 3.0), ("c", 2.0)):
        memory.take(an_alert(name, score=score))
    for number, name in enumerate(("d", "e")):
        memory.take(an_alert(name, revision=2, status="resolved", at=NOW_US + number))
    assert [case.latest.alert_id for case in memory.open_alerts()] == ["b", "c", "a"]
    assert [case.latest.alert_id for case in memory.resolved_alerts()] == ["e", "d"]


def test_alerts_are_bounded_and_a_forgotten_one_is_not_opened_anew_by_its_repetition() -> None:
    memory = AlertMemory(max_open=10, max_resolved=10)
    for number in range(100):
        memory.take(an_alert(f"open-{number:03d}", score=float(number)))
        memory.take(an_alert(f"over-{number:03d}", revision=2, status="resolved", at=NOW_US + number))
        assert len(list(memory.cases())) <= 22
    assert {f"open-{number:03d}" for number in range(90, 100)} <= {one.latest.alert_id for one in memory.open_alerts()}
    assert {f"over-{number:03d}" for number in range(90, 100)} <= {
        one.latest.alert_id for one in memory.resolved_alerts()
    }
    assert memory.take(an_alert("over-000")) is False
    assert memory.case("over-000") is None


def test_of_many_revisions_the_first_and_the_newest_stay() -> None:
    memory = AlertMemory(10, 10)
    for revision in range(1, MOST_REVISIONS + 50):
        memory.take(an_alert("a", revision=revision, status="open" if revision == 1 else "update"))
    case = memory.case("a")
    assert case is not None
    assert len(case.revisions) == MOST_REVISIONS
    assert (case.first.revision, case.latest.revision) == (1, MOST_REVISIONS + 49)


@given(st.permutations([Feedback("a", f"user-{number}", number, acknowledged=True) for number in range(4)]))
def test_of_what_was_said_the_last_holds_whatever_the_order(said: Sequence[Feedback]) -> None:
    memory = AlertMemory(10, 10)
    for feedback in said:
        memory.take_feedback(feedback)
    assert memory.feedback("a") == Feedback("a", "user-3", 3, acknowledged=True)


@given(
    st.lists(
        st.builds(
            signal,
            st.integers(-SECONDS * 3, SECONDS).map(float),
            entity=st.sampled_from(["a", "b"]),
            p_value=st.floats(1e-12, 0.1),
        ),
        max_size=40,
    ),
    st.randoms(use_true_random=False),
    st.integers(1, 12),
)
def test_signals_are_the_same_in_whatever_order_they_come_within_both_bounds(
    signals: list[Signal], chance: random.Random, most: int
) -> None:
    found = []
    for _ in range(2):
        memory = SignalMemory(minutes=1, most=most)
        for one in [*signals, *signals[:5]]:
            memory.take(one)
        assert len(memory) <= most
        points = memory.between(0, NOW_US + 10**12)
        assert all(point.timestamp >= memory.newest_us - 61 * SECOND_US for point in points)
        found.append(points)
        chance.shuffle(signals)
    assert found[0] == found[1]


def test_of_one_second_the_least_probable_signal_is_shown() -> None:
    memory = SignalMemory(minutes=1, most=10)
    begin = -(NOW_US % SECOND_US) / SECOND_US
    for number, p_value in enumerate((1e-3, 1e-9, 1e-5)):
        memory.take(signal(begin + number / 10, p_value=p_value))
    assert [point.p_value for point in memory.between(0, NOW_US + SECOND_US)] == [1e-9]


def test_signals_of_other_symbols_stand_beside_an_alert_only_where_they_name_its_accounts() -> None:
    memory = SignalMemory(minutes=1, most=10)
    for entity, symbol in (("acct-7", "ETH-PERP"), ("other", "BTC-PERP"), ("other", "ETH-PERP")):
        memory.take(signal(entity=entity, symbol=symbol))
    points = memory.between(0, NOW_US + SECOND_US)
    of_symbol = [(one.entity, one.symbol) for one in around(an_alert(), points)]
    assert of_symbol == [("acct-7", "ETH-PERP"), ("other", "BTC-PERP")]
    of_market = around(msgspec.structs.replace(an_alert(accounts=()), symbol="*"), points)
    assert len(of_market) == 3


def test_a_signal_contributes_when_the_explanation_names_what_it_measures_or_its_entity_in_the_window() -> None:
    memory = SignalMemory(minutes=1, most=10)
    memory.take(signal(-0.5))
    memory.take(signal(-30.0))
    before, within = memory.between(0, NOW_US)
    alert = an_alert()
    assert (contributes(alert, before), contributes(alert, within)) == (False, True)
    named = msgspec.structs.replace(CANCELS, signal="cancel_burst (account acct-7): other")
    joint = msgspec.structs.replace(alert, explanation=(named,))
    assert contributes(joint, within)
    assert not contributes(msgspec.structs.replace(alert, explanation=()), within)


def test_of_an_account_the_highest_version_holds_and_the_time_to_apply_it_is_told() -> None:
    memory = LimitMemory(100)
    for version in (1, 3, 2):
        memory.take(a_limit(version=version, at=NOW_US - version * SECOND_US))
    assert [limit.version for limit in memory.in_force(NOW_US)] == [3]
    assert memory.take_ack(LimitAck("acct-7", 2, "applied", "engine-1", NOW_US)) == 2.0
    assert memory.take_ack(LimitAck("acct-7", 2, "stale", "engine-1", NOW_US)) is None
    assert memory.take_ack(LimitAck("acct-7", 9, "applied", "engine-1", NOW_US)) is None
    of_account = memory.of("acct-7")
    assert of_account is not None
    assert [ack.version for ack in of_account.acks] == [9, 2, 2]


def test_limits_end_with_their_lease_and_a_lifted_one_is_not_in_force() -> None:
    memory = LimitMemory(100)
    memory.take(a_limit("a", lasts_us=SECOND_US))
    memory.take(a_limit("b", action="none", multiplier=1.0))
    memory.take(a_limit("c", multiplier=0.2))
    memory.take(a_limit("d", multiplier=0.1))
    assert [limit.account for limit in memory.in_force(NOW_US)] == ["d", "c", "a"]
    assert [limit.account for limit in memory.in_force(NOW_US + SECOND_US)] == ["d", "c"]


def test_accounts_are_bounded_and_those_whose_leases_end_first_are_forgotten() -> None:
    memory = LimitMemory(100)
    for number in range(1_000):
        memory.take(a_limit(f"a{number}", lasts_us=number * SECOND_US + 1))
        assert len(memory) <= 100
    assert memory.of("a999") is not None


def test_of_a_rule_and_entity_the_last_word_holds_and_hard_trips_come_first() -> None:
    trips = TripMemory()
    trips.take(5, a_trip("b"))
    trips.take(6, msgspec.structs.replace(a_trip("a"), level="soft"))
    trips.take(8, a_trip("c", state="cleared"))
    trips.take(7, a_trip("c"))
    assert [(trip.entity, trip.level) for trip in trips.tripped()] == [("b", "hard"), ("a", "soft")]
    assert [trip.entity for trip in trips.cleared()] == ["c"]


def test_trips_are_bounded_and_cleared_ones_go_first() -> None:
    trips = TripMemory()
    trips.take(0, a_trip("kept"))
    for number in range(1, 12_000):
        trips.take(number, a_trip(f"e{number}", state="cleared", at=NOW_US + number))
    assert [trip.entity for trip in trips.tripped()] == ["kept"]
    assert len(trips.cleared()) == 100


def test_the_rate_is_of_the_last_ten_seconds() -> None:
    pulse = Pulse()
    pulse.see(100, 5, 0.0)
    pulse.see(50, 3, 6.0)
    assert (pulse.rate(7.0), pulse.rate(12.0), pulse.rate(17.0)) == (15.0, 5.0, 0.0)
    assert (pulse.records, pulse.newest_ms) == (150, 5)


TOPICS = (ALERTS, SIGNALS, RATE_LIMITS, GUARDRAILS, OVERRIDES, FEEDBACK, AUDIT, LIMIT_ACKS)


@pytest.mark.parametrize("topic", TOPICS)
@given(st.binary(max_size=40) | st.sampled_from([b"{}", b"[]", b"null", b"[" * 5_000, b'{"alert_id":"\xff"}']))
def test_a_record_that_cannot_be_read_is_refused_and_changes_nothing(topic: str, value: bytes) -> None:
    view = ConsoleView(ConsoleSettings())
    with pytest.raises(DecodeError):
        view.take(topic, 0, b"key", value)
    assert not list(view.alerts.cases())
    assert (len(view.signals), len(view.limits), len(view.audit)) == (0, 0, 0)
    assert view.orders(0) == []


def test_what_a_topic_deletes_is_gone() -> None:
    view = ConsoleView(ConsoleSettings())
    view.take(ALERTS, 0, b"a", msgspec.json.encode(an_alert("a")))
    view.take(RATE_LIMITS, 0, b"acct-7", msgspec.json.encode(a_limit()))
    for topic, key in ((ALERTS, b"a"), (RATE_LIMITS, b"acct-7"), (OVERRIDES, b"controller"), (GUARDRAILS, b"x")):
        view.take(topic, 1, key, None)
    assert view.alerts.case("a") is None
    assert view.limits.in_force(NOW_US) == []


def test_a_new_alert_is_told_once_and_signals_come_out_of_their_frames() -> None:
    view = ConsoleView(ConsoleSettings())
    value = msgspec.json.encode(an_alert())
    assert view.take(ALERTS, 0, b"a", value).opened == an_alert()
    assert view.take(ALERTS, 1, b"a", value).opened is None
    frame = SignalFrame("market/0", NOW_US, False, (SignalTick(0, (signal(), signal(-2.0))),))
    view.take(SIGNALS, 0, None, msgspec.json.encode(frame))
    assert len(view.signals) == 2
    assert (view.versions[ALERTS], view.versions[SIGNALS]) == (2, 1)
