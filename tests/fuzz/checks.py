"""What must hold for one batch of inputs, whatever they are; a `Violation` says what did not, and of which bytes."""

import json
import math
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

import msgspec

from detectors.errors import DecodeError
from detectors.events import EVENT_TYPES, LARGEST_NUMBER, LATEST_TIMESTAMP_US, BookSnapshot, Event
from streams.codecs import (
    MOST_REFUSALS,
    WHOLE_RECORD,
    Decoded,
    RecordDecoder,
    decode_activity_frame,
    decode_alert,
    decode_signal_frame,
    encode_alert,
    encode_event,
    encode_frame,
    split_frame,
)
from streams.dead_letters import dead_letter
from streams.files import EventFiles, Line, UnroutableLine
from streams.replay import Replay
from streams.settings import Settings
from tests.fuzz.works import MAX_RECORD_BYTES, Escape, Violation, Works, read_letter

_DECODERS = {topic: RecordDecoder(topic, MAX_RECORD_BYTES) for topic in EVENT_TYPES}
_POSITIVE = {"price", "entry_price", "leverage", "prev_leverage", "last_price", "mark_price", "index_price"}
_UNSIGNED = {"amount", "latency_us", "open_interest"}
_NAMES = {"symbol", "account", "component"}
_OPTIONAL_NAMES = {("Liquidation", "account")}


class Tally(Counter[str]):
    """Counts of inputs, of accepted ones, and of refused ones by reason."""


def check_records(topic: str, values: Sequence[bytes | None]) -> Tally:
    """Decode records: each element is taken or refused, exactly once, with its own bytes."""
    decoded = _decode(topic, values)
    taken: Counter[int] = Counter(decoded.offsets)
    refused: dict[int, list[int]] = {}
    for letter in decoded.refused:
        refused.setdefault(letter.offset, []).append(letter.element)
        read_letter(*dead_letter(topic, 0, letter, "squall"), letter.raw)
    for offset, value in enumerate(values):
        _check_accounts(value or b"", taken[offset], refused.get(offset, []), decoded, offset)
    for event in decoded.events:
        check_event(topic, event)
    tally = Tally({f"refused {letter.reason}": 0 for letter in decoded.refused})
    tally.update(f"refused {letter.reason}" for letter in decoded.refused)
    tally["accepted"] = len(decoded.events)
    return tally


def _decode(topic: str, values: Sequence[bytes | None]) -> Decoded:
    try:
        return _DECODERS[topic].decode(values, range(len(values)))
    except Exception as error:
        if len(values) == 1:
            raise Escape(f"{topic}: {error!r}", values[0] or b"") from error
        for value in values:
            _decode(topic, [value])
        raise


def _check_accounts(value: bytes, taken: int, refused: list[int], decoded: Decoded, offset: int) -> None:
    elements = split_frame(value) if len(value) <= MAX_RECORD_BYTES else None
    if refused == [WHOLE_RECORD]:
        many = elements is not None and len(elements) > MOST_REFUSALS
        if taken or not (elements is None or many):
            raise Violation("expected elements to be refused one by one, found the record refused as a whole", value)
    elif elements is None:
        if taken != 1 or refused:
            raise Violation(f"expected one event or one refusal, found {taken} and {refused}", value)
    elif taken + len(refused) != len(elements) or len(set(refused)) != len(refused):
        raise Violation(f"expected {len(elements)} elements, found {taken} and {len(refused)} refused", value)
    for letter in decoded.refused if refused else ():
        if letter.offset != offset:
            continue
        raw = value if elements is None or letter.element == WHOLE_RECORD else elements[letter.element]
        if letter.raw != raw:
            raise Violation("expected the bytes of the element in its refusal", value)


def check_neighbours(topic: str, elements: Sequence[tuple[bytes, bool | None]]) -> Tally:
    """Decode a frame of elements known to be good (True), bad (False) or neither (None)."""
    value = b"[" + b",".join(raw for raw, _ in elements) + b"]"
    tally = check_records(topic, [value])
    decoded = _DECODERS[topic].decode([value], [0])
    refused = {letter.element for letter in decoded.refused}
    places = [place for place in range(len(elements)) if place not in refused]
    if WHOLE_RECORD in refused or len(places) != len(decoded.events):
        raise Violation(f"expected {len(elements)} elements, found {len(decoded.events)} taken", value)
    for place, (raw, good) in enumerate(elements):
        if good is not None and good is (place in refused):
            raise Violation(f"expected element {place} to be {'taken' if good else 'refused'}: {raw[:200]!r}", value)
    for place, event in zip(places, decoded.events, strict=True):
        alone = _DECODERS[topic].decode([elements[place][0]], [0]).events
        if alone != [event]:
            raise Violation(f"expected element {place} as it is alone, found {event}", value)
    return tally


def check_event(topic: str, event: Event) -> None:
    """An event that was taken keeps the bounds of the contract, and survives a round trip."""
    if type(event) is not EVENT_TYPES[topic]:
        raise Violation(f"expected an event of {topic}, found {event}")
    kind = type(event).__name__
    for name in event.__struct_fields__:
        found = getattr(event, name)
        levels = [*found] if isinstance(found, list) else []
        numbers = [part for level in levels for part in level] + ([found] if isinstance(found, float) else [])
        ok = all(math.isfinite(number) and abs(number) <= LARGEST_NUMBER for number in numbers)
        ok = ok and all(price > 0 and amount >= 0 for price, amount in levels)
        ok = ok and not (name in _POSITIVE and found is not None and found <= 0)
        ok = ok and not (name in _UNSIGNED and found is not None and found < 0)
        ok = ok and not (name.endswith("timestamp") and not 0 <= found <= LATEST_TIMESTAMP_US)
        ok = ok and not (name in _NAMES and not ((kind, name) in _OPTIONAL_NAMES or 1 <= len(found) <= 128))
        if not ok:
            raise Violation(f"expected {topic}.{name} within its bounds, found {found!r}", encode_event(event))
    if isinstance(event, BookSnapshot) and event.bids and event.asks and event.bids[0][0] >= event.asks[0][0]:
        raise Violation("expected no crossed book", encode_event(event))
    again = _DECODERS[topic].decode([encode_event(event)], [0])
    if again.events != [event]:
        raise Violation("expected an event to survive a round trip", encode_event(event))


def check_own(topic: str, value: bytes) -> Tally:
    """Read a record of a topic between stages, or an alert: it is refused, or it can be written and read again."""
    try:
        if topic == "alerts":
            alert = decode_alert(value)
            same = decode_alert(encode_alert(alert)) == alert
        elif topic == "signals":
            signals = decode_signal_frame(value)
            same = decode_signal_frame(encode_frame(signals)) == signals
        else:
            activity = decode_activity_frame(value)
            same = decode_activity_frame(encode_frame(activity)) == activity
    except DecodeError:
        return Tally({"refused schema": 1})
    except Exception as error:
        raise Escape(f"{topic}: {error!r}", value) from error
    if not same:
        raise Violation(f"expected a record of {topic} to survive a round trip", value)
    return Tally({"accepted": 1})


def check_own_in_stages(topic: str, values: Sequence[bytes]) -> Tally:
    """Let a stage take records of another, some of them broken: each is taken or refused, and nothing escapes."""
    works = Works()
    for value in values:
        works.take_own(topic, value)
    refused = len(works.letters)
    return Tally({"accepted": len(values) - refused, "refused schema": refused})


def check_file(lines: Sequence[bytes], chance: Random) -> Tally:
    """Replay a file: each line is an event or one dead letter with its bytes, and what is written can be read back."""
    with tempfile.TemporaryDirectory() as directory:
        path, out = Path(directory) / "events.ndjson", Path(directory) / "out"
        path.write_bytes(b"\n".join(lines) + chance.choice((b"", b"\n", b"\r\n")))
        # A line feed inside a mutated line makes two of it; blank lines are none.
        expected = [raw for line in path.read_bytes().split(b"\n") if (raw := line.strip(b" \t\r\n"))]
        read = list(EventFiles([path]))
        raws = [line.raw if isinstance(line, Line) else line.refused.raw for line in read]
        if raws != expected:
            raise Violation(f"expected {len(expected)} lines, found {len(raws)}", b"\n".join(lines))
        replay = Replay(Settings(partitions=2))
        replay.run(iter(read), out, lambda _: None)
        return _check_outputs(out, replay, expected, sum(isinstance(line, UnroutableLine) for line in read))


def _check_outputs(out: Path, replay: Replay, expected: list[bytes], unroutable: int) -> Tally:
    events, refused = replay.summary.events.total(), replay.summary.refused
    letters = [msgspec.json.decode(line) for line in (out / "dead-letters.ndjson").read_bytes().splitlines()]
    unread = len(expected) - events - len(letters)
    if unread or len(letters) != refused.total() or len(letters) < unroutable:
        raise Violation(f"expected {len(expected)} lines accounted for, {unread} are not", b"\n".join(expected))
    for name in ("alerts", "signals", "dead-letters"):
        for line in (out / f"{name}.ndjson").read_bytes().splitlines():
            json.loads(line, parse_constant=_no_number)
            if name == "alerts":
                decode_alert(line)
    json.loads((out / "summary.json").read_bytes(), parse_constant=_no_number)
    tally = Tally({f"refused {reason}": many for reason, many in refused.items()})
    tally["accepted"] = events
    return tally


def _no_number(name: str) -> None:
    raise Violation(f"expected finite numbers, found {name}")
