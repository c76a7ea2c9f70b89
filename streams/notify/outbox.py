"""What one sink is to be sent now, and what became of it. Each step is one transaction."""

import sqlite3
from collections.abc import Set
from typing import NamedTuple

import msgspec

from streams.codecs import decode_alert
from streams.notify.database import transaction
from streams.notify.dead_letters import AGAIN, still_true
from streams.notify.messages import (
    FIRING,
    SEVERITIES,
    Item,
    Message,
    Word,
    as_told,
    decode_message,
    encode_message,
    message_id,
)
from streams.notify.routing import read_group
from streams.notify.sink_settings import Kind, SinkSettings
from streams.notify.storms import STORM_GROUP, take_storm
from streams.notify.told_rows import replan, severity_number

#: Alerts in one message at most.
_MOST_ALERTS: dict[Kind, int] = {"webhook": 50, "slack": 50, "pagerduty": 1, "alertmanager": 64}
#: Dead letters of a sink that are kept: the newest.
_MOST_DEAD = 1_000

# A silenced pattern is not heard of, except that it is over.
_HEARD = "(t.word IN ('resolved', 'acknowledged') OR a.pattern NOT IN (SELECT value FROM json_each(:silenced)))"
_GROUP = f"""
SELECT t.grp, t.word FROM told t JOIN alerts a USING (alert_id) LEFT JOIN groups g USING (sink, grp)
WHERE t.sink = :sink AND t.due_us <= :now_us AND NOT t.sealed AND {_HEARD}
    AND (t.urgent OR t.word IN ('resolved', 'acknowledged') OR g.sent_us IS NULL
        OR g.sent_us + :interval_us <= :now_us)
    AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.sink = t.sink AND m.grp = t.grp)
ORDER BY t.urgent DESC, t.due_us, t.word = 'resolved' DESC, t.alert_id LIMIT 1
"""  # noqa: S608 - the parts are constants
# Who has news to wait with does not wait any longer when its group speaks.
_MEMBERS = f"""
SELECT a.value, t.state, t.severity, t.repeats, coalesce(k.author, '') FROM told t JOIN alerts a USING (alert_id)
LEFT JOIN acks k USING (alert_id)
WHERE t.sink = :sink AND t.grp = :grp AND t.word = :word AND NOT t.sealed AND {_HEARD}
    AND (t.due_us <= :now_us OR t.word IN ('opened', 'resolved'))
ORDER BY t.urgent DESC, t.due_us, t.alert_id LIMIT :most
"""  # noqa: S608 - as above
_NEXT_DUE = """
SELECT min(due_us) FROM (SELECT due_us FROM messages WHERE sink = :sink UNION ALL
    SELECT due_us FROM storms WHERE sink = :sink UNION ALL
    SELECT due_us FROM (SELECT due_us FROM told WHERE sink = :sink AND due_us IS NOT NULL AND NOT sealed
        ORDER BY due_us LIMIT 1))
"""


class Sealed(NamedTuple):
    """A message that is being sent: it stays the same until it is settled. `attempts` counts those that failed."""

    grp: str
    attempts: int
    sealed_us: int
    message: Message


class Outbox:
    """The deliveries of one sink.

    Parameters
    ----------
    db
        All deliveries.
    name, sink
        The sink.
    """

    def __init__(self, db: sqlite3.Connection, name: str, sink: SinkSettings) -> None:
        self._db = db
        self._name = name
        self._sink = sink

    def next(self, now_us: int, silenced: Set[str] = frozenset()) -> Sealed | None:
        """Give what is to be sent now: what was sealed before and is due, else what is due to be said.

        Parameters
        ----------
        now_us
            The time, in microseconds.
        silenced
            Patterns that operators have silenced.
        """
        rows = self._db.execute(
            "SELECT grp, attempts, sealed_us, body FROM messages WHERE sink = ? AND due_us <= ? ORDER BY due_us, grp",
            (self._name, now_us),
        )
        for grp, attempts, sealed_us, body in rows.fetchall():
            message: Message | None = decode_message(body)
            if message is not None and grp.startswith(AGAIN):
                message = still_true(self._db, self._name, message)
            if message is not None:
                return Sealed(grp, attempts, sealed_us, message)
            with transaction(self._db):
                self._db.execute("DELETE FROM messages WHERE sink = ? AND grp = ?", (self._name, grp))
        return self._seal_storm(now_us) or self._seal_group(now_us, silenced)

    def next_due_us(self) -> int | None:
        """When something may be due next; None: nothing, until an alert comes."""
        (due_us,) = self._db.execute(_NEXT_DUE, {"sink": self._name}).fetchone()
        return None if due_us is None else int(due_us)

    def delivered(self, sealed: Sealed, now_us: int) -> None:
        """The sink has taken a message."""
        with transaction(self._db):
            self._end(sealed, now_us)
            for item in sealed.message.items:
                self._note_delivered(item, sealed.message.word, now_us)

    def failed(self, sealed: Sealed, due_us: int) -> None:
        """A message is to be sent again, not before `due_us`."""
        with transaction(self._db):
            self._db.execute(
                "UPDATE messages SET attempts = attempts + 1, due_us = ? WHERE sink = ? AND grp = ?",
                (due_us, self._name, sealed.grp),
            )

    def buried(self, sealed: Sealed, why: str, now_us: int) -> None:
        """A message goes to the dead letters; `why` holds no secret."""
        message = sealed.message
        with transaction(self._db):
            self._end(sealed, now_us)
            self._db.execute(
                "INSERT OR REPLACE INTO dead VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    self._name,
                    message.message_id,
                    message.word,
                    sealed.attempts + 1,
                    sealed.sealed_us,
                    now_us,
                    why,
                    encode_message(message),
                ),
            )
            self._db.execute(
                "DELETE FROM dead WHERE sink = :sink AND rowid NOT IN "
                "(SELECT rowid FROM dead WHERE sink = :sink ORDER BY dead_us DESC, rowid DESC LIMIT :most)",
                {"sink": self._name, "most": _MOST_DEAD},
            )
            for item in message.items:
                self._note_buried(item, message.word, now_us)

    def open_items(self) -> list[Item]:
        """Everything that the sink believes to be open, as it heard of it."""
        rows = self._db.execute(
            "SELECT a.value, t.severity FROM told t JOIN alerts a USING (alert_id) "
            "WHERE t.sink = ? AND t.state = 'firing' AND NOT a.resolved ORDER BY t.alert_id",
            (self._name,),
        )
        return [
            Item(msgspec.structs.replace(decode_alert(value), severity=SEVERITIES[severity]))
            for value, severity in rows.fetchall()
        ]

    def backlog(self, now_us: int) -> tuple[int, int]:
        """How many alerts and messages are due and not delivered, and since when the oldest is, in microseconds."""
        many, oldest_us = self._db.execute(
            "SELECT count(*), min(due_us) FROM (SELECT due_us FROM told WHERE sink = :sink AND due_us <= :now_us "
            "AND NOT sealed UNION ALL SELECT sealed_us FROM messages WHERE sink = :sink "
            "UNION ALL SELECT due_us FROM storms WHERE sink = :sink AND due_us <= :now_us)",
            {"sink": self._name, "now_us": now_us},
        ).fetchone()
        return int(many), now_us - int(oldest_us) if many else 0

    def _seal_storm(self, now_us: int) -> Sealed | None:
        if self._db.execute("SELECT 1 FROM messages WHERE sink = ? AND grp = ?", (self._name, STORM_GROUP)).fetchone():
            return None
        if not self._db.execute("SELECT 1 FROM storms WHERE sink = ? AND due_us <= ?", (self._name, now_us)).fetchone():
            return None
        with transaction(self._db):
            message = take_storm(self._db, self._name, now_us)
            return None if message is None else self._keep(STORM_GROUP, message)

    def _seal_group(self, now_us: int, silenced: Set[str]) -> Sealed | None:
        # Alertmanager and PagerDuty group by themselves.
        interval_s = 0.0 if self._sink.kind == "alertmanager" else self._sink.group_interval_s
        asked = {
            "sink": self._name,
            "now_us": now_us,
            "interval_us": round(interval_s * 1e6),
            "silenced": msgspec.json.encode(sorted(silenced)).decode(),
        }
        found = self._db.execute(_GROUP, asked).fetchone()
        if found is None:
            return None
        grp, word = found
        most = _MOST_ALERTS[self._sink.kind]
        with transaction(self._db):
            rows = self._db.execute(_MEMBERS, asked | {"grp": grp, "word": word, "most": most}).fetchall()
            items = tuple(_item(word, *row) for row in rows)
            message = Message(message_id(word, items), self._name, word, read_group(grp), items, now_us)
            self._db.executemany(
                "UPDATE told SET sealed = 1 WHERE sink = ? AND alert_id = ?",
                [(self._name, item.alert.alert_id) for item in items],
            )
            return self._keep(grp, message)

    def _keep(self, grp: str, message: Message) -> Sealed:
        self._db.execute(
            "INSERT INTO messages (sink, grp, sealed_us, due_us, body) VALUES (?, ?, ?, ?, ?)",
            (self._name, grp, message.made_us, message.made_us, encode_message(message)),
        )
        return Sealed(grp, 0, message.made_us, message)

    def _end(self, sealed: Sealed, now_us: int) -> None:
        self._db.execute("DELETE FROM messages WHERE sink = ? AND grp = ?", (self._name, sealed.grp))
        if sealed.message.word in FIRING or sealed.message.word == "storm":
            self._db.execute("INSERT OR REPLACE INTO groups VALUES (?, ?, ?)", (self._name, sealed.grp, now_us))

    def _note_delivered(self, item: Item, word: Word, now_us: int) -> None:
        if word in FIRING:
            self._set(
                item,
                "state = iif(state = 'resolved', state, 'firing'), revision = ?, severity = ?, told_us = ?, "
                "repeats = ?",
                (item.alert.revision, severity_number(item.alert), now_us, item.repeats),
            )
        elif word == "acknowledged":
            self._set(item, "acknowledged = 1", ())
        elif word == "resolved":
            self._set(item, "state = 'resolved'", ())

    def _note_buried(self, item: Item, word: Word, now_us: int) -> None:
        if word == "opened":
            self._set(
                item,
                "state = iif(state IN ('none', 'storm'), 'dead', state), severity = ?, told_us = ?",
                (severity_number(item.alert), now_us),
            )
        elif word in FIRING:
            # Not said again at once: the next revision, or the next repetition, will.
            told = (item.alert.revision, severity_number(item.alert), now_us, item.repeats)
            self._set(item, "revision = ?, severity = ?, told_us = ?, repeats = ?", told)
        else:
            self._note_delivered(item, word, now_us)

    def _set(self, item: Item, what: str, values: tuple[object, ...]) -> None:
        alert_id = item.alert.alert_id
        self._db.execute(
            f"UPDATE told SET sealed = 0, {what} WHERE sink = ? AND alert_id = ?",  # noqa: S608 - constants
            (*values, self._name, alert_id),
        )
        replan(self._db, self._name, self._sink, alert_id)


def _item(word: Word, value: bytes, state: str, severity: int, repeats: int, author: str) -> Item:
    return Item(
        as_told(decode_alert(value), word),
        told_severity=SEVERITIES[severity] if state == "firing" else None,
        repeats=repeats + 1 if word == "repeated" else 0,
        by=author if word == "acknowledged" else "",
    )
