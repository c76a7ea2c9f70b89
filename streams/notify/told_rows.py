"""What each sink has heard of each alert, as rows: how they begin, and how what is to be said next is written down."""

import sqlite3

from detectors.results import Alert
from streams.notify.messages import SEVERITIES
from streams.notify.planning import Now, Told, next_word
from streams.notify.routing import group_of
from streams.notify.sink_settings import SinkSettings
from streams.notify.storms import count_in_storm

_PLANNED = """
SELECT a.revision, a.severity, a.resolved, a.seen_us, coalesce(k.acknowledged, 0),
    t.state, t.revision, t.severity, t.told_us, t.routed_us, t.acknowledged
FROM told t JOIN alerts a USING (alert_id) LEFT JOIN acks k USING (alert_id) WHERE t.sink = ? AND t.alert_id = ?
"""
_MILDEST = """
SELECT t.alert_id, a.severity, a.score, a.value FROM told t JOIN alerts a USING (alert_id)
WHERE t.sink = ? AND t.state = 'none' AND NOT t.sealed ORDER BY a.severity, a.score, a.alert_id LIMIT 1
"""


def replan(db: sqlite3.Connection, name: str, sink: SinkSettings, alert_id: str) -> None:
    """Write down what a sink is to hear next of an alert; to be called whenever one of the two has changed."""
    row = db.execute(_PLANNED, (name, alert_id)).fetchone()
    if row is None:
        return
    plan = next_word(Now(*row[:5]), Told(*row[5:]), sink)
    word, due_us, urgent = plan if plan is not None else (None, None, False)
    db.execute(
        "UPDATE told SET word = ?, due_us = ?, urgent = ? WHERE sink = ? AND alert_id = ?",
        (word, due_us, urgent, name, alert_id),
    )


def admit(db: sqlite3.Connection, name: str, sink: SinkSettings, alert: Alert, now_us: int) -> int:
    """Let a sink hear of an alert from now on; give how many alerts are not told singly for it, 0 or 1.

    A sink's queue is bounded: where it is full, the mildest that waits is counted in the next summary instead.
    """
    db.execute(
        "INSERT INTO told (sink, alert_id, grp, state, routed_us) VALUES (?, ?, ?, 'none', ?)",
        (name, alert.alert_id, group_of(alert, sink), now_us),
    )
    replan(db, name, sink, alert.alert_id)
    (waiting,) = db.execute("SELECT count(*) FROM told WHERE sink = ? AND state = 'none'", (name,)).fetchone()
    if waiting <= sink.queue_size:
        return 0
    mildest = db.execute(_MILDEST, (name,)).fetchone()
    alert_id, severity, score, value = mildest
    db.execute(
        "UPDATE told SET state = 'storm', severity = ? WHERE sink = ? AND alert_id = ?", (severity, name, alert_id)
    )
    replan(db, name, sink, alert_id)
    count_in_storm(db, name, sink, severity, score, value, now_us)
    return 1


def severity_number(alert: Alert) -> int:
    """How severe an alert is, from 0 on."""
    return SEVERITIES.index(alert.severity)
