"""Guardrails under load: `python -m tests.benchmarks.trips [--rates 20000 40000] [--seconds 30] [--workers 1]`.

From the moment a ticker whose mark is 6 % from its index is sent, to the record of the trip in a consumer's hands. The
settings are the defaults; each ticker is of a symbol of its own, so that each trips.
"""

import argparse
import gc
import json
import multiprocessing
import re
import time
from collections.abc import Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from detectors.decisions import Trip
from detectors.events import DerivativeTicker
from streams.codecs import encode_event
from streams.topics import GUARDRAILS, bootstrap_servers
from tests.benchmarks.backlog import loaded_broker, simulate
from tests.benchmarks.ours import Worker, working
from tests.benchmarks.pacing import SLOT_US, Pace, Paced, Planting, pace, symbols_in_use
from tests.benchmarks.processes import Cores, cpu_s, split_cores
from tests.benchmarks.report import machine

RATES = (20_000.0, 40_000.0)
#: Whole slots of the producer: a ticker is due at the end of one, when it is sent.
TRIP_EVERY_US = 200_000
_WARM_UP_S = 10.0
_LOOP_S = 5.0
#: In its first seconds, and at these rates, the simulated exchange makes four fifths of what it is asked for.
_MADE_OF_ASKED = 1.25
_PREPARE_S = 1.0
#: After the end, for what is still under way.
_GRACE_S = 5.0
_QUANTILES = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("most", 1.0))
_RULE = "mark_index"
_DURATIONS = re.compile(r'^squall_(step|snapshot)_seconds_(sum|count)\{stage="([a-z]+)"\} (\S+)$', re.MULTILINE)


class Diverging:
    """Tickers whose mark has left its index, one each `TRIP_EVERY_US`.

    Parameters
    ----------
    symbols
        One for each.
    begin_us
        When the first is due; the end of a slot.
    """

    def __init__(self, symbols: Sequence[str], begin_us: int) -> None:
        self.due_us = {symbol: begin_us + number * TRIP_EVERY_US for number, symbol in enumerate(symbols)}
        self._coming = list(reversed(self.due_us.items()))

    def due(self, end_us: int) -> list[Planting]:
        """What is due up to `end_us` and was not given before."""
        found: list[Planting] = []
        while self._coming and self._coming[-1][1] <= end_us:
            symbol, at_us = self._coming.pop()
            ticker = DerivativeTicker(at_us, symbol, mark_price=106.0, index_price=100.0)
            found.append(("tickers", symbol, encode_event(ticker)))
        return found


def measure(events_per_s: float, seconds: float, workers: int, cores: Cores) -> dict[str, Any]:
    """Offer a rate for `seconds` after a warm-up; quantiles of the trips' latencies.

    Parameters
    ----------
    events_per_s
        The rate; event time keeps it.
    seconds
        How long trips are measured.
    workers
        How many processes share the partitions; all run on the cores that are measured.
    cores
        Where they, the broker and the producer run.
    """
    items = simulate(round(_LOOP_S * events_per_s), events_per_s * _MADE_OF_ASKED)
    gc.freeze()
    with loaded_broker([]) as broker, ExitStack() as stack:
        started = [stack.enter_context(working(broker, "trips", cores.measured)) for _ in range(workers)]
        for worker in started:
            worker.wait_until_ready()
        path = Pace(items, events_per_s)
        # A whole slot, so that the tickers are due when slots end.
        path.start_us = (time.time_ns() // 1_000 + round(_PREPARE_S * 1e6)) // SLOT_US * SLOT_US
        begin_us = path.start_us + round(_WARM_UP_S * 1e6)
        symbols = symbols_in_use("TRIP", int(seconds * 1e6 / TRIP_EVERY_US), "tickers", items)
        planted = Diverging(symbols, begin_us)
        # The last slot is behind the last ticker.
        whole_s = _WARM_UP_S + seconds + 2 * SLOT_US / 1e6
        context = multiprocessing.get_context("fork")
        receiver, sender = context.Pipe(duplex=False)
        producer = context.Process(target=_produce, args=(sender, broker, path, planted, whole_s), daemon=True)
        producer.start()
        used_s = -sum(cpu_s(worker.process.pid) for worker in started)
        began_s = time.monotonic()
        end_s = path.start_us / 1e6 + whole_s + _GRACE_S
        arrivals = uvloop.run(_arrivals(broker, end_s, len(symbols)))
        if not receiver.poll(30.0):
            raise RuntimeError("expected the producer to be done, it is not")
        done: Paced = receiver.recv()
        producer.join()
        used_s += sum(cpu_s(worker.process.pid) for worker in started)
        ran_s = time.monotonic() - began_s
        behind = done.events - sum(worker.look().events for worker in started)
        durations = [_durations(worker) for worker in started]
    latencies_ms = sorted((arrived_us - planted.due_us[symbol]) / 1e3 for symbol, arrived_us in arrivals.items())
    return {
        "workers": workers,
        "offered_events_per_s": round(done.events / done.seconds),
        "sustained": behind < events_per_s and len(latencies_ms) == len(symbols),
        "behind_at_end_events": behind,
        "trips": len(latencies_ms),
        "missing": len(symbols) - len(latencies_ms),
        "latency_ms": {name: _quantile(latencies_ms, share) for name, share in _QUANTILES},
        "worker_cpu_share": round(used_s / ran_s, 3),
        "worker_mean_ms": durations,
        "producer_most_late_ms": round(done.most_late_ms, 1),
    }


def _produce(sender: Connection, broker: str, path: Pace, planted: Diverging, seconds: float) -> None:
    """Forked, so that the stretch need not be handed over."""
    sender.send(pace(broker, path, planted, seconds))


async def _arrivals(broker: str, until_s: float, enough: int) -> dict[str, int]:
    """By symbol, when the first record of its trip arrived."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers(broker), fetch_max_wait_ms=5)
    await consumer.start()
    found: dict[str, int] = {}
    try:
        place = TopicPartition(GUARDRAILS, 0)
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        while time.time() < until_s and len(found) < enough:
            fetched = await consumer.getmany(timeout_ms=200)
            arrived_us = time.time_ns() // 1_000
            for records in fetched.values():
                for trip in (msgspec.json.decode(record.value, type=Trip) for record in records):
                    if trip.rule == _RULE and trip.entity.startswith("TRIP-"):
                        found.setdefault(trip.entity, arrived_us)
    finally:
        await consumer.stop()
    return found


def _durations(worker: Worker) -> dict[str, float]:
    """Mean milliseconds of steps and checkpoints, by stage: how long a trip may have to wait for another batch."""
    found = {
        (what, stage, name): float(value)
        for what, name, stage, value in _DURATIONS.findall(worker.page("/metrics") or "")
    }
    return {
        f"{what} {stage}": round(1e3 * found[what, stage, "sum"] / count, 2)
        for (what, stage, name), count in found.items()
        if name == "count" and count
    }


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    return round(ordered[min(int(share * len(ordered)), len(ordered) - 1)], 1) if ordered else None


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.trips", description=__doc__)
    parser.add_argument("--rates", type=float, nargs="+", default=RATES, help="events a second")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long trips are measured at each rate")
    parser.add_argument("--workers", type=int, default=1, help="processes that share the partitions")
    parser.add_argument("--out", type=Path, help="where to write what was found, as JSON")
    options = parser.parse_args()
    about, cores = machine(), split_cores()
    found = [measure(rate, options.seconds, options.workers, cores) for rate in options.rates]
    for one in found:
        print(json.dumps(one))
    if options.out:
        options.out.write_text(json.dumps({"runs": found, "machine": about}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
