"""What could not be delivered: shown, and queued again. Works beside a running notifier."""

import sqlite3
from typing import NamedTuple

from streams.notify.database import transaction
from streams.notify.messages import FIRING, Message, decode_message


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


def redeliver(db: sqlite3.Connection, now_us: int, sink: str | None = None) -> tuple[int, int]:
    """Queue what was given up, as it was and with its id; give how many messages were queued, and how many were not.

    That an alert is open is not said again to who has heard meanwhile that it is over: such messages are let go.
    """
    queued = outdated = 0
    with transaction(db):
        for letter in dead_letters(db, sink):
            message = letter.message
            place = (letter.sink, message.message_id)
            row = db.execute("SELECT body FROM dead WHERE sink = ? AND message_id = ?", place).fetchone()
            db.execute("DELETE FROM dead WHERE sink = ? AND message_id = ?", place)
            if message.word in FIRING and _is_over(db, letter.sink, message):
                outdated += 1
                continue
            db.execute(
                "INSERT OR REPLACE INTO messages (sink, grp, sealed_us, due_us, body) VALUES (?, ?, ?, ?, ?)",
                (letter.sink, f"again:{message.message_id}", now_us, now_us, row[0]),
            )
            queued += 1
    return queued, outdated


def _is_over(db: sqlite3.Connection, sink: str, message: Message) -> bool:
    states = [
        db.execute("SELECT state FROM told WHERE sink = ? AND alert_id = ?", (sink, item.alert.alert_id)).fetchone()
        for item in message.items
    ]
    return bool(states) and all(state == ("resolved",) for state in states)
