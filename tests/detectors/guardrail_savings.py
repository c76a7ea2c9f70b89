"""Guardrails that are saved piece by piece, as plain bytes, and taken up by others."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec

from detectors.account_guardrails import AccountGuardrails
from detectors.config import CoreSettings
from detectors.market_guardrails import MarketGuardrails

Guarded = MarketGuardrails | AccountGuardrails


class Savings:
    """Holds what changed since the time before, as a checkpoint does, and nothing else."""

    def __init__(self) -> None:
        self.cells: dict[str, dict[bytes, bytes]] = {}
        self.head = b""

    def save(self, guarded: Guarded) -> None:
        """Write the entities that have changed, and the head."""
        for kind, entities in guarded.kept().items():
            cells = self.cells.setdefault(kind, {})
            changed, gone = entities.take_changes()
            for name in gone:
                cells.pop(msgspec.msgpack.encode(name), None)
            for name in changed:
                cells[msgspec.msgpack.encode(name)] = msgspec.msgpack.encode(entities.state_of(name))
        self.head = msgspec.msgpack.encode(guarded.head())

    def revive(self, guarded: Guarded) -> None:
        """Let others take up what was saved; they must not complain."""
        notes: list[str] = []
        for kind, entities in guarded.kept().items():
            cells = self.cells.get(kind, {})
            entities.restore([(_name(name), msgspec.msgpack.decode(state)) for name, state in cells.items()], notes)
        guarded.resume(msgspec.msgpack.decode(self.head), notes)
        assert notes == []


def _name(packed: bytes) -> Any:  # noqa: ANN401 - a name is text or a tuple of it
    name = msgspec.msgpack.decode(packed)
    return tuple(name) if isinstance(name, list) else name


class Lives:
    """Guardrails of one partition that now and then are saved, and end, and begin again."""

    def __init__(self, make: Callable[[CoreSettings, Counter[str]], Guarded], settings: CoreSettings) -> None:
        self.make = make
        self.settings = settings
        self.counters: Counter[str] = Counter()
        self.savings = Savings()
        self.now: Any = make(settings, self.counters)

    def save(self) -> None:
        """Write what changed, and go on."""
        self.savings.save(self.now)

    def begin_again(self) -> None:
        """Save, and let another take over."""
        self.save()
        self.now = self.make(self.settings, self.counters)
        self.savings.revive(self.now)
