"""The deliveries of a sink over every order of events, answers and crashes: nothing lost, nothing doubled.

The process may end between any two steps, and within any transaction; the receiver knows messages by their ids.
"""

import random
import shutil
import sqlite3
import tempfile
from collections import Counter

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from detectors.decisions import Feedback
from detectors.results import Alert, Pattern, Severity
from streams.notify.database import open_database
from streams.notify.dead_letters import dead_letters, redeliver
from streams.notify.intake import Batch, Intake
from streams.notify.messages import FIRING, SEVERITIES
from streams.notify.outbox import Outbox, Sealed
from streams.notify.retrying import pause_us
from streams.topics import ALERTS
from tests.streams.notify.bench import SECOND_US, alert, webhook

BEGIN_US = 1_767_225_600_000_000
SINK = webhook(
    min_severity="warning",
    group_wait_s=2.0,
    group_interval_s=10.0,
    update_s=20.0,
    repeat_s=100.0,
    give_up_s=60.0,
    queue_size=5,
    group_by=("pattern",),
)
PATTERNS: tuple[Pattern, ...] = ("cancel_burst", "thin_book")
#: What becomes of a message; a receiver may take one, and we not hear of it.
ANSWERS = ("delivered", "delivered", "failed", "failed, though taken", "refused", "crash before", "crash after")
severities = st.sampled_from(SEVERITIES)
works = st.lists(st.tuples(st.sampled_from(ANSWERS), st.sampled_from([1, 3, 11, 110])), min_size=2, max_size=8)


class Deliveries(RuleBasedStateMachine):
    """A topic, the deliveries of one sink on a disk, and a receiver that remembers what it took, by id."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.mkdtemp()
        self.now_us = BEGIN_US
        self.log: list[Alert] = []
        self.newest: dict[str, Alert] = {}
        self.silenced: frozenset[str] = frozenset()
        self.received: dict[str, Sealed] = {}
        self.stormed: set[str] = set()
        self.chance = random.Random(7)
        self._open()

    def teardown(self) -> None:
        self._everything_comes_to_an_end()
        self.db.close()
        shutil.rmtree(self.directory)

    # What the world does.

    @initialize(first=st.sampled_from(PATTERNS), second=st.sampled_from(PATTERNS))
    def two_alerts_are_open(self, first: Pattern, second: Pattern) -> None:
        self.alerts_open([("warning", first), ("critical", second)])

    @rule(opened=st.lists(st.tuples(severities, st.sampled_from(PATTERNS)), min_size=1, max_size=3))
    def alerts_open(self, opened: list[tuple[Severity, Pattern]]) -> None:
        for severity, pattern in opened:
            number = len(self.newest)
            self._say(
                alert(f"a{number}", severity=severity, pattern=pattern, symbol=f"S{number}", timestamp=self.now_us)
            )

    @precondition(lambda self: self._still_open())
    @rule(data=st.data(), severity=severities)
    def an_alert_grows(self, data: st.DataObject, severity: Severity) -> None:
        before = data.draw(st.sampled_from(self._still_open()))
        worse = max(before.severity, severity, key=SEVERITIES.index)
        self._say(msgspec.structs.replace(before, revision=before.revision + 1, status="update", severity=worse))

    @precondition(lambda self: self._still_open())
    @rule(data=st.data())
    def an_alert_is_over(self, data: st.DataObject) -> None:
        before = data.draw(st.sampled_from(self._still_open()))
        self._say(msgspec.structs.replace(before, revision=before.revision + 1, status="resolved"))

    @precondition(lambda self: self.log)
    @rule(data=st.data())
    def a_worker_says_again_what_it_has_said(self, data: st.DataObject) -> None:
        self.log.append(data.draw(st.sampled_from(self.log)))

    @rule(seconds=st.sampled_from([0.5, 3, 15, 70, 200]))
    def time_passes(self, seconds: float) -> None:
        self.now_us += round(seconds * SECOND_US)

    @rule(silenced=st.sampled_from([(), (), ("thin_book",)]))
    def operators_silence(self, silenced: tuple[str, ...]) -> None:
        self.silenced = frozenset(silenced)

    @precondition(lambda self: self.newest)
    @rule(data=st.data(), acknowledged=st.booleans())
    def operators_acknowledge(self, data: st.DataObject, acknowledged: bool) -> None:
        alert_id = data.draw(st.sampled_from(sorted(self.newest)))
        said = Feedback(alert_id, "ann", self.now_us, acknowledged=acknowledged)
        self.intake.take(Batch([], [said], [], {}), self.now_us, self.silenced)

    # What the notifier does.

    @rule(many=st.integers(1, 4))
    def takes_records(self, many: int) -> None:
        self._take(many)

    @precondition(lambda self: self.newest)
    @rule(work=works)
    def works(self, work: list[tuple[str, int]]) -> None:
        for answer, seconds in work:
            self._take(len(self.log))
            self.now_us += seconds * SECOND_US
            self._send(answer)

    @precondition(lambda self: self.newest)
    @rule(step=st.integers(1, 300), where=st.sampled_from(["taking", "making", "noting a delivery", "between"]))
    def crashes(self, step: int, where: str) -> None:
        if where == "taking":
            self._crash_within(step, lambda: self._take(4))
        elif where == "making":
            self._crash_within(step, lambda: self.outbox.next(self.now_us, self.silenced))
        elif where == "noting a delivery" and (sealed := self.outbox.next(self.now_us, self.silenced)) is not None:
            self.received.setdefault(sealed.message.message_id, sealed)
            self._crash_within(step, lambda: self.outbox.delivered(sealed, self.now_us))
        else:
            self._crash()

    @rule()
    def forgets(self) -> None:
        self.intake.forget(self.now_us)

    @rule()
    def somebody_redelivers(self) -> None:
        redeliver(self.db, self.now_us, "hook")

    # What must hold.

    @invariant()
    def no_more_wait_than_may(self) -> None:
        (waiting,) = self.db.execute("SELECT count(*) FROM told WHERE state = 'none'").fetchone()
        assert waiting <= SINK.queue_size

    @invariant()
    def nobody_hears_that_it_is_over_who_has_not_heard_of_it(self) -> None:
        firing: set[str] = set()
        resolved: Counter[str] = Counter()
        for sealed in self.received.values():
            names = [item.alert.alert_id for item in sealed.message.items]
            if sealed.message.word in FIRING:
                assert not set(names) & set(resolved), "said to be open after it was said to be over"
                firing |= set(names)
            elif sealed.message.word == "resolved":
                assert set(names) <= firing, "said to be over to who has not heard of it"
                resolved.update(names)
        assert max(resolved.values(), default=0) <= 1

    def _everything_comes_to_an_end(self) -> None:
        self.silenced = frozenset()
        for one in self._still_open():
            self._say(msgspec.structs.replace(one, revision=one.revision + 1, status="resolved"))
        self._take(len(self.log))
        for _ in range(1_000):
            sealed = self.outbox.next(self.now_us)
            if sealed is not None:
                self.received.setdefault(sealed.message.message_id, sealed)
                self.outbox.delivered(sealed, self.now_us)
                continue
            due_us = self.outbox.next_due_us()
            if due_us is None:
                break
            self.now_us = max(due_us, self.now_us + SECOND_US)
        assert self.outbox.next_due_us() is None
        self.nobody_hears_that_it_is_over_who_has_not_heard_of_it()
        told = {name: self._told(name) for name in ("firing", "resolved", "storm")}
        states = dict(self.db.execute("SELECT alert_id, state FROM told").fetchall())
        dead = {
            (item.alert.alert_id, letter.message.word)
            for letter in dead_letters(self.db)
            for item in letter.message.items
        }
        for alert_id, newest in self.newest.items():
            if newest.severity == "info":
                assert alert_id not in states
                continue
            opened = alert_id in told["firing"]
            assert opened or (alert_id, "opened") in dead or states[alert_id] in ("storm", "silenced"), newest
            if states[alert_id] == "resolved":
                assert alert_id in told["resolved"] or (alert_id, "resolved") in dead
        counted = sum(
            sealed.message.more + 1 for sealed in self.received.values() if sealed.message.word == "storm"
        ) + sum(
            letter.message.more + 1
            for letter in dead_letters(self.db)
            if letter.message.word == "storm" and letter.message.message_id not in self.received
        )
        assert counted == len(self.stormed)

    def _told(self, word: str) -> set[str]:
        words = FIRING if word == "firing" else (word,)
        return {
            item.alert.alert_id
            for sealed in self.received.values()
            if sealed.message.word in words
            for item in sealed.message.items
        }

    def _still_open(self) -> list[Alert]:
        return [one for one in self.newest.values() if one.status != "resolved"]

    def _say(self, one: Alert) -> None:
        self.newest[one.alert_id] = one
        self.log.append(one)

    def _take(self, many: int) -> None:
        first = self.intake.offset(ALERTS, 0) or 0
        records = self.log[first : first + many]
        batch = Batch(records, [], [], {(ALERTS, 0): first + len(records)})
        self.intake.take(batch, self.now_us, self.silenced)
        self._look_who_is_only_counted()

    def _send(self, answer: str) -> None:
        sealed = self.outbox.next(self.now_us, self.silenced)
        if sealed is None:
            return
        message_id = sealed.message.message_id
        # Who has taken a message takes it again, and leaves it at that.
        takes = message_id in self.received or answer in ("delivered", "failed, though taken", "crash after")
        if takes:
            self.received.setdefault(message_id, sealed)
        if answer.startswith("crash"):
            self._crash()
        elif answer.startswith("failed"):
            self._fail(sealed)
        elif takes:
            self.outbox.delivered(sealed, self.now_us)
        else:
            self.outbox.buried(sealed, "HTTP 400", self.now_us)

    def _fail(self, sealed: Sealed) -> None:
        due_us = self.now_us + pause_us(sealed.attempts + 1, self.chance)
        if (
            due_us > sealed.sealed_us + round(SINK.give_up_s * SECOND_US)
            and sealed.message.message_id not in self.received
        ):
            self.outbox.buried(sealed, "HTTP 503", self.now_us)
        else:
            self.outbox.failed(sealed, due_us)

    def _crash_within(self, step: int, work: object) -> None:
        assert callable(work)
        steps = iter(range(step))
        # Each some instructions of SQLite's machine; a true answer stops it where it is.
        self.db.set_progress_handler(lambda: next(steps, None) is None, 5)
        try:
            work()
        except sqlite3.OperationalError as error:
            assert "interrupted" in str(error)
        self._crash()

    def _crash(self) -> None:
        self.db.close()
        self._open()

    def _open(self) -> None:
        self.db = open_database(self.directory)
        # What is tested is the end of the process, not of the machine.
        self.db.execute("PRAGMA synchronous = OFF")
        self.intake = Intake(self.db, {"hook": SINK})
        self.outbox = Outbox(self.db, "hook", SINK)
        self.intake.begin(self.now_us)
        self._look_who_is_only_counted()

    def _look_who_is_only_counted(self) -> None:
        """By what is kept: a step that was interrupted may have been done, and not have said so."""
        self.stormed |= {name for (name,) in self.db.execute("SELECT alert_id FROM told WHERE state = 'storm'")}


Deliveries.TestCase.settings = settings(max_examples=50, stateful_step_count=50, deadline=None)
TestDeliveries = Deliveries.TestCase
