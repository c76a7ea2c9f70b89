"""What a sink hears and when, by a clock of the test: groups, waits, repetitions, silences, storms, what is kept."""

import sqlite3
from collections.abc import Callable, Iterator, Set
from pathlib import Path
from typing import Any

import msgspec
import pytest

from detectors.decisions import Feedback
from detectors.errors import StateError
from detectors.results import Alert
from streams.notify import outbox
from streams.notify.database import alone_in, open_database
from streams.notify.dead_letters import dead_letters, redeliver
from streams.notify.intake import Batch, Intake, Refused
from streams.notify.messages import Message
from streams.notify.outbox import Outbox, Sealed
from streams.notify.sink_settings import SinkSettings
from tests.streams.notify.bench import SECOND_US, alert, webhook

T0 = 1_767_225_600_000_000


class Desk:
    """One sink with a clock that the test turns."""

    def __init__(self, directory: Path, sink: SinkSettings) -> None:
        self.directory = directory
        self.now_us = T0
        self.sink = sink
        self.db: sqlite3.Connection = open_database(directory)
        self.silenced: Set[str] = frozenset()
        self.open_again({"hook": sink})

    def open_again(self, sinks: dict[str, SinkSettings]) -> None:
        self.db.close()
        self.db = open_database(self.directory)
        self.intake = Intake(self.db, sinks)
        self.intake.begin(self.now_us)
        self.outbox = Outbox(self.db, "hook", sinks.get("hook", self.sink))

    def take(self, *alerts: Alert, said: tuple[Feedback, ...] = ()) -> dict[tuple[str, str], int]:
        return +self.intake.take(Batch(alerts, said, [], {}), self.now_us, self.silenced)

    def after(self, seconds: float) -> "Desk":
        self.now_us += round(seconds * SECOND_US)
        return self

    def next(self) -> Sealed | None:
        return self.outbox.next(self.now_us, self.silenced)

    def says(self) -> list[str]:
        """Deliver all that is due now; gives the words and ids."""
        said = []
        while (sealed := self.next()) is not None:
            said.append(text_of(sealed.message))
            self.outbox.delivered(sealed, self.now_us)
        return said

    def states(self) -> dict[str, str]:
        return dict(self.db.execute("SELECT alert_id, state FROM told").fetchall())


def text_of(message: Message) -> str:
    names = ",".join(item.alert.alert_id for item in message.items)
    return f"{message.word} {names}" + (f" +{message.more}" if message.more else "")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    made: list[Desk] = []

    def make(**settings: Any) -> Desk:  # noqa: ANN401 - of any setting
        made.append(Desk(tmp_path / "state", webhook(**settings)))
        return made[-1]

    yield make
    for one in made:
        one.db.close()


MakeDesk = Callable[..., Desk]


def test_a_group_waits_for_more_and_speaks_once(desk: MakeDesk) -> None:
    one = desk(group_wait_s=5.0, group_by=("symbol",))
    one.take(alert("a1"))
    one.after(3).take(alert("b1", pattern="thin_book"), alert("c1", symbol="ETH-PERP"))
    assert one.after(1).says() == []
    assert one.after(1).says() == ["opened a1,b1"]
    assert one.after(3).says() == ["opened c1"]


def test_a_group_that_flaps_speaks_once_an_interval_and_critical_ones_do_not_wait(desk: MakeDesk) -> None:
    one = desk(group_interval_s=30.0)
    one.take(alert("a1"))
    assert one.says() == ["opened a1"]
    one.after(5).take(alert("a1", 2, "resolved"), alert("a2"))
    assert one.says() == ["resolved a1"]
    assert one.after(24).says() == []
    assert one.after(1).says() == ["opened a2"]
    one.after(1).take(alert("a3", severity="critical"))
    assert one.says() == ["opened a3"]


def test_what_becomes_worse_is_told_at_once_and_what_merely_changes_seldom(desk: MakeDesk) -> None:
    one = desk(update_s=60.0)
    one.take(alert("a1"))
    assert one.says() == ["opened a1"]
    one.after(10).take(alert("a1", 2, "update"))
    one.after(10).take(alert("a1", 3, "update"))
    assert one.says() == []
    assert one.after(40).says() == ["updated a1"]
    one.after(1).take(alert("a1", 4, "update", "critical"))
    assert one.says() == ["updated a1"]


def test_what_nobody_looks_after_is_repeated_until_somebody_does(desk: MakeDesk) -> None:
    one = desk(repeat_s=600.0)
    one.take(alert("a1"))
    first = one.next()
    assert first is not None
    one.outbox.delivered(first, one.now_us)
    assert one.after(599).says() == []
    again = one.after(1).next()
    assert again is not None
    assert (again.message.message_id, text_of(again.message)) == ("a1.1.firing.1", "repeated a1")
    one.outbox.delivered(again, one.now_us)
    assert one.after(600).says() == ["repeated a1"]
    one.take(said=(Feedback("a1", "ann", T0, acknowledged=True),))
    assert one.after(6_000).says() == []
    one.take(said=(Feedback("a1", "ann", T0, acknowledged=False),))
    assert one.says() == ["repeated a1"]


def test_an_acknowledgement_that_came_before_its_alert_counts(desk: MakeDesk) -> None:
    one = desk(repeat_s=600.0)
    one.take(said=(Feedback("a1", "ann", T0, acknowledged=True),))
    one.take(alert("a1"))
    assert one.says() == ["opened a1"]
    assert one.after(6_000).says() == []


def test_a_pager_hears_who_looks_after_an_incident(tmp_path: Path) -> None:
    pager = SinkSettings("pagerduty", secret_file="key", group_wait_s=0.0, group_interval_s=0.0)  # noqa: S106 - a path
    one = Desk(tmp_path, pager)
    one.take(alert("a1"))
    assert one.says() == ["opened a1"]
    one.take(said=(Feedback("a1", "ann", T0, acknowledged=True),))
    sealed = one.next()
    assert sealed is not None
    assert (sealed.message.word, sealed.message.items[0].by) == ("acknowledged", "ann")
    one.outbox.delivered(sealed, one.now_us)
    assert one.says() == []
    one.db.close()


def test_mild_alerts_are_told_from_when_they_are_no_longer_mild(desk: MakeDesk) -> None:
    one = desk(min_severity="warning")
    one.take(alert("a1", severity="info"))
    assert one.says() == []
    one.take(alert("a1", 2, "update", "warning"))
    assert one.says() == ["opened a1"]


def test_only_the_patterns_and_symbols_that_were_asked_for_are_told(desk: MakeDesk) -> None:
    one = desk(patterns=("thin_book",), symbols=("BTC-*",))
    one.take(alert("a1"), alert("b1", pattern="thin_book", symbol="ETH-PERP"), alert("c1", pattern="thin_book"))
    assert one.says() == ["opened c1"]


def test_an_alert_that_is_over_before_it_was_told_is_told_as_open_and_then_as_over(desk: MakeDesk) -> None:
    one = desk(group_wait_s=5.0)
    one.take(alert("a1"), alert("a1", 2, "update"), alert("a1", 3, "resolved"))
    assert one.after(5).says() == ["opened a1", "resolved a1"]
    one.take(alert("a1", 3, "resolved"), alert("a1"))
    assert one.after(60).says() == []


def test_who_does_not_want_to_hear_that_it_is_over_does_not(desk: MakeDesk) -> None:
    one = desk(send_resolved=False)
    one.take(alert("a1"), alert("a1", 2, "resolved"))
    assert one.says() == ["opened a1"]


def test_a_silenced_pattern_is_not_heard_of_until_the_silence_ends(desk: MakeDesk) -> None:
    one = desk(repeat_s=600.0)
    one.take(alert("told"))
    assert one.says() == ["opened told"]
    one.silenced = frozenset({"cancel_burst"})
    dropped = one.take(alert("long", symbol="L"), alert("short", symbol="S"), alert("short", 2, "resolved", symbol="S"))
    assert dropped == {("hook", "silenced"): 1}
    # What was told before is ended all the same, and not repeated.
    assert one.after(600).says() == []
    one.take(alert("told", 2, "resolved"))
    assert one.says() == ["resolved told"]
    one.silenced = frozenset()
    assert one.says() == ["opened long"]
    assert one.states() == {"told": "resolved", "long": "firing", "short": "silenced"}


def test_a_full_queue_counts_the_mildest_and_tells_of_them_in_one_summary(desk: MakeDesk) -> None:
    one = desk(queue_size=3, group_interval_s=30.0, group_wait_s=5.0)
    for number in range(10):
        one.take(alert(f"mild{number}", symbol=f"M{number}", score=number))
    dropped = one.take(alert("bad", severity="critical", symbol="BAD"))
    assert dropped == {("hook", "storm"): 1}
    said = one.after(5).says()
    # The worst of those that are not told singly stands for them.
    assert said[0] == "storm mild7 +7"
    assert sorted(said[1:]) == ["opened bad", "opened mild8", "opened mild9"]
    # It goes on: the next summary comes after the interval, and counts only what came since.
    for number in range(10, 15):
        one.take(alert(f"mild{number}", symbol=f"M{number}"))
    assert [line for line in one.after(5).says() if line.startswith("storm")] == []
    assert one.after(25).says() == ["storm mild10 +1"]
    # Whoever was only counted does not hear that it is over, but that it has become worse.
    one.take(alert("mild0", 2, "resolved", symbol="M0"), alert("mild1", 2, "update", "critical", symbol="M1"))
    assert one.after(5).says() == ["opened mild1"]


def test_what_was_given_up_is_told_again_when_it_becomes_worse_or_is_still_open(desk: MakeDesk) -> None:
    one = desk(repeat_s=600.0)
    one.take(alert("a1"), alert("b1", symbol="B"))
    for _ in range(2):
        sealed = one.next()
        assert sealed is not None
        one.outbox.buried(sealed, "HTTP 400", one.now_us)
    assert [letter.why for letter in dead_letters(one.db, "hook")] == ["HTTP 400", "HTTP 400"]
    assert dead_letters(one.db, "other") == []
    one.take(alert("b1", 2, "update", "critical", symbol="B"))
    assert one.says() == ["opened b1"]
    assert sorted(one.after(600).says()) == ["opened a1", "repeated b1"]


def test_that_it_is_over_is_not_told_to_who_could_not_hear_of_it_but_after_a_redelivery_it_is(desk: MakeDesk) -> None:
    one = desk()
    one.take(alert("a1"))
    sealed = one.next()
    assert sealed is not None
    one.outbox.buried(sealed, "HTTP 400", one.now_us)
    one.take(alert("a1", 2, "resolved"))
    assert one.after(60).says() == []
    assert redeliver(one.db, one.now_us, "hook") == (1, 0)
    assert one.says() == ["opened a1", "resolved a1"]


def test_that_it_is_open_is_not_redelivered_to_who_has_heard_that_it_is_over(desk: MakeDesk) -> None:
    one = desk(update_s=0.0)
    one.take(alert("a1"))
    assert one.says() == ["opened a1"]
    one.take(alert("a1", 2, "update"))
    sealed = one.next()
    assert sealed is not None
    one.outbox.buried(sealed, "HTTP 400", one.now_us)
    one.take(alert("a1", 3, "resolved"))
    assert one.says() == ["resolved a1"]
    assert redeliver(one.db, one.now_us, "hook") == (0, 1)
    assert one.says() == []


def test_a_redelivery_goes_without_what_is_over_meanwhile_even_while_it_waits(desk: MakeDesk) -> None:
    one = desk(update_s=0.0, group_by=())
    one.take(alert("a1"), alert("b1", symbol="B"), alert("c1", symbol="C"))
    assert one.says() == ["opened a1,b1,c1"]
    one.take(alert("a1", 2, "update"), alert("b1", 2, "update", symbol="B"), alert("c1", 2, "update", symbol="C"))
    sealed = one.next()
    assert sealed is not None
    one.outbox.buried(sealed, "HTTP 400", one.now_us)
    one.take(alert("a1", 3, "resolved"))
    assert one.says() == ["resolved a1"]
    assert redeliver(one.db, one.now_us, "hook") == (1, 0)
    again = one.next()
    assert again is not None
    assert text_of(again.message) == "updated b1,c1"
    assert again.message.message_id != sealed.message.message_id
    one.outbox.failed(again, one.now_us + SECOND_US)
    one.take(alert("b1", 3, "resolved", symbol="B"), alert("c1", 3, "resolved", symbol="C"))
    assert one.says() == ["resolved b1,c1"]
    assert one.after(1).says() == []
    assert one.outbox.next_due_us() is None


def test_a_redelivery_does_not_say_again_what_may_have_been_heard_to_be_over(desk: MakeDesk) -> None:
    one = desk(repeat_s=100.0, group_by=("pattern",))
    one.take(alert("a1"), alert("b1", symbol="B"))
    first = one.next()
    assert first is not None
    one.outbox.buried(first, "HTTP 503", one.now_us)
    one.take(alert("a1", 2, "resolved"))
    assert one.after(100).says() == ["opened b1"]
    one.take(alert("b1", 2, "resolved", symbol="B"))
    ended = one.next()
    assert ended is not None
    # It was taken, and we have not heard of it.
    one.outbox.failed(ended, one.now_us + SECOND_US)
    assert redeliver(one.db, one.now_us, "hook") == (1, 0)
    assert one.says() == ["opened a1"]
    assert one.after(1).says() == ["resolved b1", "resolved a1"]


def test_a_message_stays_as_it_is_while_its_alert_goes_on(desk: MakeDesk) -> None:
    one = desk()
    one.take(alert("a1"))
    first = one.next()
    assert first is not None
    one.outbox.failed(first, one.now_us + 5 * SECOND_US)
    one.take(alert("a1", 2, "update", "critical"))
    assert one.next() is None
    again = one.after(5).next()
    assert again is not None
    assert (again.message, again.attempts) == (first.message, 1)
    one.outbox.delivered(again, one.now_us)
    assert one.says() == ["updated a1"]


def test_a_new_sink_hears_of_what_is_open_and_one_that_is_no_more_is_forgotten(desk: MakeDesk) -> None:
    one = desk()
    one.take(alert("a1"), alert("b1", symbol="B"), alert("b1", 2, "resolved", symbol="B"))
    assert one.says() == ["opened a1", "opened b1", "resolved b1"]
    one.open_again({"other": webhook()})
    assert one.says() == []
    other = Outbox(one.db, "other", webhook())
    sealed = other.next(one.now_us)
    assert sealed is not None
    assert text_of(sealed.message) == "opened a1"


def test_what_is_over_is_forgotten_after_a_day_unless_something_is_left_to_say(desk: MakeDesk) -> None:
    one = desk(repeat_s=0.0)
    one.take(*(alert(name, symbol=name) for name in ("over", "dead", "open", "waits")))
    while (sealed := one.next()) is not None:
        if "dead" in text_of(sealed.message):
            one.outbox.buried(sealed, "HTTP 400", one.now_us)
        elif "waits" in text_of(sealed.message):
            one.outbox.failed(sealed, one.now_us + 10**15)
        else:
            one.outbox.delivered(sealed, one.now_us)
    one.take(*(alert(name, 2, "resolved", symbol=name) for name in ("over", "dead", "waits")))
    assert one.says() == ["resolved over"]
    one.after(86_401)
    one.intake.forget(one.now_us)
    known = {name for (name,) in one.db.execute("SELECT alert_id FROM alerts")}
    assert known == {"dead", "open", "waits"} == set(one.states())


def test_refused_records_are_kept_and_the_newest_of_them_alone(desk: MakeDesk) -> None:
    one = desk()
    refused = [Refused("alerts", 0, offset, "Expected `object`", b"[]") for offset in range(300)]
    one.intake.take(Batch([], [], refused, {("alerts", 0): 300}), one.now_us)
    kept = [offset for (offset,) in one.db.execute("SELECT offset FROM refused ORDER BY offset")]
    assert kept == list(range(44, 300))
    assert one.intake.offset("alerts", 0) == 300


def test_dead_letters_are_bounded(desk: MakeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "_MOST_DEAD", 10)
    one = desk()
    one.take(*(alert(f"a{number}", symbol=f"S{number}") for number in range(15)))
    while (sealed := one.next()) is not None:
        one.outbox.buried(sealed, "HTTP 400", one.now_us)
    assert [letter.message.items[0].alert.alert_id for letter in dead_letters(one.db)] == sorted(one.states())[5:]


def test_the_backlog_is_what_is_due_and_how_long_the_oldest_has_waited(desk: MakeDesk) -> None:
    one = desk(group_wait_s=5.0)
    assert one.outbox.backlog(one.now_us) == (0, 0)
    one.take(alert("a1"), alert("b1", symbol="B"))
    assert one.outbox.backlog(one.now_us) == (0, 0)
    one.after(7)
    assert one.outbox.backlog(one.now_us) == (2, 2 * SECOND_US)
    one.says()
    assert one.outbox.backlog(one.now_us) == (0, 0)


def test_an_alert_comes_out_as_it_came_in(desk: MakeDesk) -> None:
    one = desk()
    before = alert("a1")
    one.take(before)
    sealed = one.next()
    assert sealed is not None
    assert msgspec.json.encode(sealed.message.items[0].alert) == msgspec.json.encode(before)


def test_a_state_of_another_version_is_refused_with_the_mend(tmp_path: Path) -> None:
    db = open_database(tmp_path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StateError, match=r"notify.state_dir: expected version 1 in .*, found 99; run the version"):
        open_database(tmp_path)


def test_a_state_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match=r"notify.state_dir: expected to keep deliveries in .*file.*, found"):
        open_database(tmp_path / "file" / "state")


def test_two_notifiers_do_not_share_a_directory(tmp_path: Path) -> None:
    with alone_in(tmp_path), pytest.raises(StateError, match="for this notifier alone, found another"):
        alone_in(tmp_path).__enter__()
    with alone_in(tmp_path):
        pass


def test_on_the_same_labels_what_is_over_is_said_before_what_is_open_next(tmp_path: Path) -> None:
    one = Desk(tmp_path, SinkSettings("alertmanager", url="http://127.0.0.1:1"))
    one.take(alert("z1"))
    assert one.says() == ["opened z1"]
    one.take(alert("z1", 2, "resolved"), alert("a2", severity="critical"))
    assert one.says() == ["resolved z1", "opened a2"]
    one.db.close()
