"""Batches: nothing lost, nothing moved, limits kept."""

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from streams.batches import RecordBatch, cut_batches


class Record(NamedTuple):
    offset: int
    value: bytes | None
    timestamp: int | None


@st.composite
def fetched_records(draw: st.DrawFn) -> list[Record]:
    gaps = draw(st.lists(st.integers(1, 3), max_size=60))
    offset = draw(st.integers(0, 1_000))
    records = []
    for gap in gaps:
        records.append(Record(offset, draw(st.none() | st.binary(max_size=30)), draw(st.none() | st.integers(0, 9))))
        offset += gap
    return records


@given(fetched_records(), st.integers(1, 20), st.integers(1, 100))
def test_cutting_keeps_every_record_in_order(records: list[Record], max_records: int, max_bytes: int) -> None:
    start = records[0].offset if records else 0
    batches = list(cut_batches("trades", 1, start, records, max_records=max_records, max_bytes=max_bytes))
    again = [pair for batch in batches for pair in zip(batch.offsets, batch.values, strict=True)]
    assert again == [(record.offset, record.value) for record in records]


@given(fetched_records(), st.integers(1, 20), st.integers(1, 100))
def test_a_batch_says_when_its_last_record_was_sent(records: list[Record], max_records: int, max_bytes: int) -> None:
    sent = {record.offset: record.timestamp for record in records}
    for batch in cut_batches("trades", 1, 0, records, max_records=max_records, max_bytes=max_bytes):
        last_ms = sent[batch.offsets[-1]]
        assert batch.sent_ms == (-1 if last_ms is None else last_ms)


@given(fetched_records(), st.integers(1, 20), st.integers(1, 100))
def test_batches_keep_their_limits_and_follow_each_other(
    records: list[Record], max_records: int, max_bytes: int
) -> None:
    start = records[0].offset if records else 0
    expected = start
    for batch in cut_batches("trades", 1, start, records, max_records=max_records, max_bytes=max_bytes):
        assert batch.start == expected <= batch.offsets[0]
        assert 1 <= len(batch.offsets) <= max_records
        assert sum(len(value or b"") for value in batch.values[:-1]) < max_bytes
        expected = batch.next_offset


@given(fetched_records().filter(bool), st.integers(0, 1_200))
def test_what_stands_before_an_offset_is_passed_over(records: list[Record], offset: int) -> None:
    batch = RecordBatch("trades", 0, 0, [r.offset for r in records], [r.value for r in records])
    rest = batch.from_offset(offset)
    kept = [(record.offset, record.value) for record in records if record.offset >= offset]
    assert list(zip(rest.offsets, rest.values, strict=True)) == kept
