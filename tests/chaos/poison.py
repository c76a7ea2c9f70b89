"""Records that no worker may take, and none may stumble over: each is refused as exactly one element."""

import json
from collections.abc import Callable
from random import Random

from detectors.events import EVENT_TYPES, KEY_FIELD

HUGE_BYTES = 10_000_000
_NESTING = 60_000
#: Everything but `oversized`, of which a few do: each is 10 MB to make, send, read and cut.
KINDS = ("truncated", "wrong_types", "deep", "bad_utf8", "huge_number", "empty", "bad_neighbour", "missing_field")
OVERSIZED = "oversized"


def poison(kind: str, topic: str, key: str, good: bytes, chance: Random) -> bytes:
    """Make a poison record.

    Parameters
    ----------
    kind
        One of `KINDS`, or `OVERSIZED`.
    topic, key
        Where it goes.
    good
        A valid record of that topic, which some kinds spoil.
    chance
        Where a record is cut.
    """
    tag = str(EVENT_TYPES[topic].__struct_config__.tag)
    makers: dict[str, Callable[[], bytes]] = {
        "truncated": lambda: good[: chance.randrange(1, len(good) - 1)],
        "wrong_types": lambda: json.dumps({"type": tag, "timestamp": "soon", KEY_FIELD[topic]: [key]}).encode(),
        "deep": lambda: b'{"timestamp":' + b"[" * _NESTING,
        "bad_utf8": lambda: b'{"type":"' + tag.encode() + b'","timestamp":1,"note":"\xff\xfe\x80"',
        "huge_number": lambda: b'{"type":"' + tag.encode() + b'","timestamp":' + b"9" * 400 + b"}",
        "empty": lambda: b"",
        # Its neighbour is a good event, and has to be taken.
        "bad_neighbour": lambda: b"[" + good + b',{"timestamp":null}]',
        "missing_field": lambda: b'{"type":"' + tag.encode() + b'"}',
        OVERSIZED: lambda: b'{"type":"' + tag.encode() + b'","note":"' + b"x" * HUGE_BYTES + b'"}',
    }
    return makers[kind]()
