"""What the checkpoints in the `snapshots` topic allow to be committed, kept up to date record by record.

They are read here without the product's own code, which is what is judged: only what a successor needs to begin.
"""

from collections.abc import Mapping

import msgspec

from detectors.revival import STATE_VERSION
from streams.agents import ACCOUNT_TOPICS, MARKET_TOPICS
from streams.topics import SIGNALS
from tests.chaos.oracle import Place

_STAGE_OF = {
    **dict.fromkeys(MARKET_TOPICS, "market"),
    **dict.fromkeys(ACCOUNT_TOPICS, "account"),
    SIGNALS: "correlation",
}
#: A stage on a partition.
Desk = tuple[str, int]
#: Checkpoints whose number is so much below the newest reach less far: no need to look.
_LOOK_BACK = 50


class Part(msgspec.Struct, frozen=True, array_like=True):
    """One checkpoint of a chain."""

    number: int
    writer: str
    records: int


class Header(msgspec.Struct, frozen=True):
    """The offsets that a successor reads from, and the checkpoints that it needs for that."""

    offsets: dict[str, int]
    chain: tuple[Part, ...]


class _Body(msgspec.Struct, frozen=True, array_like=True):
    header: Header | None


_decode = msgspec.msgpack.Decoder(_Body).decode


class Snapshots:
    """All checkpoints that are in the topic so far."""

    def __init__(self) -> None:
        self._records: set[tuple[Desk, int, str, int]] = set()
        self._headers: dict[Desk, dict[tuple[int, str], Header]] = {}
        #: How many checkpoints began to be written.
        self.begun = 0

    def see(self, partition: int, key: bytes, value: bytes) -> None:
        """Take note of a record; one without a value is taken away again."""
        stage, number, writer, index = key.decode().split("/")
        desk = stage, partition
        record = desk, int(number), writer, int(index)
        if not value:
            self._records.discard(record)
            return
        self._records.add(record)
        if index == "0":
            if value[0] != STATE_VERSION:
                raise ValueError(f"{key!r}: expected state of version {STATE_VERSION}, found {value[0]}")
            if value[1]:
                raise ValueError(f"{key!r}: expected a header in one record, found that it goes on in the next")
            header = _decode(value[2:]).header
            if header is not None:
                self._headers.setdefault(desk, {})[int(number), writer] = header
                self.begun += 1

    def beyond(self, committed: Mapping[Place, int]) -> list[str]:
        """Stages of which something is committed that no complete checkpoint reaches: a successor would lose it."""
        by_desk: dict[Desk, dict[str, int]] = {}
        for (topic, partition), offset in committed.items():
            if offset > 0:
                by_desk.setdefault((_STAGE_OF[topic], partition), {})[topic] = offset
        return [f"{desk[0]}/{desk[1]}" for desk, offsets in by_desk.items() if not self._reached(desk, offsets)]

    def _reached(self, desk: Desk, offsets: Mapping[str, int]) -> bool:
        headers = self._headers.get(desk, {})
        newest = max((number for number, _ in headers), default=0)
        for place in sorted(headers, reverse=True):
            header = headers[place]
            if all(header.offsets.get(topic, 0) >= offset for topic, offset in offsets.items()):
                if self._is_complete(desk, header):
                    return True
            elif place[0] < newest - _LOOK_BACK:
                return False
        return False

    def _is_complete(self, desk: Desk, header: Header) -> bool:
        return all(
            (desk, part.number, part.writer, index) in self._records
            for part in header.chain
            for index in range(part.records)
        )
