"""Takes alerts and what operators say of them into the deliveries, each record once, together with its offset."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import NamedTuple

import msgspec

from detectors.decisions import Feedback
from detectors.results import Alert
from streams.codecs import decode_alert
from streams.notify.database import transaction
from streams.notify.routing import is_routed
from streams.notify.sink_settings import SinkSettings
from streams.notify.told_rows import admit, replan, severity_number

#: What is over is remembered for so long: a worker that takes up an older state sends its alerts again.
_KEPT_OVER_US = 24 * 3_600_000_000
#: As long as the topic keeps alerts.
_KEPT_US = 30 * 24 * 3_600_000_000
_MOST_REFUSED = 256

_encode = msgspec.json.Encoder().encode


class Refused(NamedTuple):
    """A record that cannot be read."""

    topic: str
    partition: int
    offset: int
    why: str
    value: bytes


class Batch(NamedTuple):
    """Records in the order of their logs, and the offset after the last of each topic partition."""

    alerts: Sequence[Alert]
    feedback: Sequence[Feedback]
    refused: Sequence[Refused]
    offsets: Mapping[tuple[str, int], int]


class Intake:
    """Writes down what sinks are to hear.

    Parameters
    ----------
    db
        The deliveries.
    sinks
        Who is to hear, by name.
    """

    def __init__(self, db: sqlite3.Connection, sinks: Mapping[str, SinkSettings]) -> None:
        self._db = db
        self._sinks = sinks

    def begin(self, now_us: int) -> None:
        """Forget sinks that are no more, let new ones hear of what is open, and plan by the settings of today."""
        names = list(self._sinks)
        with transaction(self._db):
            for table in ("told", "messages", "groups", "storms"):
                marks = ", ".join("?" * len(names))
                self._db.execute(f"DELETE FROM {table} WHERE sink NOT IN ({marks})", names)  # noqa: S608 - names are ours
            for name, sink in self._sinks.items():
                for (alert_id,) in self._db.execute("SELECT alert_id FROM told WHERE sink = ?", (name,)).fetchall():
                    replan(self._db, name, sink, alert_id)
            for (value,) in self._db.execute("SELECT value FROM alerts WHERE NOT resolved").fetchall():
                self._route(decode_alert(value), now_us, frozenset())

    def offset(self, topic: str, partition: int) -> int | None:
        """Where the next record of a topic partition stands; None: nothing of it was taken."""
        query = "SELECT next FROM offsets WHERE topic = ? AND partition = ?"
        row = self._db.execute(query, (topic, partition)).fetchone()
        return None if row is None else int(row[0])

    def take(self, batch: Batch, now_us: int, silenced: Set[str] = frozenset()) -> Counter[tuple[str, str]]:
        """Take records; give how many alerts are not told, by sink and reason. All of it is kept, or nothing.

        Parameters
        ----------
        batch
            The records.
        now_us
            The time, in microseconds.
        silenced
            Patterns that operators have silenced.
        """
        dropped: Counter[tuple[str, str]] = Counter()
        with transaction(self._db):
            for alert in batch.alerts:
                if self._is_news(alert, now_us):
                    dropped.update(self._route(alert, now_us, silenced))
            for said in batch.feedback:
                self._acknowledge(said, now_us)
            self._keep_refused(batch.refused)
            self._db.executemany(
                "INSERT OR REPLACE INTO offsets VALUES (?, ?, ?)",
                [(topic, partition, following) for (topic, partition), following in batch.offsets.items()],
            )
        return dropped

    def forget(self, now_us: int) -> None:
        """Let go of what is over and told, and of what the topic itself has forgotten."""
        with transaction(self._db):
            self._db.execute(
                "DELETE FROM alerts WHERE seen_us < ? OR (resolved AND seen_us < ? AND NOT EXISTS (SELECT 1 FROM told "
                "t WHERE t.alert_id = alerts.alert_id AND (t.sealed OR t.due_us IS NOT NULL OR t.state = 'dead')))",
                (now_us - _KEPT_US, now_us - _KEPT_OVER_US),
            )
            self._db.execute("DELETE FROM told WHERE NOT sealed AND alert_id NOT IN (SELECT alert_id FROM alerts)")
            self._db.execute("DELETE FROM groups WHERE sent_us < ?", (now_us - _KEPT_OVER_US,))
            self._db.execute("DELETE FROM acks WHERE seen_us < ?", (now_us - _KEPT_US,))
            self._db.execute("DELETE FROM dead WHERE dead_us < ?", (now_us - _KEPT_US,))

    def _is_news(self, alert: Alert, now_us: int) -> bool:
        known = self._db.execute("SELECT revision FROM alerts WHERE alert_id = ?", (alert.alert_id,)).fetchone()
        if known is not None and alert.revision <= known[0]:
            return False
        self._db.execute(
            "INSERT OR REPLACE INTO alerts VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                alert.alert_id,
                alert.revision,
                alert.status == "resolved",
                alert.pattern,
                severity_number(alert),
                alert.score,
                now_us,
                _encode(alert),
            ),
        )
        return True

    def _route(self, alert: Alert, now_us: int, silenced: Set[str]) -> Counter[tuple[str, str]]:
        dropped: Counter[tuple[str, str]] = Counter()
        for name, sink in self._sinks.items():
            query = "SELECT state, sealed FROM told WHERE sink = ? AND alert_id = ?"
            row = self._db.execute(query, (name, alert.alert_id)).fetchone()
            if row is None:
                if is_routed(alert, sink):
                    dropped[name, "storm"] += admit(self._db, name, sink, alert, now_us)
                    row = self._db.execute(query, (name, alert.alert_id)).fetchone()
                else:
                    continue
            if alert.status == "resolved" and alert.pattern in silenced and row == ("none", 0):
                self._db.execute(
                    "UPDATE told SET state = 'silenced' WHERE sink = ? AND alert_id = ?", (name, alert.alert_id)
                )
                dropped[name, "silenced"] += 1
            replan(self._db, name, sink, alert.alert_id)
        return dropped

    def _acknowledge(self, said: Feedback, now_us: int) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO acks VALUES (?, ?, ?, ?)", (said.alert_id, said.acknowledged, said.author, now_us)
        )
        for name, sink in self._sinks.items():
            replan(self._db, name, sink, said.alert_id)

    def _keep_refused(self, refused: Iterable[Refused]) -> None:
        self._db.executemany("INSERT OR REPLACE INTO refused VALUES (?, ?, ?, ?, ?)", refused)
        if refused:
            self._db.execute(
                "DELETE FROM refused WHERE rowid NOT IN (SELECT rowid FROM refused ORDER BY rowid DESC LIMIT ?)",
                (_MOST_REFUSED,),
            )
