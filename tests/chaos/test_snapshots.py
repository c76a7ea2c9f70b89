"""What the checker takes for a complete checkpoint."""

from typing import Any

import msgspec

from detectors.revival import STATE_VERSION
from tests.chaos.snapshots import Snapshots

COMMITTED = {("trades", 1): 40, ("books", 1): 7}


def record(number: int, offsets: dict[str, int] | None, chain: list[tuple[int, str, int]]) -> bytes:
    header: dict[str, Any] | None = None
    if offsets is not None:
        header = {"partitions": 3, "tick_us": 100_000, "offsets": offsets, "chain": chain, "head": {"any": [1]}}
    return bytes([STATE_VERSION, 0]) + msgspec.msgpack.encode([header, [["symbol", "BTC", {"a": number}]], []])


def test_a_checkpoint_that_reaches_as_far_as_what_is_committed_is_enough() -> None:
    snapshots = Snapshots()
    assert snapshots.beyond(COMMITTED) == ["market/1"]
    snapshots.see(1, b"market/1/w/0", record(1, {"trades": 40, "books": 7}, [(1, "w", 1)]))
    assert snapshots.beyond(COMMITTED) == []
    assert snapshots.beyond(COMMITTED | {("trades", 1): 41}) == ["market/1"]
    assert snapshots.beyond({("trades", 0): 40}) == ["market/0"]
    assert snapshots.beyond({("signals", 0): 0}) == []


def test_a_checkpoint_that_ends_before_in_one_topic_is_not_enough() -> None:
    snapshots = Snapshots()
    snapshots.see(1, b"market/1/w/0", record(1, {"trades": 100, "books": 6}, [(1, "w", 1)]))
    assert snapshots.beyond(COMMITTED) == ["market/1"]


def test_a_checkpoint_counts_only_with_all_its_records_and_those_of_its_chain() -> None:
    snapshots = Snapshots()
    offsets = {"trades": 40, "books": 7}
    snapshots.see(1, b"market/2/w/0", record(2, offsets, [(1, "v", 1), (2, "w", 2)]))
    assert snapshots.beyond(COMMITTED) == ["market/1"]
    snapshots.see(1, b"market/2/w/1", record(2, None, []))
    assert snapshots.beyond(COMMITTED) == ["market/1"]
    snapshots.see(1, b"market/1/v/0", record(1, {"trades": 1}, [(1, "v", 1)]))
    assert snapshots.beyond(COMMITTED) == []
    snapshots.see(1, b"market/1/v/0", b"")
    assert snapshots.beyond(COMMITTED) == ["market/1"]


def test_the_checkpoint_of_another_partition_is_not_enough() -> None:
    snapshots = Snapshots()
    snapshots.see(0, b"market/1/w/0", record(1, {"trades": 40, "books": 7}, [(1, "w", 1)]))
    assert snapshots.beyond(COMMITTED) == ["market/1"]
