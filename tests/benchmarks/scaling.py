"""What grows with partitions: `python -m tests.benchmarks.scaling [--partitions 4 8 16 32] [--seconds 15]`.

Figures that `deploy/sizing.md` reckons with. *Frames*: a worker has all partitions, and each has one trade a tick,
so that nearly all it does is to send and read frames between stages: the square of the partitions, ten times a second.
*Correlation*: the processor time that its one partition takes for a frame, and for a signal in one, as a worker does:
decoding, folding, closing, alerts; without the network. *Usual*: signals and checkpoints of a calm simulated exchange.
"""

import argparse
import asyncio
import gc
import itertools
import json
import re
import time
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

import msgspec
import uvloop
from aiokafka import AIOKafkaProducer

from detectors.config import CoreSettings
from detectors.correlation_stage import CorrelationStage
from detectors.events import Trade
from detectors.pipeline import Pipeline, source_names
from detectors.results import Signal, SignalFrame, SignalTick
from streams.broker import EmbeddedBroker
from streams.codecs import decode_signal_frame, encode_event, encode_frame
from streams.journal import Journal, StageState
from streams.simulator import Exchange, ExchangeSettings
from streams.topics import bootstrap_servers, ensure_topics, partition_of
from tests.benchmarks.ours import Worker, working
from tests.benchmarks.processes import cpu_s, split_cores
from tests.benchmarks.report import machine

_TICK_US = 100_000
_FIRST_TICK = 17_672_256_000
_CHECKPOINT_US = 5_000_000
_SETTLE_S = 12.0
_TICKS = 100
_INTERNAL = re.compile(r'^squall_records_total\{topic="(account-activity|signals|stress)"\} (\S+)$', re.MULTILINE)


def measure_frames(partitions: int, seconds: float, cores: set[int]) -> dict[str, float]:
    """Processor time and frames, both a second, of one worker that has so many partitions and nearly no events."""
    with EmbeddedBroker() as broker:
        asyncio.run(ensure_topics(broker.url, partitions))
        with working(broker.url, "scaling", cores, SQUALL_PARTITIONS=str(partitions)) as worker:
            worker.wait_until_ready()
            return uvloop.run(_watch(broker.url, worker, partitions, seconds))


async def _watch(broker: str, worker: Worker, partitions: int, seconds: float) -> dict[str, float]:
    feeding = asyncio.create_task(_feed(broker, _symbol_of_each(partitions)))
    await asyncio.sleep(_SETTLE_S)
    before = await asyncio.to_thread(_look, worker)
    await asyncio.sleep(seconds)
    after = await asyncio.to_thread(_look, worker)
    feeding.cancel()
    await asyncio.gather(feeding, return_exceptions=True)
    took_s = after[0] - before[0]
    # All that the worker does is laid to the frames: with many partitions that is nearly true.
    return {
        "partitions": partitions,
        "cpu_share": (after[1] - before[1]) / took_s,
        "frames_per_s": (after[2] - before[2]) / took_s,
        "most_us_a_frame": (after[1] - before[1]) / (after[2] - before[2]) * 1e6,
    }


def _look(worker: Worker) -> tuple[float, float, float]:
    frames = sum(float(value) for _, value in _INTERNAL.findall(worker.page("/metrics") or ""))
    return time.monotonic(), cpu_s(worker.process.pid), frames


async def _feed(broker: str, symbols: Sequence[str]) -> None:
    """Send a trade of each symbol in each tick, until it is cancelled."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap_servers(broker), linger_ms=5) as producer:
        for tick in itertools.count(time.time_ns() // 1_000 // _TICK_US):
            await asyncio.sleep(max((tick + 1) * _TICK_US / 1e6 - time.time(), 0.0))
            for partition, symbol in enumerate(symbols):
                value = encode_event(Trade(tick * _TICK_US + _TICK_US // 2, symbol, 100.0, 1.0, "buy"))
                await producer.send("trades", value, symbol.encode(), partition=partition)


def _symbol_of_each(partitions: int) -> list[str]:
    found: dict[int, str] = {}
    for name in (f"SYM-{number}" for number in itertools.count()):
        found.setdefault(partition_of(name, partitions), name)
        if len(found) == partitions:
            return [found[partition] for partition in range(partitions)]
    raise AssertionError


class Usual(NamedTuple):
    """What a calm simulated exchange makes, after its warm-up: signals, and bytes of checkpoints by stage."""

    signals: list[Signal]
    figures: dict[str, float]


def usual_flow(events_per_s: float, seconds: float, symbols: int) -> Usual:
    """Run all stages of one partition on a simulated exchange without incidents; the first half is warm-up.

    Checkpoints are taken as often as a worker does; bytes are before compression.
    """
    names = tuple(f"SYM-{number}" for number in range(symbols))
    exchange = ExchangeSettings(events_per_s=events_per_s, duration_s=seconds, symbols=names)
    pipeline = Pipeline(CoreSettings(), 1, lambda _: 0)
    stages: dict[str, StageState] = {"market": pipeline._market[0], "account": pipeline._account[0]}
    journals = {name: Journal(name, 1, "first") for name in stages}
    written = dict.fromkeys(stages, 0)
    half_us = exchange.start_us + round(seconds / 2 * 1e6)
    due_us, checkpoints = exchange.start_us + _CHECKPOINT_US, 0
    for offset, (topic, event) in enumerate(Exchange(exchange).events()):
        if event.timestamp >= due_us:
            due_us += _CHECKPOINT_US
            checkpoints += event.timestamp >= half_us
            for name, stage in stages.items():
                records = journals[name].write(stage, {}).records
                if event.timestamp >= half_us:
                    written[name] += sum(len(key) + len(value or b"") for key, value in records)
        pipeline.push(topic, offset, event)
    pipeline.flush()
    found = [signal for signal in pipeline.results().signals if signal.timestamp >= half_us]
    return Usual(
        found,
        {
            "events_per_s": events_per_s,
            "symbols": symbols,
            "accounts": len(stages["account"].kept()["account"]),
            "signals_per_s": len(found) / (seconds / 2),
            **{f"{name}_checkpoint_bytes": size / checkpoints for name, size in written.items()},
        },
    )


def measure_correlation(
    partitions: int, signals: Sequence[Signal], signals_per_frame: float, ticks: int
) -> dict[str, float]:
    """Processor time a frame of a correlation stage with two sources a partition, each with a frame a tick."""
    stage = CorrelationStage(source_names(partitions), CoreSettings())
    values = list(_frames(partitions, signals, signals_per_frame, ticks))
    gc.collect()
    began_s = time.process_time()
    for offset, value in enumerate(values):
        stage.push_frame(decode_signal_frame(value), offset, 0)
        if offset % (2 * partitions) == 0:
            stage.poll(0)
    took_s = time.process_time() - began_s
    carried = sum(value.count(b'"detector"') for value in values)
    return {
        "partitions": partitions,
        "signals_per_frame": carried / len(values),
        "frame_us": took_s / len(values) * 1e6,
        "tick_ms": took_s / ticks * 1e3,
    }


def _frames(partitions: int, signals: Sequence[Signal], share: float, ticks: int) -> list[bytes]:
    chance, turn = Random(1), itertools.cycle(signals)
    made = []
    for tick in range(_FIRST_TICK, _FIRST_TICK + ticks):
        time_us = (tick + 1) * _TICK_US
        for source in source_names(partitions):
            many = int(share) + (chance.random() < share % 1)
            said = [msgspec.structs.replace(next(turn), timestamp=time_us) for _ in range(many)]
            placed = tuple(msgspec.structs.replace(one, symbol=f"{one.symbol}-{source}") for one in said)
            frame = SignalFrame(source, time_us, False, (SignalTick(tick, placed),) if placed else ())
            made.append(encode_frame(frame))
    return made


def main() -> None:
    """Measure and print, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--what", nargs="+", choices=("frames", "correlation"), default=["frames", "correlation"])
    parser.add_argument("--partitions", type=int, nargs="+", default=[4, 8, 16, 32])
    parser.add_argument("--seconds", type=float, default=15.0, help="of frames, for each number of partitions")
    parser.add_argument("--rates", type=float, nargs="+", default=[400.0, 1_200.0], help="events a second")
    parser.add_argument("--event-seconds", type=float, default=200.0, help="of usual flow, half of it warm-up")
    given = parser.parse_args()
    cores = split_cores()
    found: dict[str, object] = {"machine": machine()}
    if "frames" in given.what:
        found["frames"] = [measure_frames(partitions, given.seconds, cores.measured) for partitions in given.partitions]
    if "correlation" in given.what:
        usual = [usual_flow(rate, given.event_seconds, symbols=4) for rate in given.rates]
        found["usual"] = [one.figures for one in usual]
        found["correlation"] = [
            measure_correlation(partitions, usual[-1].signals, share, _TICKS)
            for partitions in given.partitions
            for share in (0.0, 0.1, 1.0)
        ]
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
