"""Where deliveries are kept: an SQLite file in which a change is on the disk when it is made, or was not made."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from detectors.errors import StateError

#: Raised when what is kept, or what it means, changes.
SCHEMA_VERSION = 1
_FILE, _LOCK = "notify.sqlite", "lock"
#: Somebody may look at the dead letters, or queue them again, while alerts are delivered.
_BUSY_S = 10.0

# offsets: what was taken of a topic partition, in the transaction in which what came of it was queued.
# alerts: the newest revision of each alert; severity counts from 0. acks: what operators say of alerts.
# told: what each sink has heard of each alert that is routed to it, and what it is to hear next (`word` at `due_us`);
#   `sealed` while that stands in a message.
# groups: when a group last spoke. messages: what is being said, at most one of a group at a time.
# storms: what was counted instead of queued, since it was last told. dead: what could not be delivered.
# refused: records of our topics that cannot be read.
_SCHEMA = """
CREATE TABLE offsets (topic TEXT, partition INTEGER, next INTEGER NOT NULL, PRIMARY KEY (topic, partition));
CREATE TABLE alerts (alert_id TEXT PRIMARY KEY, revision INTEGER NOT NULL, resolved INTEGER NOT NULL,
    pattern TEXT NOT NULL, severity INTEGER NOT NULL, score REAL NOT NULL, seen_us INTEGER NOT NULL,
    value BLOB NOT NULL);
CREATE TABLE acks (alert_id TEXT PRIMARY KEY, acknowledged INTEGER NOT NULL, author TEXT NOT NULL,
    seen_us INTEGER NOT NULL);
CREATE TABLE told (sink TEXT, alert_id TEXT, grp TEXT NOT NULL, state TEXT NOT NULL,
    revision INTEGER NOT NULL DEFAULT 0, severity INTEGER NOT NULL DEFAULT 0,
    told_us INTEGER NOT NULL DEFAULT 0, routed_us INTEGER NOT NULL,
    acknowledged INTEGER NOT NULL DEFAULT 0, repeats INTEGER NOT NULL DEFAULT 0, sealed INTEGER NOT NULL DEFAULT 0,
    word TEXT, due_us INTEGER, urgent INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (sink, alert_id));
CREATE INDEX told_due ON told (sink, due_us) WHERE due_us IS NOT NULL;
CREATE INDEX told_group ON told (sink, grp) WHERE due_us IS NOT NULL;
CREATE INDEX told_state ON told (sink, state);
CREATE INDEX told_alert ON told (alert_id);
CREATE TABLE groups (sink TEXT, grp TEXT, sent_us INTEGER NOT NULL, PRIMARY KEY (sink, grp));
CREATE TABLE messages (sink TEXT, grp TEXT, attempts INTEGER NOT NULL DEFAULT 0, sealed_us INTEGER NOT NULL,
    due_us INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (sink, grp));
CREATE TABLE storms (sink TEXT PRIMARY KEY, count INTEGER NOT NULL, due_us INTEGER NOT NULL, severity INTEGER NOT NULL,
    score REAL NOT NULL, worst BLOB NOT NULL);
CREATE TABLE dead (sink TEXT, message_id TEXT, word TEXT NOT NULL, attempts INTEGER NOT NULL,
    sealed_us INTEGER NOT NULL, dead_us INTEGER NOT NULL, why TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (sink, message_id));
CREATE TABLE refused (topic TEXT, partition INTEGER, offset INTEGER, why TEXT NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (topic, partition, offset));
"""


def open_database(state_dir: str | Path) -> sqlite3.Connection:
    """Open the file of a directory, both made where they are missing.

    Raises
    ------
    StateError
        It cannot be opened, or another version has written it.
    """
    directory = Path(state_dir)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        db = sqlite3.connect(directory / _FILE, timeout=_BUSY_S, isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        # Written through at every commit: what a power cut takes back was told to nobody.
        db.execute("PRAGMA synchronous = FULL")
        with transaction(db):
            _prepare(db, directory)
    except (OSError, sqlite3.Error) as error:
        raise StateError(f"notify.state_dir: expected to keep deliveries in {directory}, found: {error}") from error
    return db


def _prepare(db: sqlite3.Connection, directory: Path) -> None:
    (found,) = db.execute("PRAGMA user_version").fetchone()
    if found == 0:
        for statement in _SCHEMA.split(";"):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    elif found != SCHEMA_VERSION:
        raise StateError(
            f"notify.state_dir: expected version {SCHEMA_VERSION} in {directory / _FILE}, found {found}; run the "
            "version that wrote it until it is empty, or move it away: delivery then begins where the group committed"
        )


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All that is done in the block, or nothing of it."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        # SQLite takes back by itself what a full disk interrupts.
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


@contextmanager
def alone_in(state_dir: str | Path) -> Iterator[None]:
    """Keep other notifiers out of a directory while the block runs, and however it ends.

    Raises
    ------
    StateError
        Another one is there, or the directory cannot be written to.
    """
    directory = Path(state_dir)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateError(
            f"notify.state_dir: expected to write to {directory}, found: {error.strerror or error}"
        ) from error
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StateError(
                f"notify.state_dir: expected {directory} for this notifier alone, found another that uses it"
            ) from error
        yield
    finally:
        os.close(file)
