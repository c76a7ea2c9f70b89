"""Records of one of an exchange's topics, as events."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import fields

from detectors.events import EVENT_TYPES, KEY_FIELD, LATEST_TIMESTAMP_US, Event
from streams.files import Line
from streams.mapping.field_specs import MISSING, TEXTS, TIMES, Reader
from streams.mapping.values import shown

#: Numbers with a point or an exponent stay texts: as floats they would be rounded.
_decode_any = msgspec.json.Decoder(float_hook=str).decode
_encode = msgspec.json.encode
_field_in = re.compile(r"at `\$\.(\w+)").search
_json_number = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?").fullmatch


class FieldReader(NamedTuple):
    """How one field of an event is read; `path` is empty for a constant."""

    name: str
    read: Reader
    path: str


class Condition(NamedTuple):
    """What a record must have at a path, as text, to be one of a stream."""

    path: str
    find: Reader
    texts: frozenset[str]

    def fits(self, record: object) -> bool:
        """Whether the record has it."""
        found = self.find(record)
        return str(found).lower() in self.texts if type(found) is bool else str(found) in self.texts


class MappedStream:
    """Reads the records of one topic.

    Parameters
    ----------
    topic
        Our name of it.
    readers
        How each field is read; those that the event must have are among them.
    conditions
        What every record must have.

    Raises
    ------
    msgspec.ValidationError
        While reading: a record does not fit. The message says what was expected, found, and where.
    """

    def __init__(self, topic: str, readers: Sequence[FieldReader], conditions: Sequence[Condition] = ()) -> None:
        self.topic = topic
        self.conditions = tuple(conditions)
        self._kind = EVENT_TYPES[topic]
        self._tag = str(self._kind.__struct_config__.tag)
        self._readers = tuple(readers)
        self._paths = {reader.name: reader.path for reader in readers}
        self._required = required_fields(topic)
        by_name = {reader.name: reader.read for reader in readers}
        self._read_time, self._read_key = by_name["timestamp"], by_name[KEY_FIELD[topic]]

    def one(self, raw: bytes) -> Event:
        """Read a record that is one object."""
        return self._event(_decode_any(raw))

    def one_or_frame(self, raw: bytes) -> Event | list[Event]:
        """Read a record that is one object, or an array of them."""
        record = _decode_any(raw)
        return [self._event(element) for element in record] if type(record) is list else self._event(record)

    def own_record(self, raw: bytes) -> bytes:
        """Write a record as our own, with the digits that it had."""
        values = self._values(_decode_any(raw))
        self._convert(values)
        written = {name: value if name in TEXTS or name in TIMES else _digits(value) for name, value in values.items()}
        return _encode({"type": self._tag, **written})

    def fits(self, record: object) -> bool:
        """Whether a record is one of this stream, as far as conditions tell."""
        return all(condition.fits(record) for condition in self.conditions)

    def line_of(self, record: object, raw: bytes, previous_timestamp: int) -> Line:
        """Tell where a record belongs, and when; it may still be refused as a whole."""
        key = self._read_key(record)
        if not isinstance(key, str) or not key:
            raise msgspec.ValidationError(
                f"Expected a name to route by, got {shown(key)} {self._place(KEY_FIELD[self.topic])}"
            )
        try:
            when = self._read_time(record)
        except msgspec.ValidationError:
            when = MISSING
        usable = isinstance(when, int) and 0 <= when <= LATEST_TIMESTAMP_US
        return Line(when if usable else previous_timestamp, self.topic, key, raw)

    def _event(self, record: Any) -> Event:  # noqa: ANN401 - whatever JSON has
        return self._convert(self._values(record))

    def _values(self, record: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever JSON has
        if type(record) is not dict:
            raise msgspec.ValidationError(f"Expected `object`, got {shown(record)}")
        for condition in self.conditions:
            if not condition.fits(record):
                wanted, found = " or ".join(sorted(condition.texts)), shown(condition.find(record))
                raise msgspec.ValidationError(f"Expected {wanted}, got {found} - at `{condition.path}` of the record")
        values: dict[str, Any] = {}
        for name, read, _ in self._readers:
            value = read(record)
            if value is not MISSING:
                values[name] = value
            elif name in self._required:
                raise msgspec.ValidationError(f"Object missing required field `{name}` {self._place(name)}")
        return values

    def _convert(self, values: Mapping[str, Any]) -> Event:
        try:
            return msgspec.convert(values, self._kind, strict=False)
        except msgspec.ValidationError as error:
            found = _field_in(str(error))
            path = self._paths.get(found[1]) if found else None
            raise msgspec.ValidationError(f"{error}, which is `{path}` of the record" if path else str(error)) from None
        except (OverflowError, ValueError) as error:
            raise msgspec.ValidationError(f"Expected numbers within our bounds, got one beyond: {error}") from None

    def _place(self, name: str) -> str:
        path = self._paths.get(name)
        return f"- at `{path}` of the record" if path else f"- the mapping's constant for `{name}`"


def decode_record(raw: bytes) -> object:
    """Read any JSON, as readers of fields take it; raises what msgspec raises."""
    return _decode_any(raw)


def required_fields(topic: str) -> frozenset[str]:
    """Tell the fields that an event must have.

    Examples
    --------
    >>> sorted(required_fields("latency"))
    ['component', 'latency_us', 'timestamp']
    """
    return frozenset(field.name for field in fields(EVENT_TYPES[topic]) if field.required)


def _digits(value: Any) -> Any:  # noqa: ANN401 - a number, its text, or levels
    if type(value) is str and _json_number(value):
        return msgspec.Raw(value.encode())
    return [[_digits(part) for part in level] for level in value] if type(value) is list else value
