"""What is said to a sink: a word on one or several alerts, made once and sent, unchanged, until it is settled."""

import hashlib
from collections.abc import Sequence
from typing import Literal

import msgspec

from detectors.results import Alert, Severity, Status

#: `repeated`: said again, since nobody looks after it; `storm`: a summary of alerts that are not sent singly.
Word = Literal["opened", "updated", "repeated", "acknowledged", "resolved", "storm", "test"]

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
#: The words that say that an alert is open.
FIRING: tuple[Word, ...] = ("opened", "updated", "repeated")
#: What the status of an alert is in a message with such a word.
_STATUS: dict[Word, Status] = {"opened": "open", "updated": "update", "repeated": "update", "resolved": "resolved"}


class Item(msgspec.Struct, frozen=True, omit_defaults=True):
    """One alert in a message.

    `told_severity` is what the sink heard before, if anything; `repeats` how often it was said again; `by` is who looks
    after it.
    """

    alert: Alert
    told_severity: Severity | None = None
    repeats: int = 0
    by: str = ""


class Message(msgspec.Struct, frozen=True):
    """One message to one sink.

    `more` counts alerts that it stands for and does not hold: a storm's. `group` is what its alerts have in common.
    """

    message_id: str
    sink: str
    word: Word
    group: dict[str, str]
    items: tuple[Item, ...]
    made_us: int
    more: int = 0


_decoder = msgspec.json.Decoder(Message)
_encode = msgspec.json.Encoder().encode


def encode_message(message: Message) -> bytes:
    """Write a message as it is kept."""
    return _encode(message)


def decode_message(body: bytes) -> Message:
    """Read a message that was kept."""
    return _decoder.decode(body)


def as_told(alert: Alert, word: Word) -> Alert:
    """Give an alert the status that a word says: one that is over by now may still have to be told as open."""
    status = _STATUS.get(word)
    return alert if status is None else msgspec.structs.replace(alert, status=status)


def message_id(word: Word, items: Sequence[Item]) -> str:
    """Make the id of a message: the same alerts, revisions and state give the same id, so that receivers can tell.

    Parameters
    ----------
    word
        What is said.
    items
        Of what, at least one.

    Examples
    --------
    >>> from streams.notify.samples import sample_alert
    >>> alert = sample_alert(alert_id="a1", revision=3)
    >>> message_id("opened", [Item(alert)]), message_id("repeated", [Item(alert, repeats=2)])
    ('a1.3.firing', 'a1.3.firing.2')
    >>> message_id("resolved", [Item(alert), Item(alert)])
    'group.c77b832d98cbd498b6fbf6d75ff10bdb'
    """
    names = [_item_name(word, item) for item in items]
    if len(names) == 1:
        return names[0]
    return f"group.{hashlib.blake2b('|'.join(sorted(names)).encode(), digest_size=16).hexdigest()}"


def _item_name(word: Word, item: Item) -> str:
    state = "firing" if word in FIRING else word
    again = f".{item.repeats}" if item.repeats else ""
    return f"{item.alert.alert_id}.{item.alert.revision}.{state}{again}"
