"""The summary of alerts that a full queue does not take: how many, and the worst of them."""

import sqlite3

from streams.codecs import decode_alert
from streams.notify.messages import Item, Message
from streams.notify.sink_settings import SinkSettings

#: The group of summaries; no group of alerts is named so.
STORM_GROUP = "storm"
_COUNT = """
INSERT INTO storms (sink, count, due_us, severity, score, worst) VALUES (:sink, 1, :due_us, :severity, :score, :value)
ON CONFLICT (sink) DO UPDATE SET count = count + 1,
    worst = iif((:severity, :score) > (severity, score), :value, worst),
    severity = iif((:severity, :score) > (severity, score), :severity, severity),
    score = iif(:severity > severity OR (:severity = severity AND :score > score), :score, score)
"""


def count_in_storm(
    db: sqlite3.Connection, name: str, sink: SinkSettings, severity: int, score: float, value: bytes, now_us: int
) -> None:
    """Count an alert that is not told singly; the first of a storm sets the time of its summary."""
    sent = db.execute("SELECT sent_us FROM groups WHERE sink = ? AND grp = ?", (name, STORM_GROUP)).fetchone()
    due_us = now_us + round(sink.group_wait_s * 1e6)
    if sent is not None:
        due_us = max(due_us, sent[0] + round(sink.group_interval_s * 1e6))
    row = {"sink": name, "due_us": due_us, "severity": severity, "score": score, "value": value}
    db.execute(_COUNT, row)


def take_storm(db: sqlite3.Connection, name: str, now_us: int) -> Message | None:
    """Make the summary that is due, if one is, and begin to count anew; within the caller's transaction.

    Parameters
    ----------
    db
        The deliveries.
    name
        The sink's.
    now_us
        The time, in microseconds; a part of the summary's id.
    """
    row = db.execute("SELECT count, worst FROM storms WHERE sink = ? AND due_us <= ?", (name, now_us)).fetchone()
    if row is None:
        return None
    count, worst = row
    db.execute("DELETE FROM storms WHERE sink = ?", (name,))
    worst_alert = Item(decode_alert(worst))
    return Message(f"storm.{name}.{now_us}", name, "storm", {}, (worst_alert,), now_us, more=count - 1)
