"""Bytes to events and back: typed decoding that never raises on what a producer may send.

A record value is one JSON object or an array of them (a frame). Each element stands alone: a bad one is refused with a
reason, and its neighbours are taken. Only a record that is no JSON array of separable elements is refused as a whole.
"""

import re
from collections.abc import Callable, Collection, Sequence
from typing import Literal, NamedTuple, Protocol, TypeVar, cast

import msgspec

from detectors.decisions import AuditRecord, RateLimit, StressFrame, Trip
from detectors.errors import DecodeError
from detectors.events import EVENT_TYPES, BookSnapshot, Event, OptionalName, Timestamp
from detectors.results import ActivityFrame, Alert, Refusal, RefusedRecord, SignalFrame
from streams.frame_checks import activity_fault, signals_fault, stress_fault

#: Why an element was refused; the label of the counter. `future` is made by the core, the others here.
Reason = Literal["empty", "too_large", "malformed", "schema", "crossed_book", "future"]

#: The `element` of a refusal that is about a record as a whole: one object, or a value that is no frame.
WHOLE_RECORD = -1
#: A frame with more bad elements than this is refused as a whole: one record must not become a flood of dead letters.
MOST_REFUSALS = 1_000
#: Messages quote what was found, which a producer may have made very long.
LONGEST_MESSAGE = 500

#: All that msgspec raises on hostile bytes: bad JSON or types, bad UTF-8, nesting deeper than the C stack may go.
_DECODING_ERRORS = (msgspec.DecodeError, UnicodeError, RecursionError)
#: JSON's own; other blanks belong to what was sent.
_SPACE = b" \t\r\n"
# Possessive throughout, and an unclosed string runs to the end: one pass over any bytes, no backtracking.
_STRING = rb'"(?:[^"\\]++|\\.?)*+"?'
_BRACKETS = rb"[\[{]++|[\]}]++"
_TO_NEXT_BRACKETS = re.compile(rb'(?:[^"\[\]{}]++|' + _STRING + rb")*+(" + _BRACKETS + rb")", re.DOTALL)
_TO_NEXT_MARK = re.compile(rb'(?:[^",\[\]{}]++|' + _STRING + rb")*+(,|" + _BRACKETS + rb")", re.DOTALL)


class RefusedElement(NamedTuple):
    """An element (or a whole record) that was not taken: `raw` is what goes to the dead letters, unchanged."""

    offset: int
    element: int
    reason: str
    message: str
    raw: bytes


class _Place(msgspec.Struct):
    """What tells of an event when and where it was, whatever else is wrong with it."""

    timestamp: Timestamp | None = None
    symbol: OptionalName = ""


class Decoded(NamedTuple):
    """What a batch of records held: events in order, the offset of each one's record, and what was refused."""

    events: list[Event]
    offsets: list[int]
    refused: list[RefusedElement]


class RecordReader(Protocol):
    """Reads records that are not of our own contract; msgspec.ValidationError when one does not fit."""

    def one(self, raw: bytes) -> Event:
        """Read a record, or an element of a frame, that is one object."""
        ...

    def one_or_frame(self, raw: bytes) -> Event | list[Event]:
        """Read a record that is one object, or an array of them."""
        ...


class RecordDecoder:
    """Decodes the record values of one topic.

    Whatever the bytes are, `decode` returns: truncated JSON, bad UTF-8, nesting of any depth and numbers of any length
    come back as refusals. A null or empty value is refused too (input topics are not compacted, so nobody deletes by
    key). An empty array holds nothing and is taken. A frame with more than `MOST_REFUSALS` bad elements is refused as
    a whole.

    Parameters
    ----------
    topic
        An input topic; a key of `detectors.events.EVENT_TYPES`.
    max_record_bytes
        A longer value is refused unread.
    reader
        Reads the records where they are not of our own contract.

    Examples
    --------
    >>> decoder = RecordDecoder("latency")
    >>> good = b'{"type":"latency","timestamp":5,"component":"gateway","latency_us":"80.5"}'
    >>> decoded = decoder.decode([good, b'[{"timestamp":6}]'], [40, 41])
    >>> [event.latency_us for event in decoded.events], decoded.offsets
    ([80.5], [40])
    >>> decoded.refused[0][:4]
    (41, 0, 'schema', 'Object missing required field `component`')
    """

    def __init__(self, topic: str, max_record_bytes: int = 1_048_576, reader: RecordReader | None = None) -> None:
        kind = EVENT_TYPES[topic]
        self.topic = topic
        self.max_record_bytes = max_record_bytes
        self._checks_books = kind is BookSnapshot
        self._one: Callable[[bytes], Event]
        self._one_or_frame: Callable[[bytes], Event | list[Event]]
        if reader is None:
            # Not strict: numbers may be sent as strings.
            self._one = msgspec.json.Decoder(kind, strict=False).decode
            one_or_frame = msgspec.json.Decoder(kind | list[kind], strict=False)  # type: ignore[valid-type]
            self._one_or_frame = one_or_frame.decode
        else:
            self._one, self._one_or_frame = reader.one, reader.one_or_frame

    def decode(self, values: Sequence[bytes | None], offsets: Sequence[int]) -> Decoded:
        """Decode record values, given with their offsets, in order."""
        decoded = Decoded([], [], [])
        take, at = decoded.events.append, decoded.offsets.append
        one_or_frame, limit = self._one_or_frame, self.max_record_bytes
        for value, offset in zip(values, offsets, strict=True):
            if value and len(value) <= limit:
                try:
                    found = one_or_frame(value)
                except _DECODING_ERRORS as error:
                    self._salvage(value, offset, error, decoded)
                    continue
                if type(found) is list:
                    decoded.events.extend(found)
                    decoded.offsets.extend([offset] * len(found))
                else:
                    take(found)  # type: ignore[arg-type]
                    at(offset)
            else:
                decoded.refused.append(self._refuse_unread(value or b"", offset))
        return self._without_crossed_books(values, offsets, decoded) if self._checks_books else decoded

    def place(self, refused: RefusedElement) -> RefusedRecord:
        """What can be known of an element that `decode` refused: it may be one that can be read but not be true.

        Examples
        --------
        >>> RecordDecoder("trades").place(RefusedElement(7, 0, "schema", "", b'{"timestamp":5,"symbol":"X","price":0}'))
        RefusedRecord(offset=7, reason='schema', timestamp=5, symbol='X')
        """
        found: object = None
        if len(refused.raw) <= self.max_record_bytes:
            try:
                found = self._one(refused.raw) if refused.reason == "crossed_book" else _decode_place(refused.raw)
            except _DECODING_ERRORS:
                found = None
        timestamp, symbol = getattr(found, "timestamp", None), getattr(found, "symbol", "")
        return RefusedRecord(refused.offset, refused.reason, -1 if timestamp is None else timestamp, symbol)

    def _refuse_unread(self, value: bytes, offset: int) -> RefusedElement:
        if not value:
            return RefusedElement(offset, WHOLE_RECORD, "empty", "Expected a JSON object or array, got no bytes", value)
        message = f"Expected at most {self.max_record_bytes} bytes, got {len(value)}"
        return RefusedElement(offset, WHOLE_RECORD, "too_large", message, value)

    def _salvage(self, value: bytes, offset: int, error: Exception, decoded: Decoded) -> None:
        """Take the good elements of a record that failed, and refuse the others."""
        elements = split_frame(value)
        if elements is None:
            decoded.refused.append(_refusal(offset, WHOLE_RECORD, error, value))
            return
        events: list[Event] = []
        refused: list[RefusedElement] = []
        for element, raw in enumerate(elements):
            try:
                events.append(self._one(raw))
            except _DECODING_ERRORS as element_error:
                refused.append(_refusal(offset, element, element_error, raw))
                if len(refused) > MOST_REFUSALS:
                    decoded.refused.append(_refusal(offset, WHOLE_RECORD, element_error, value))
                    return
        decoded.events.extend(events)
        decoded.offsets.extend([offset] * len(events))
        decoded.refused.extend(refused)

    def _without_crossed_books(
        self, values: Sequence[bytes | None], offsets: Sequence[int], decoded: Decoded
    ) -> Decoded:
        crossed = [index for index, book in enumerate(decoded.events) if _is_crossed(cast("BookSnapshot", book))]
        if not crossed:
            return decoded
        refusals = [Refusal(index, "crossed_book", _crossing(decoded.events[index])) for index in crossed]
        located = locate_refusals(refusals, values, offsets, decoded)
        whole = {refused.offset for refused in located if refused.element == WHOLE_RECORD}
        refused = [refused for refused in decoded.refused if refused.offset not in whole]
        dropped = set(crossed)
        kept = [i for i, offset in enumerate(decoded.offsets) if i not in dropped and offset not in whole]
        return Decoded([decoded.events[i] for i in kept], [decoded.offsets[i] for i in kept], sorted(refused + located))


def locate_refusals(
    refusals: Sequence[Refusal], values: Sequence[bytes | None], offsets: Sequence[int], decoded: Decoded
) -> list[RefusedElement]:
    """Find the bytes of events that were refused after they had been decoded.

    A record with more than `MOST_REFUSALS` bad elements, those that `decoded` refused included, comes back once, as a
    whole, whatever became of its other elements.

    Parameters
    ----------
    refusals
        `element` is an index into `decoded.events`, as the core gives it.
    values, offsets
        The batch that `decoded` was made of.
    decoded
        What `RecordDecoder.decode` returned for them.
    """
    value_at = dict(zip(offsets, values, strict=True))
    first_at: dict[int, int] = {}
    for index, offset in enumerate(decoded.offsets):
        first_at.setdefault(offset, index)
    gone_at: dict[int, set[int]] = {}
    for refused in decoded.refused:
        gone_at.setdefault(refused.offset, set()).add(refused.element)
    refusals_at: dict[int, list[Refusal]] = {}
    for refusal in refusals:
        refusals_at.setdefault(decoded.offsets[refusal.element], []).append(refusal)
    return [
        located
        for offset, found in refusals_at.items()
        for located in _locate(offset, value_at[offset] or b"", found, first_at[offset], gone_at.get(offset, set()))
    ]


def _locate(
    offset: int, value: bytes, refusals: Sequence[Refusal], first: int, gone: Collection[int]
) -> list[RefusedElement]:
    """Find the bytes of refused events of one record: `first` is its first event, `gone` gave none."""
    if len(refusals) + len(gone) > MOST_REFUSALS:
        message = f"{len(refusals) + len(gone)} elements refused, one of them: {refusals[0].message}"[:LONGEST_MESSAGE]
        return [RefusedElement(offset, WHOLE_RECORD, refusals[0].reason, message, value)]
    elements = split_frame(value)
    if elements is None:
        return [RefusedElement(offset, WHOLE_RECORD, refusal.reason, refusal.message, value) for refusal in refusals]
    taken = [element for element in range(len(elements)) if element not in gone]
    placed = [(taken[refusal.element - first], refusal) for refusal in refusals]
    return [RefusedElement(offset, at, refusal.reason, refusal.message, elements[at]) for at, refusal in placed]


def split_frame(value: bytes) -> list[bytes] | None:
    """Cut a JSON array into the bytes of its elements, without reading them; None when it is not one whole array.

    Brackets are counted, not matched in kind, and depth costs no stack: an element may be broken or absurdly deep and
    its neighbours still come out.

    Examples
    --------
    >>> split_frame(b' [{"a": [1, 2]}, NaN, "x,y"] ')
    [b'{"a": [1, 2]}', b'NaN', b'"x,y"']
    >>> split_frame(b'[{"a": 1}'), split_frame(b'{"a": 1}'), split_frame(b'[ ]')
    (None, None, [])
    """
    body = value.strip(_SPACE)
    if not body.startswith(b"["):
        return None
    elements: list[bytes] = []
    depth, start, position = 1, 1, 1
    while match := (_TO_NEXT_MARK if depth == 1 else _TO_NEXT_BRACKETS).match(body, position):
        marks, position = match.group(1), match.end()
        if marks == b",":
            elements.append(body[start : position - 1].strip(_SPACE))
            start = position
        elif marks[0] in b"[{":
            depth += len(marks)
        elif len(marks) < depth:
            depth -= len(marks)
        else:
            last = body[start : position - len(marks) + depth - 1].strip(_SPACE)
            whole = position == len(body) and len(marks) == depth
            return ([*elements, last] if last or elements else []) if whole else None
    return None


def _refusal(offset: int, element: int, error: Exception, raw: bytes) -> RefusedElement:
    schema = isinstance(error, msgspec.ValidationError)
    return RefusedElement(offset, element, "schema" if schema else "malformed", str(error)[:LONGEST_MESSAGE], raw)


def _is_crossed(book: BookSnapshot) -> bool:
    return bool(book.bids and book.asks) and book.bids[0][0] >= book.asks[0][0]


def _crossing(event: Event) -> str:
    book = cast("BookSnapshot", event)
    return f"Expected best bid < best ask, got {book.bids[0][0]} >= {book.asks[0][0]} - at `$.bids[0]`"


_Own = TypeVar("_Own", ActivityFrame, SignalFrame, StressFrame, Alert)

# Exact numbers are numbers, not text.
_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode_place = msgspec.json.Decoder(_Place, strict=False).decode
_decode_activity = msgspec.json.Decoder(ActivityFrame).decode
_decode_signals = msgspec.json.Decoder(SignalFrame).decode
_decode_stress = msgspec.json.Decoder(StressFrame).decode
_decode_alert = msgspec.json.Decoder(Alert).decode


def encode_event(event: Event) -> bytes:
    """One event as a record value, with its `type`."""
    return _encode(event)


def encode_alert(alert: Alert) -> bytes:
    """One revision of an alert as a record value."""
    return _encode(alert)


def encode_decision(decision: RateLimit | Trip | AuditRecord) -> bytes:
    """What was decided as a record value."""
    return _encode(decision)


def encode_frame(frame: ActivityFrame | SignalFrame | StressFrame) -> bytes:
    """A frame between stages as a record value."""
    return _encode(frame)


def decode_activity_frame(value: bytes) -> ActivityFrame:
    """Read a record of `account-activity`; DecodeError when it is not one."""
    return _decode_own(_decode_activity, value, "account-activity", activity_fault)


def decode_signal_frame(value: bytes) -> SignalFrame:
    """Read a record of `signals`; DecodeError when it is not one."""
    return _decode_own(_decode_signals, value, "signals", signals_fault)


def decode_stress_frame(value: bytes) -> StressFrame:
    """Read a record of `stress`; DecodeError when it is not one."""
    return _decode_own(_decode_stress, value, "stress", stress_fault)


def decode_alert(value: bytes) -> Alert:
    """Read a record of `alerts`; DecodeError when it is not one."""
    return _decode_own(_decode_alert, value, "alerts", lambda _: None)


def _decode_own(
    decode: Callable[[bytes], _Own], value: bytes, topic: str, fault_of: Callable[[_Own], str | None]
) -> _Own:
    try:
        found = decode(value)
    except _DECODING_ERRORS as error:
        raise DecodeError(f"record of {topic}: {error}") from error
    fault = fault_of(found)
    if fault is not None:
        raise DecodeError(f"record of {topic}: {fault}")
    return found
