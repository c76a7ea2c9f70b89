"""Verdicts through a real worker: given on the command line, they change ranks, and a killed worker's successor too."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Literal

import msgspec
import pytest

from detectors.decisions import Feedback
from detectors.results import Alert, LearnedRank, Pattern, Signal, SignalFrame, SignalTick
from streams.broker import Broker
from streams.codecs import decode_alert, encode_frame
from streams.topics import ALERTS, DEAD_LETTERS, FEEDBACK, SIGNALS, SNAPSHOTS, ensure_topics
from tests.streams.test_file_and_broker import RealWorker
from tests.streams.worker_bench import ROOT, Log, producing, reading, until

pytestmark = [pytest.mark.asyncio, pytest.mark.slow]

SECOND_US = 1_000_000
TICK_US = 100_000
SETTINGS = {
    "SQUALL_PARTITIONS": "1",
    "SQUALL_RANKER__MIN_VERDICTS": "8",
    "SQUALL_RANKER__MIN_EACH": "2",
    "SQUALL_RANKER__SETTLE_S": "1",
    "SQUALL_ALERTS__RESOLVE_AFTER_S": "600",
    "SQUALL_WORKER__SNAPSHOT_INTERVAL_S": "0.2",
}
BAD = b'{"alert_id":"x","verdict":"maybe"}'
RAISED: tuple[tuple[Pattern, str], ...] = (
    *(("cancel_burst", f"T{number}") for number in range(5)),
    *(("thin_book", f"N{number}") for number in range(5)),
)


def now_us() -> int:
    return time.time_ns() // 1_000


def a_signal(pattern: Pattern, symbol: str, per_day: float, at_us: int) -> Signal:
    return Signal(at_us, pattern, pattern, "symbol", symbol, symbol, per_day / 1e6, per_day, 9.0, ())


async def say(url: str, at_us: int, *raised: tuple[Pattern, str, float]) -> None:
    """What a market stage would say of a tick, and that time has come a second further."""
    tick = at_us // TICK_US
    signals = tuple(a_signal(pattern, symbol, per_day, (tick + 1) * TICK_US) for pattern, symbol, per_day in raised)
    frames = [
        SignalFrame("market/0", (tick + 1) * TICK_US, at_rest=False, ticks=(SignalTick(tick, signals),)),
        SignalFrame("market/0", (tick + 11) * TICK_US, at_rest=False, ticks=()),
    ]
    async with producing(url, linger_ms=0) as producer:
        for frame in frames:
            await producer.send_and_wait(SIGNALS, encode_frame(frame), b"market/0", 0)


def verdict_on(alert: Alert) -> Literal["true", "noise"]:
    return "true" if alert.pattern == "cancel_burst" else "noise"


async def judged(url: str, alert: Alert) -> None:
    command = ("alerts", "judge", alert.alert_id, "--verdict", verdict_on(alert), "--author", "ann", "--broker", url)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "streams", *command), cwd=ROOT, stdout=subprocess.DEVNULL
    )
    assert await process.wait() == 0


async def send_verdicts(url: str, alerts: Sequence[Alert]) -> None:
    async with producing(url, linger_ms=0) as producer:
        for alert in alerts:
            said = Feedback(alert.alert_id, "ann", now_us(), verdict=verdict_on(alert))
            await producer.send_and_wait(FEEDBACK, msgspec.json.encode(said), alert.alert_id.encode(), 0)
        # When this one is refused, all before it have been taken.
        await producer.send_and_wait(FEEDBACK, BAD, b"x", 0)


async def found(alerts: Log, *symbols: str) -> dict[str, Alert]:
    """The alerts on these symbols, by symbol, when all are there."""

    async def all_there() -> dict[str, Alert]:
        known = [decode_alert(record.value) for record in await alerts.read()]
        named = {alert.symbol: alert for alert in known if alert.symbol in symbols}
        return named if len(named) == len(symbols) else {}

    return await until(all_there, 30.0)


async def test_verdicts_reorder_alerts_within_a_severity_and_outlive_the_worker(own_broker: Broker) -> None:
    url = own_broker.url
    await ensure_topics(url, 1)
    async with reading(url, ALERTS) as alerts, reading(url, DEAD_LETTERS) as dead, reading(url, SNAPSHOTS) as kept:
        with RealWorker(url, SETTINGS) as worker:
            await worker.ready()
            await say(url, now_us(), *((pattern, symbol, 1e-3) for pattern, symbol in RAISED))
            first = await found(alerts, *(symbol for _, symbol in RAISED))
            assert not any(isinstance(alert.ranker, LearnedRank) for alert in first.values())
            await judged(url, first["N0"])
            await send_verdicts(url, [alert for alert in first.values() if alert.symbol != "N0"])

            async def refused() -> list[bytes]:
                return [letter.value for letter in await dead.read()]

            assert await until(refused, 10.0) == [BAD]
            # By score the thin book comes first.
            await say(url, now_us() + 5 * SECOND_US, ("thin_book", "LOUD", 1e-6), ("cancel_burst", "QUIET", 1e-5))
            after = await found(alerts, "LOUD", "QUIET")
            loud, quiet = after["LOUD"].ranker, after["QUIET"].ranker
            assert isinstance(loud, LearnedRank)
            assert isinstance(quiet, LearnedRank)
            assert after["LOUD"].score > after["QUIET"].score
            assert (loud.rank_before, quiet.rank_before) == (1, 2)
            assert after["QUIET"].rank == 1 < after["LOUD"].rank
            assert loud.verdicts == quiet.verdicts == 10
            assert loud.factor < 1.0 < quiet.factor
            before = len(await kept.read())

            async def kept_again() -> bool:
                # A checkpoint is taken behind a step that read something; when the next is there, all of it is.
                await say(url, now_us() + 7 * SECOND_US)
                return len({one.key for one in (await kept.read())[before:] if b"correlation" in one.key}) > 2

            await until(kept_again, 20.0)
        with RealWorker(url, SETTINGS) as successor:
            await successor.ready()
            await say(url, now_us() + 120 * SECOND_US, ("thin_book", "LATER", 1e-7))
            later = (await found(alerts, "LATER"))["LATER"]
            assert isinstance(later.ranker, LearnedRank)
            assert (later.ranker.verdicts, later.ranker.rank_before) == (10, 1)
            assert later.rank > 1
