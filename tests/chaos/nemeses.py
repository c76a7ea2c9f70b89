"""What goes wrong in a run: each nemesis harms workers or brokers for a while, and leaves all of it whole."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streams.topics import DEAD_LETTERS, TOPICS, bootstrap_servers
from tests.chaos.brokers import HarmedBroker
from tests.chaos.workers import Fleet

#: A worker that joins or leaves does so in a place of its own, so that some always stay.
_FIRST_GUEST = 100
_DUTY_S = (0.2, 0.3)
_TOO_SMALL_BYTES = 100
_YOUNG_VICTIMS = 0.1
_LOOK_EVERY_S = 0.1


@dataclass(slots=True)
class Field:
    """Where nemeses are let loose.

    `notes` collects what they did: (seconds on the monotonic clock, what).
    """

    fleet: Fleet
    broker: HarmedBroker
    chance: Random
    notes: list[tuple[float, str]] = field(default_factory=list)

    def note(self, what: str) -> None:
        """Write down a deed."""
        self.notes.append((time.monotonic(), what))


Nemesis = Callable[[Field, float], Awaitable[None]]


async def kills(arena: Field, seconds: float, every_s: tuple[float, float] = (2.0, 6.0)) -> None:
    """SIGKILL of a random worker every few seconds: of one that has worked already, but for some that just start."""
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        any_will_do = arena.chance.random() < _YOUNG_VICTIMS
        victims = [life for life in arena.fleet.workers() if any_will_do or life.has_worked]
        if not victims:
            await asyncio.sleep(_LOOK_EVERY_S)
            continue
        victim = arena.chance.choice(victims)
        arena.fleet.kill(victim)
        arena.note(f"kill {victim.name}")
        await asyncio.sleep(arena.chance.uniform(*every_s))


async def pause(arena: Field, seconds: float) -> None:
    """SIGSTOP for longer than a session: a zombie, which then wakes up among those who took its work."""
    sleeper = arena.chance.choice(arena.fleet.workers())
    arena.note(f"pause {sleeper.name}")
    arena.fleet.pause(sleeper)
    try:
        await asyncio.sleep(seconds)
    finally:
        arena.fleet.resume(sleeper)
        arena.note(f"wake {sleeper.name}")


async def churn(arena: Field, seconds: float) -> None:
    """Workers join and leave without pause."""
    end_s, number = time.monotonic() + seconds, _FIRST_GUEST
    while time.monotonic() < end_s:
        number += 1
        guest = arena.fleet.open_place(number)
        arena.note(f"join {guest.name}")
        await asyncio.sleep(arena.chance.uniform(3.0, 7.0))
        await arena.fleet.close_place(number)
        arena.note(f"left {guest.name}")


async def broker_restart(arena: Field, seconds: float) -> None:
    """The broker ends in order, all nodes of it at once, and comes back."""
    for node in range(arena.broker.nodes):
        await asyncio.to_thread(arena.broker.stop, node)
    arena.note("broker stopped")
    await asyncio.sleep(seconds)
    await asyncio.gather(*(asyncio.to_thread(arena.broker.start, node) for node in range(arena.broker.nodes)))
    arena.note("broker back")


async def broker_killed(arena: Field, seconds: float) -> None:
    """One node is killed, and comes back."""
    node = arena.chance.randrange(arena.broker.nodes)
    await asyncio.to_thread(arena.broker.kill, node)
    arena.note(f"kill node {node}")
    await asyncio.sleep(seconds)
    await asyncio.to_thread(arena.broker.start, node)
    arena.note(f"node {node} back")


async def slow_broker(arena: Field, seconds: float) -> None:
    """Every node stands still for 200 to 300 ms, and works for as long, again and again."""
    end_s = time.monotonic() + seconds
    nodes = range(arena.broker.nodes)
    arena.note("broker slow")
    try:
        while time.monotonic() < end_s:
            for node in nodes:
                arena.broker.pause(node)
            await asyncio.sleep(arena.chance.uniform(*_DUTY_S))
            for node in nodes:
                arena.broker.resume(node)
            await asyncio.sleep(arena.chance.uniform(*_DUTY_S))
    finally:
        for node in nodes:
            arena.broker.resume(node)
    arena.note("broker fast")


async def dead_letters_full(arena: Field, seconds: float) -> None:
    """The dead letters take no record: none is small enough."""
    await _limit_dead_letters(arena.broker.url, _TOO_SMALL_BYTES)
    arena.note("dead letters full")
    try:
        await asyncio.sleep(seconds)
    finally:
        await _limit_dead_letters(arena.broker.url, None)
        arena.note("dead letters open")


async def _limit_dead_letters(broker: str, most_bytes: int | None) -> None:
    configuration = dict(TOPICS[DEAD_LETTERS].configuration)
    if most_bytes is not None:
        configuration["max.message.bytes"] = str(most_bytes)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers(broker))
    await admin.start()
    try:
        limited = ConfigResource(ConfigResourceType.TOPIC, DEAD_LETTERS, configuration)
        for answer in await admin.alter_configs([limited]):
            faults = [fault for fault in answer.to_object()["resources"] if fault["error_code"]]
            if faults:
                raise RuntimeError(f"expected the broker to take the topic's limit, it said {faults}")
    finally:
        await admin.close()
