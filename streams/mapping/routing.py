"""Lines of files that hold an exchange's own records: which stream each belongs to."""

import msgspec

from detectors.events import TOPIC_OF_TYPE
from streams.codecs import WHOLE_RECORD, RefusedElement
from streams.files import Line, Router, UnroutableLine, route
from streams.mapping.field_mapping import FieldMapping
from streams.mapping.mapped_stream import decode_record


def router_of(mapping: FieldMapping) -> Router:
    """Make what routes lines when a mapping is in force; see `streams.files.route`.

    Lines with a `type` of ours whose topic is not mapped are our own events. All others are records of the first stream
    whose `match` they meet.
    """
    if not mapping.streams:
        return route

    def route_mapped(raw: bytes, file: str, number: int, previous_timestamp: int) -> Line | UnroutableLine:
        try:
            record = decode_record(raw)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            # It says what is wrong with it.
            return route(raw, file, number, previous_timestamp)
        tag = record.get("type") if isinstance(record, dict) else None
        own_topic = TOPIC_OF_TYPE.get(tag) if isinstance(tag, str) else None
        if own_topic is not None and own_topic not in mapping.streams:
            return route(raw, file, number, previous_timestamp)
        stream = mapping.stream_of(record)
        if stream is None:
            message = f"Expected a record that meets the `match` of {', '.join(mapping.streams)}, got none of them"
        else:
            try:
                return stream.line_of(record, raw, previous_timestamp)
            except msgspec.ValidationError as error:
                message = str(error)
        return UnroutableLine(
            previous_timestamp, file, RefusedElement(number, WHOLE_RECORD, "schema", message[:500], raw)
        )

    return route_mapped
