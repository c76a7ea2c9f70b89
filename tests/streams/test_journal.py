"""Checkpoints in a log: whatever was written, lost, compacted or forked, what is taken up is what was there."""

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.entities import Entities
from detectors.revival import STATE_VERSION
from streams.checkpoints import Log, Record, decode_state
from streams.journal import Checkpoint, Journal


class Board:
    """A stage's state and nothing else: numbers by name, at most eight."""

    tick_us = 100_000

    def __init__(self) -> None:
        self.turn = 0
        self.numbers: Entities[list[int]] = Entities(
            8,
            save=list,
            load=lambda _, state, __: list(state),
            turn=lambda one: one[0],
            counters=Counter(),
            evicted="evicted",
        )
        self.pairs: Entities[list[int]] = Entities(
            None, save=list, load=lambda _, state, __: list(state), turn=lambda one: one[0]
        )

    def head(self) -> dict[str, Any]:
        return {"turn": self.turn}

    def kept(self) -> dict[str, Entities[Any]]:
        return {"number": self.numbers, "pair": self.pairs}

    def touch(self, name: str) -> None:
        self.turn += 1
        for entities, key in ((self.numbers, name), (self.pairs, (name, "x"))):
            one = entities.touch(key) or entities.add(key, [0, 0])
            one[0], one[1] = self.turn, one[1] + 1

    def everything(self) -> tuple[Any, ...]:
        return (
            self.turn,
            [(name, list(one)) for name, one in self.numbers.items()],
            [(name, list(one)) for name, one in self.pairs.items()],
        )

    def restore(self, log: Log, committed: dict[str, int | None]) -> "Journal | None":
        notes: list[str] = []
        found = log.find(committed)
        if found is None:
            return None
        self.turn = found.header.head["turn"]
        for kind, entities in self.kept().items():
            cells = found.cells.get(kind, {})
            entities.restore([(name, decode_state(state)) for name, (_, state) in cells.items()], notes)
        assert not [note for note in notes if "begins afresh" in note]
        journal = Journal("market", 4, f"w{self.turn}-{log.highest}", above=log.highest)
        journal.take_up(found)
        return journal


def compacted(log: list[Record]) -> list[Record]:
    """What Kafka may make of it: the newest value of each key, tombstones gone."""
    newest = {key: index for index, (key, _) in enumerate(log)}
    return [record for index, record in enumerate(log) if newest[record[0]] == index and record[1] is not None]


names = st.sampled_from([f"n{number}" for number in range(12)])
steps = st.lists(
    st.one_of(
        names.map(lambda name: ("touch", name)),
        st.just(("checkpoint", "")),
        st.just(("compact", "")),
        # Killed after so many tenths of the records of a checkpoint have come.
        st.integers(0, 9).map(lambda share: ("kill", str(share))),
    ),
    max_size=300,
)


@settings(max_examples=150, deadline=None)
@given(steps)
def test_what_is_taken_up_is_what_the_last_complete_checkpoint_saw(plan: list[tuple[str, str]]) -> None:
    log: list[Record] = []
    board, journal, writers = Board(), Journal("market", 4, "w0"), 0
    saved, offset = board.everything(), 0
    for step, what in plan:
        if step == "touch":
            board.touch(what)
        elif step == "checkpoint":
            offset += 1
            log += journal.write(board, {"trades": offset}).records
            saved = board.everything()
        elif step == "compact":
            log = compacted(log)
        else:
            records = journal.write(board, {"trades": offset + 1}).records
            came = records[: int(len(records) * int(what) / 10)]
            log += came
            if len(came) >= sum(value is not None for _, value in records):
                # Only tombstones are missing: it is complete.
                saved, offset = board.everything(), offset + 1
            board, writers = Board(), writers + 1
            restored = board.restore(Log(log, "market", []), {"trades": offset or None})
            journal = restored or Journal("market", 4, f"n{writers}", above=Log(log, "market", []).highest)
            # Less than all of a checkpoint's records is none of it.
            assert board.everything() == saved
    final = Board()
    final.restore(Log(compacted(log), "market", []), {})
    assert final.everything() == saved


def filled(checkpoints: int) -> tuple[list[Record], list[Checkpoint], Board, Journal]:
    log: list[Record] = []
    made: list[Checkpoint] = []
    board, journal = Board(), Journal("market", 4, "w0")
    for number in range(checkpoints):
        board.touch(f"n{number % 5}")
        made.append(journal.write(board, {"trades": number}))
        log += made[-1].records
    return log, made, board, journal


def test_a_chain_stays_short_and_what_is_not_needed_gets_a_tombstone() -> None:
    log, made, board, _ = filled(500)
    left = compacted(log)
    assert len(left) < 110
    taken = Board()
    taken.restore(Log(left, "market", []), {})
    assert taken.everything() == board.everything()
    assert sum(len(checkpoint.records) for checkpoint in made) < 2_100


def test_a_checkpoint_without_one_of_its_chain_is_passed_over() -> None:
    log, made, _, _ = filled(10)
    lost = made[-1].records[0][0]
    found = Log([record for record in log if record[0] != lost], "market", []).find({})
    assert found is not None
    assert found.header.offsets == {"trades": 8}


def test_a_checkpoint_that_ends_before_the_committed_offset_is_not_taken_and_that_is_said() -> None:
    log, _, _, _ = filled(10)
    notes: list[str] = []
    assert Log(log, "market", notes).find({"trades": 10}) is None
    assert "expected to reach the committed offsets" in notes[0]
    assert Log(log, "market", []).find({"trades": 9}) is not None


def test_state_of_another_version_is_not_taken_and_that_is_said() -> None:
    log, _, _, _ = filled(3)
    other = [(key, b"\x63" + (value or b"")[1:]) for key, value in log]
    notes: list[str] = []
    assert Log(other, "market", notes).find({}) is None
    assert notes[0].endswith(f"expected state of version {STATE_VERSION}, found version 99")


def test_a_fork_by_a_worker_that_was_stopped_for_a_while_harms_nobody() -> None:
    log, _, board, zombie = filled(50)
    heir = Board()
    journal = heir.restore(Log(log, "market", []), {"trades": 49})
    assert journal is not None
    for number in range(5):
        heir.touch("n1")
        log += journal.write(heir, {"trades": 50 + number}).records
        board.touch("n2")
        log += zombie.write(board, {"trades": 50 + number}).records
    last = Board()
    assert last.restore(Log(compacted(log), "market", []), {"trades": 54}) is not None
    assert last.everything() in (heir.everything(), board.everything())


def test_records_of_other_stages_are_passed_over() -> None:
    log, _, _, _ = filled(3)
    assert Log(log, "account", []).find({}) is None
    assert Log(log, "account", []).highest == 0


def test_no_record_is_longer_than_brokers_take_however_much_there_is_to_say() -> None:
    board, journal, notes = Board(), Journal("market", 4, "w0"), list[str]()
    board.turn = 1
    board.pairs.add("long", [1, *range(2**40, 2**40 + 200_000)])
    board.head = lambda: {"turn": 1, "much": "x" * 3_000_000}  # type: ignore[method-assign]
    records = journal.write(board, {"trades": 1}).records
    assert len(records) > 5
    assert max(len(value or b"") for _, value in records) < 600_000
    found = Log(records, "market", notes).find({})
    assert found is not None
    assert len(found.header.head["much"]) == 3_000_000
    assert len(decode_state(found.cells["pair"]["long"][1])) == 200_001
    for lost in range(len(records)):
        assert Log(records[:lost] + records[lost + 1 :], "market", notes).find({}) is None


def test_entities_that_were_never_written_need_no_word_that_they_are_gone() -> None:
    board, journal = Board(), Journal("market", 4, "w0")
    journal.write(board, {})
    for number in range(10_000):
        board.touch(f"made-up-{number}")
    assert sum(len(value or b"") for _, value in journal.write(board, {}).records) < 1_000_000
    board.numbers.remove(next(iter(board.numbers)))
    written = journal.write(board, {}).records
    assert sum(len(value or b"") for _, value in written) < 2_000
