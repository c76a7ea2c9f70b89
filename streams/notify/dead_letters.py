"""What could not be delivered: shown, and queued again. Works beside a running notifier."""

import sqlite3
from typing import NamedTuple

import msgspec

from streams.notify.database import transaction
from streams.notify.messages import FIRING, Message, decode_message, encode_message, message_id

#: How the groups of messages begin that were given up before: they do not wait for what is said of their alerts now.
AGAIN = "again:"


class DeadLetter(NamedTuple):
    """A message that was given up; `why` says what the sink answered last."""

    sink: str
    attempts: int
    sealed_us: int
    dead_us: int
    why: str
    message: Message


def dead_letters(db: sqlite3.Connection, sink: str | None = None) -> list[DeadLetter]:
    """List what was given up, the oldest first; of one sink, or of all."""
    rows = db.execute(
        "SELECT sink, attempts, sealed_us, dead_us, why, body FROM dead WHERE :sink IS NULL OR sink = :sink "
        "ORDER BY dead_us, rowid",
        {"sink": sink},
    )
    return [
        DeadLetter(name, attempts, sealed_us, dead_us, why, decode_message(body))
        for name, attempts, sealed_us, dead_us, why, body in rows.fetchall()
    ]


def redeliver(db: sqlite3.Connection, now_us: int, sink: str) -> tuple[int, int]:
    """Queue what was given up for a sink; give how many messages were queued, and how many were let go.

    A message is queued as it was and with its id, except that nobody is told that an alert is open who has heard
    meanwhile that it is over: it goes without that alert, with the id of what is left; or not at all.
    """
    queued = outdated = 0
    with transaction(db):
        for letter in dead_letters(db, sink):
            place = (letter.sink, letter.message.message_id)
            db.execute("DELETE FROM dead WHERE sink = ? AND message_id = ?", place)
            message = still_true(db, letter.sink, letter.message)
            if message is None:
                outdated += 1
                continue
            db.execute(
                "INSERT OR REPLACE INTO messages (sink, grp, sealed_us, due_us, body) VALUES (?, ?, ?, ?, ?)",
                (letter.sink, f"{AGAIN}{message.message_id}", now_us, now_us, encode_message(message)),
            )
            queued += 1
    return queued, outdated


def still_true(db: sqlite3.Connection, sink: str, message: Message) -> Message | None:
    """Take the alerts out of a message that are over and known to the sink, if it says that they are open.

    That it hears, or has heard, that they are over, is sure: we may not know yet that it has.
    """
    if message.word not in FIRING:
        return message
    items = [item for item in message.items if not _is_over(db, sink, item.alert.alert_id)]
    if len(items) == len(message.items):
        return message
    if not items:
        return None
    return msgspec.structs.replace(message, items=tuple(items), message_id=message_id(message.word, items))


def _is_over(db: sqlite3.Connection, sink: str, alert_id: str) -> bool:
    query = (
        "SELECT t.state = 'resolved' OR (t.state = 'firing' AND a.resolved) FROM told t JOIN alerts a USING (alert_id) "
        "WHERE t.sink = ? AND t.alert_id = ?"
    )
    row = db.execute(query, (sink, alert_id)).fetchone()
    return row is not None and bool(row[0])
