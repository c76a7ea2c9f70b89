"""Workers that are killed: what they were is taken up from the checkpoints that they wrote, as the shell does it."""

from collections import Counter
from typing import Any

import msgspec

from detectors.config import CoreSettings
from detectors.correlation_stage import CorrelationStage
from detectors.pipeline import source_names
from streams.checkpoints import Log as Checkpoints
from streams.checkpoints import Record, decode_state
from streams.journal import Journal
from tests.detectors.workers import ACCOUNT_INPUTS, Workers
from tests.helpers import Log

Place = tuple[str, int]


class KilledWorkers(Workers):
    """Stages that write checkpoints at random moments, and are lost at others.

    Frames and alerts said since the last checkpoint were sent: a successor says them again.
    """

    def __init__(self, settings: CoreSettings, log: Log, seed: int = 0, batch: int = 200, kills: float = 0.04) -> None:
        super().__init__(settings, log, seed, batch)
        self.kills = kills
        self.happened: Counter[str] = Counter()
        self.notes: list[str] = []
        self._snapshots: dict[Place, list[Record]] = {}
        self._journals: dict[Place, Journal] = {}

    def turn(self, stage: str, partition: int) -> None:
        """Let a stage say what it has to say; then perhaps a checkpoint, or the end."""
        super().turn(stage, partition)
        chance = self.chance.random()
        if chance < self.kills:
            self.kill(stage, partition)
        elif chance < 4 * self.kills:
            self.checkpoint(stage, partition)

    def come_to_rest(self) -> None:
        """Nobody is killed any more: what has been read is to be finished."""
        self.kills = 0.0
        super().come_to_rest()

    def checkpoint(self, stage: str, partition: int) -> None:
        """Write what a stage knows."""
        place, one = (stage, partition), self.stage(stage, partition)
        journal = self._journals.setdefault(place, Journal(stage, self.log.partitions, "w0"))
        written = journal.write(one, self.safe_offsets(stage, partition))
        self._snapshots.setdefault(place, []).extend(written.records)
        self.happened["checkpoints"] += 1

    def kill(self, stage: str, partition: int) -> None:
        """Lose a stage, and begin again from its last checkpoint."""
        place = (stage, partition)
        checkpoints = Checkpoints(self._snapshots.get(place, []), stage, self.notes)
        writer = f"w{self.happened['kills'] + 1}"
        self._journals[place] = Journal(stage, self.log.partitions, writer, checkpoints.highest)
        found = checkpoints.find({})
        fresh = self.fresh(stage, partition)
        for topic in self.topics_of(stage):
            self.read[stage, partition, topic] = found.header.offsets.get(topic, 0) if found else 0
        if found is not None:
            cells = {
                kind: {name: decode_state(state) for name, (_, state) in named.items()}
                for kind, named in found.cells.items()
            }
            fresh.resume(found.header.head, cells, self.notes)
            self._journals[place].take_up(found)
            self.happened["taken up"] += 1
        self.happened["kills"] += 1

    def fresh(self, stage: str, partition: int) -> Any:  # noqa: ANN401 - one of three
        """A stage that has seen nothing, in the place of the one there was."""
        if stage == "market":
            self.markets[partition] = self.new_market(partition)
        elif stage == "account":
            self.accounts[partition] = self.new_account(partition)
        else:
            self.correlation = CorrelationStage(source_names(self.log.partitions), self.settings)
        return self.stage(stage, partition)

    def stage(self, stage: str, partition: int) -> Any:  # noqa: ANN401 - one of three
        """One of the stages."""
        if stage == "market":
            return self.markets[partition]
        return self.accounts[partition] if stage == "account" else self.correlation

    def topics_of(self, stage: str) -> tuple[str, ...]:
        """What a stage reads."""
        if stage == "market":
            return self.markets[0].inputs
        return ACCOUNT_INPUTS if stage == "account" else ("signals",)

    def safe_offsets(self, stage: str, partition: int) -> dict[str, int]:
        """Where its successor begins to read."""
        one = self.stage(stage, partition)
        offsets = {topic: one.safe_offset(topic) for topic in self.topics_of(stage)}
        # What was not read since it took up another's state is still to be read from there.
        return {
            topic: self.read.get((stage, partition, topic), 0) if offset is None else offset
            for topic, offset in offsets.items()
        }


def knowledge(workers: Workers, stage: str, partition: int) -> bytes:
    """Everything a stage has learned, in bytes: without what was read, and when."""
    places: dict[str, Any] = {
        "market": workers.markets[partition],
        "account": workers.accounts[partition],
        "correlation": workers.correlation,
    }
    one = places[stage]
    head = {name: state for name, state in one.head().items() if name not in ("read", "open", "closed_us", "newest_us")}
    cells = {kind: [[name, entities.state_of(name)] for name in entities] for kind, entities in one.kept().items()}
    return msgspec.msgpack.encode([head, cells], order="sorted")
