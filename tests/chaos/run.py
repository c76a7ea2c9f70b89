"""One run of a scenario: broker, workers, feed and watcher up; nemeses; until all has gone through; then the facts."""

import asyncio
import logging
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, BinaryIO

import msgspec

from detectors.events import EVENT_TYPES
from streams.broker import end_with_parent
from streams.codecs import RecordDecoder
from streams.settings import Settings
from streams.topics import ACCOUNT_ACTIVITY, ALERTS, SIGNALS, ensure_topics
from tests.benchmarks.processes import ROOT
from tests.chaos.brokers import HarmedBroker, open_broker
from tests.chaos.facts import DECISIONS, Facts, decisions, identities
from tests.chaos.feed import FeedOrder, Sent, feed_command, place_of, read_journal
from tests.chaos.invariants import LAG_S, OF_PACE, STEADY_S, Verdict, judge
from tests.chaos.lag import lags, steady_after
from tests.chaos.nemeses import Field
from tests.chaos.oracle import Expected, Oracle, Place
from tests.chaos.scenarios import LEAD_IN_S, Scenario
from tests.chaos.sent import SentLog, compare_with_plan
from tests.chaos.watch import INPUTS, Seen, Watcher, places_of, read_to_end, reading
from tests.chaos.workers import Fleet

_FEED_PATIENCE_S = 60.0
_SETTLE_TIMEOUT_S = 60.0
_AFTER_ALL_S = 2.0
_LOOK_EVERY_S = 0.1


@dataclass(slots=True)
class Outcome:
    """What became of a run; `notes` and `lags` are (seconds since its beginning, what)."""

    scenario: str
    broker: str
    verdicts: list[Verdict]
    figures: dict[str, Any]
    notes: list[tuple[float, str]]
    lags: list[tuple[float, float]]

    @property
    def holds(self) -> bool:
        """Whether no invariant is broken."""
        return all(verdict.holds is not False for verdict in self.verdicts)

    @property
    def was_only_slow(self) -> bool:
        """Whether what is broken is of pace alone: it may be the machine's."""
        broken = {verdict.invariant for verdict in self.verdicts if verdict.holds is False}
        return bool(broken) and broken <= OF_PACE


async def play(scenario: Scenario, say: Callable[[str], None], keep: Path | None = None) -> Outcome:
    """Run a scenario and judge it.

    Parameters
    ----------
    scenario
        What to do.
    say
        Told how far it is.
    keep
        Where the logs of workers and the journal stay; a directory that goes with the run unless given.

    Raises
    ------
    RuntimeError
        The harness itself failed: a feed that ended badly, a log that is not what was sent.
    """
    with tempfile.TemporaryDirectory(prefix="squall-chaos-") as temporary:
        directory = keep or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        # What clients of the harness itself have to say about brokers that are away.
        logging.basicConfig(filename=directory / "harness.log", force=True)
        # A broker's data is never kept: the next run would find it.
        with open_broker(scenario.broker, scenario.nodes, Path(temporary)) as broker:
            return await _Run(scenario, broker, directory, say).play()


class _Run:
    def __init__(self, scenario: Scenario, broker: HarmedBroker, directory: Path, say: Callable[[str], None]) -> None:
        self._scenario = scenario
        self._broker = broker
        self._directory = directory
        self._say = say
        #: The nemeses that were at work, with their end on the monotonic clock.
        self._phases: list[tuple[str, float]] = []
        self._sent = SentLog(0, 0, 0)
        self._load = msgspec.structs.replace(scenario.load, wall_s=scenario.wall_s)
        self._file = directory / "squall.toml"
        self._file.write_text(_toml(scenario.settings(idempotent=broker.idempotent)))
        self._settings = Settings(config=str(self._file), broker=broker.url, partitions=self._load.partitions)

    async def play(self) -> Outcome:
        began_s = time.monotonic()
        await ensure_topics(self._broker.url, self._settings.partitions, min(3, self._broker.nodes))
        environment = {"SQUALL_PARTITIONS": str(self._settings.partitions)}
        static = self._scenario.static_members
        async with Fleet(self._broker.url, self._file, self._directory, environment, static_members=static) as fleet:
            arena = Field(fleet, self._broker, Random(self._load.seed))
            for number in range(self._scenario.workers):
                fleet.open_place(number)
            await fleet.ready()
            self._say("workers are ready; the load begins")
            watcher = Watcher(self._broker.url, self._settings.app_id, self._settings.partitions, fleet)
            watching = asyncio.create_task(watcher.watch())
            last_fault_s = await self._send_and_harm(arena, watching)
            self._say("all is sent; what should have come out is worked out")
            facts = await self._settle(watcher, watching, last_fault_s)
            facts.memory = {life.name: life.memory for life in fleet.lives}
            verdicts = judge(facts)
            figures = _figures(facts, fleet, watcher.seen)
            figures["repeated_by_feed"] = self._sent.repeated
            figures["out_of_order_by_feed"] = self._sent.out_of_order
            figures["recovered_s"] = _recoveries(facts, self._phases)
            figures["seconds"] = round(time.monotonic() - began_s, 1)
            for life in fleet.fallen:
                fell_s = life.ended_s or time.monotonic()
                arena.notes.append((fell_s, f"{life.name} ended by itself with status {life.process.returncode}"))
            notes = [(round(at_s - began_s, 2), what) for at_s, what in sorted(arena.notes)]
            behind = [(round(at_s - began_s, 1), round(lag_s, 2)) for at_s, lag_s in lags(facts)]
            return Outcome(self._scenario.name, self._scenario.broker, verdicts, figures, notes, behind)

    async def _send_and_harm(self, arena: Field, watching: "asyncio.Task[None]") -> float | None:
        """Send the load while the nemeses are at work; gives when the last one ended."""
        journal = self._directory / "journal.ndjson"
        order = FeedOrder(self._broker.url, self._broker.idempotent, str(journal), self._load)
        log = self._directory / "feed.log"
        with log.open("wb") as out:
            feed = _start(feed_command(order), out)
        try:
            last_fault_s = None
            while not _size(journal):
                await self._look(feed, log, watching)
            await asyncio.sleep(LEAD_IN_S)
            for phase in self._scenario.phases:
                self._say(f"{phase.name} for {phase.seconds:.0f} s")
                await phase.nemesis(arena, phase.seconds)
                last_fault_s = time.monotonic()
                self._phases.append((phase.name, last_fault_s))
                await asyncio.sleep(phase.rest_s)
            self._say("the last fault is over")
            size, grown_s = 0, time.monotonic()
            while feed.poll() is None:
                await self._look(feed, log, watching)
                if _size(journal) > size:
                    size, grown_s = _size(journal), time.monotonic()
                if time.monotonic() - grown_s > _FEED_PATIENCE_S:
                    raise RuntimeError(f"the feed has sent nothing for {_FEED_PATIENCE_S:.0f} s")
            _must_not_fail(feed, log)
            return last_fault_s
        finally:
            feed.kill()
            feed.wait()

    async def _look(self, feed: "subprocess.Popen[bytes]", log: Path, watching: "asyncio.Task[None]") -> None:
        await asyncio.sleep(_LOOK_EVERY_S)
        if watching.done():
            watching.result()
        _must_not_fail(feed, log)

    async def _settle(self, watcher: Watcher, watching: "asyncio.Task[None]", last_fault_s: float | None) -> Facts:
        """Work out what should have come, and wait until it has, or has had its time."""
        journal = read_journal(self._directory / "journal.ndjson")
        log = await self._records(INPUTS)
        sent = await asyncio.to_thread(compare_with_plan, self._load, log)
        self._sent = sent
        expected = await asyncio.to_thread(_expect, self._settings, log, journal)
        self._say("waiting until it has come out")
        deadline_s = time.monotonic() + _SETTLE_TIMEOUT_S
        while not _all_there(expected, watcher.seen) and time.monotonic() < deadline_s:
            await asyncio.sleep(_LOOK_EVERY_S)
            if watching.done():
                watching.result()
        # What must not come has its time too.
        await asyncio.sleep(_AFTER_ALL_S)
        watching.cancel()
        await asyncio.wait({watching})
        timing = self._settings.core.timing
        return Facts(
            incidents=self._load.incidents(),
            poison=sent.poison,
            expected=expected,
            log=log,
            event_us=event_times(log, expected, self._settings.worker.max_record_bytes),
            frames=await self._records((ACCOUNT_ACTIVITY, SIGNALS)),
            outputs=watcher.seen.outputs,
            samples=watcher.seen.samples,
            journal=journal,
            lateness_us=timing.lateness_us,
            tick_us=timing.tick_us,
            last_fault_s=last_fault_s,
            checkpoints=watcher.seen.snapshots.begun,
        )

    async def _records(self, topics: Sequence[str]) -> dict[Place, list[bytes]]:
        """Read topics from beginning to end."""
        places = places_of(topics, self._settings.partitions)
        found: dict[Place, list[bytes]] = {(place.topic, place.partition): [] for place in places}
        async with reading(self._broker.url, places) as consumer:
            async for topic, kept in read_to_end(consumer, places):
                there = found[topic, kept.partition]
                if kept.offset != len(there):
                    raise RuntimeError(f"{topic}/{kept.partition}: expected offset {len(there)}, found {kept.offset}")
                there.append(kept.value)
        return found


def _size(journal: Path) -> int:
    return journal.stat().st_size if journal.exists() else 0


def _must_not_fail(feed: "subprocess.Popen[bytes]", log: Path) -> None:
    if feed.poll():
        raise RuntimeError(f"the feed ended with {feed.returncode}:\n{log.read_text()[-2000:]}")


def event_times(
    log: Mapping[Place, Sequence[bytes]], expected: Expected, longest: int
) -> dict[Place, list[int | None]]:
    """The newest event of each record that is to be taken; None where none is."""
    decoders = {topic: RecordDecoder(topic, longest) for topic in EVENT_TYPES}
    found: dict[Place, list[int | None]] = {}
    for place, values in log.items():
        wild = {one.offset for one in expected.refused.get(place, []) if one.reason == "future"}
        times = found[place] = []
        for offset, value in enumerate(values):
            events = [] if offset in wild else decoders[place[0]].decode([value], [offset]).events
            times.append(max((event.timestamp for event in events), default=None))
    return found


def _start(command: Sequence[str], out: BinaryIO) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=out,
        stderr=out,
        preexec_fn=end_with_parent(),  # noqa: PLW1509 - one prepared system call, no Python locks taken
    )


def _expect(settings: Settings, log: Mapping[Place, Sequence[bytes]], journal: Sequence[Sent]) -> Expected:
    slices = ({place_of(name): end for name, end in sent.ends.items()} for sent in journal)
    return Oracle(settings).run(log, slices)


def _all_there(expected: Expected, seen: Seen) -> bool:
    """Whether the alerts that are wanted have come, and what is done with is committed."""
    if not seen.samples:
        return False
    committed = seen.samples[-1].committed
    if any(committed.get(place, 0) < offset for place, offset in expected.safe.items()):
        return False
    decided = {topic: [(kept.key, kept.value) for kept in seen.outputs[topic]] for topic in DECISIONS}
    if not decisions(expected.outputs, expected.cutoff_us) <= decisions(decided, expected.cutoff_us):
        return False
    wanted = identities((value for _, value in expected.outputs.get(ALERTS, [])), expected.cutoff_us)
    return wanted <= identities((kept.value for kept in seen.outputs[ALERTS]), expected.cutoff_us)


def _figures(facts: Facts, fleet: Fleet, seen: Seen) -> dict[str, Any]:
    revisions = len(identities((kept.value for kept in facts.outputs[ALERTS]), facts.expected.cutoff_us))
    return {
        "records": sum(map(len, facts.log.values())),
        "event_seconds": round(len(facts.journal) / 10),
        "kills": fleet.kills,
        "processes": len(fleet.lives),
        "fell_by_themselves": len(fleet.fallen),
        "alert_revisions_compared": revisions,
        "alert_records": len(facts.outputs[ALERTS]),
        "dead_letter_records": len(facts.outputs["dead-letters"]),
        "commit_samples": len(seen.samples),
        "samples_unanswered": seen.unanswered,
        "late_by_oracle": facts.expected.late,
        "late_by_workers": sum(life.late for life in fleet.lives),
        "fallen": Counter(str(life.process.returncode) for life in fleet.fallen),
    }


def _recoveries(facts: Facts, phases: Sequence[tuple[str, float]]) -> list[tuple[str, float | None]]:
    """After each nemesis, the seconds until lag was low again; None: not before the next one was over."""
    behind = lags(facts)
    ends = [*(end_s for _, end_s in phases), float("inf")][1:]
    found: list[tuple[str, float | None]] = []
    for (name, begin_s), end_s in zip(phases, ends, strict=True):
        after = [point for point in behind if begin_s <= point[0] < end_s]
        took_s = steady_after(after, begin_s, LAG_S, STEADY_S)
        found.append((name, None if took_s is None else round(took_s, 1)))
    return found


def _toml(groups: Mapping[str, Mapping[str, Any]]) -> str:
    lines = []
    for group, values in groups.items():
        lines += [f"[{group}]", *(f"{name} = {str(value).lower()}" for name, value in values.items()), ""]
    return "\n".join(lines)
