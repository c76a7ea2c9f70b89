"""Dead letters: the refused bytes unchanged, and headers that Kafka Connect's tools know."""

import pytest
from aiokafka import AIOKafkaProducer

from streams.broker import Broker
from streams.codecs import WHOLE_RECORD, RecordDecoder, RefusedElement
from streams.dead_letters import LONGEST_VALUE_BYTES, dead_letter
from streams.topics import DEAD_LETTERS, LARGEST_RECORD_BYTES, bootstrap_servers, ensure_topics
from tests.streams.worker_bench import reading


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


@pytest.mark.parametrize(
    ("longer", "truncated"), [(0, None), (1, str(LONGEST_VALUE_BYTES + 1).encode()), (9_000_000, b"11064384")]
)
def test_a_value_that_the_broker_would_refuse_is_cut_and_its_length_told(longer: int, truncated: bytes | None) -> None:
    raw = b"[" + b"x" * (LONGEST_VALUE_BYTES + longer - 1)
    value, headers = dead_letter("trades", 2, RefusedElement(41, WHOLE_RECORD, "too_large", "", raw), "squall")
    assert value == raw[:LONGEST_VALUE_BYTES]
    assert dict(headers).get("squall.truncated") == truncated


def test_headers_of_a_long_path_and_message_fit_beside_the_longest_value() -> None:
    refused = RefusedElement(2**63, 2**31, "too_large", "\udc80" * 10_000, b"x" * LONGEST_VALUE_BYTES)
    value, headers = dead_letter("\udc80" * 4_096, 2**31, refused, "s" * 250)
    assert len(value) + sum(len(name) + len(text) + 10 for name, text in headers) + 200 < LARGEST_RECORD_BYTES


@pytest.mark.asyncio
async def test_the_longest_dead_letter_is_taken_by_a_broker(own_broker: Broker) -> None:
    await ensure_topics(own_broker.url, 1)
    refused = RefusedElement(41, WHOLE_RECORD, "too_large", "e" * 500, b"x" * (LARGEST_RECORD_BYTES + 1))
    value, headers = dead_letter("trades", 2, refused, "squall")
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers(own_broker.url), max_request_size=2 * LARGEST_RECORD_BYTES
    )
    await producer.start()
    try:
        await producer.send_and_wait(DEAD_LETTERS, value, headers=headers)
    finally:
        await producer.stop()
    async with reading(own_broker.url, DEAD_LETTERS) as letters:
        assert [len(letter.value) for letter in await letters.read()] == [LONGEST_VALUE_BYTES]
