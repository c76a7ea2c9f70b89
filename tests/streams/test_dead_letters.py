"""Dead letters: the refused bytes unchanged, and headers that Kafka Connect's tools know."""

from streams.codecs import RecordDecoder
from streams.dead_letters import dead_letter


def test_a_dead_letter_says_where_it_was_found_and_why() -> None:
    (refused,) = RecordDecoder("trades").decode([b'[{"type":"cancel"}]'], [41]).refused
    value, headers = dead_letter("trades", 2, refused, "squall")
    assert value == b'{"type":"cancel"}'
    assert dict(headers) == {
        "__connect.errors.topic": b"trades",
        "__connect.errors.partition": b"2",
        "__connect.errors.offset": b"41",
        "__connect.errors.connector.name": b"squall",
        "__connect.errors.stage": b"VALUE_CONVERTER",
        "__connect.errors.class.name": b"streams.codecs.RecordDecoder",
        "__connect.errors.exception.class.name": b"detectors.errors.DecodeError",
        "__connect.errors.exception.message": b"Invalid value 'cancel' - at `$.type`",
        "squall.reason": b"schema",
        "squall.element": b"0",
    }


def test_a_value_quoted_in_the_message_cannot_break_the_headers() -> None:
    value = '{"type":"' + "é\U0001f300" * 2_000 + '"}'
    (refused,) = RecordDecoder("trades").decode([value.encode()], [0]).refused
    _, headers = dead_letter("trades", 0, refused, "squall")
    assert len(dict(headers)["__connect.errors.exception.message"].decode()) <= 500
