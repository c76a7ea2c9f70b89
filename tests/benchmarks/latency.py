"""Latency: from the moment the last event that an alert needs was due, to the alert's record in a consumer's hands."""

import multiprocessing
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.codecs import decode_alert
from streams.topics import ALERTS, bootstrap_servers
from tests.benchmarks.backlog import Item, loaded_broker, simulate
from tests.benchmarks.ours import working
from tests.benchmarks.pacing import BURST_SYMBOLS, Bursts, Pace, Paced, pace, symbols_in_use
from tests.benchmarks.processes import Cores

#: More alerts than an exchange ever wants: they must end before the next burst on their symbol, and say every change.
SETTINGS = {
    "SQUALL_CALIBRATION__WARM_UP": "20",
    "SQUALL_CALIBRATION__WARM_UP_S": "5",
    "SQUALL_ALERTS__INFO_PER_DAY": "10000",
    "SQUALL_ALERTS__RESOLVE_AFTER_S": "2",
    "SQUALL_ALERTS__UPDATE_EVERY_S": "0",
}
#: A symbol's rate of cancels is not believed for half a minute, its scores for some seconds more.
_WARM_UP_S = 42.0
_QUANTILES = (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))
_MOST_ATTEMPTS = 3
_LOOP_S = 5.0
#: In its first seconds, and at these rates, the simulated exchange makes four fifths of what it is asked for.
_MADE_OF_ASKED = 1.25
_PREPARE_S = 1.0
#: After the end, for what is still under way.
_GRACE_S = 4.0


def measure_sustained(events_per_s: float, seconds: float, cores: Cores) -> list[dict[str, Any]]:
    """Offer the rate, then half of it and so on, until the worker keeps up; the last of the attempts counts."""
    attempts: list[dict[str, Any]] = []
    while not attempts or (not attempts[-1]["sustained"] and len(attempts) < _MOST_ATTEMPTS):
        rate_per_s = events_per_s / 2 ** len(attempts)
        # Made for each rate: books and tickers come by the clock, and must not be stretched with the rest.
        items = simulate(round(_LOOP_S * rate_per_s), rate_per_s * _MADE_OF_ASKED)
        attempts.append(measure(items, rate_per_s, seconds, cores))
    return attempts


def measure(items: Sequence[Item], events_per_s: float, seconds: float, cores: Cores) -> dict[str, Any]:
    """Offer events at a rate for `seconds` after a warm-up; quantiles of the alerts' latencies."""
    with loaded_broker([]) as broker, working(broker, "latency", cores.measured, **SETTINGS) as worker:
        worker.wait_until_ready()
        path = Pace(items, events_per_s)
        path.start_us = time.time_ns() // 1_000 + round(_PREPARE_S * 1e6)
        whole_s = _WARM_UP_S + seconds
        context = multiprocessing.get_context("fork")
        receiver, sender = context.Pipe(duplex=False)
        symbols = symbols_in_use("BURST", BURST_SYMBOLS, "cancels", items)
        arguments = sender, broker, path, Bursts(symbols, path.start_us, _WARM_UP_S), whole_s
        producer = context.Process(target=_produce, args=arguments, daemon=True)
        producer.start()
        end_s = (path.start_us + round(whole_s * 1e6)) / 1e6
        arrivals = uvloop.run(_arrivals(broker, end_s + _GRACE_S))
        if not receiver.poll(30.0):
            raise RuntimeError("expected the producer to be done, it is not")
        done: Paced = receiver.recv()
        producer.join()
        behind = done.events - worker.look().events
    begin_us = path.start_us + round(_WARM_UP_S * 1e6)
    latencies_ms = sorted(
        (arrived_us - path.newest_before(closed_us)) / 1e3 for arrived_us, closed_us in arrivals if closed_us > begin_us
    )
    return {
        "sustained": bool(latencies_ms) and behind < events_per_s,
        "alerts": len(latencies_ms),
        "offered_events_per_s": round(done.events / done.seconds),
        "behind_at_end_events": behind,
        "producer_most_late_ms": round(done.most_late_ms, 1),
        "producer_cpu_share": round(done.cpu_s / done.seconds, 3),
        "latency_ms": {name: _quantile(latencies_ms, share) for name, share in _QUANTILES},
    }


def _produce(sender: Connection, broker: str, path: Pace, bursts: Bursts, seconds: float) -> None:
    """Forked, so that the stretch need not be handed over."""
    sender.send(pace(broker, path, bursts, seconds))


async def _arrivals(broker: str, until_s: float) -> list[tuple[int, int]]:
    """When each alert that opened or changed arrived, and the end of the tick that made it."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers(broker), fetch_max_wait_ms=5)
    await consumer.start()
    found: list[tuple[int, int]] = []
    try:
        place = TopicPartition(ALERTS, 0)
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        while time.time() < until_s:
            fetched = await consumer.getmany(timeout_ms=200)
            arrived_us = time.time_ns() // 1_000
            for records in fetched.values():
                alerts = (decode_alert(record.value) for record in records)
                found += [(arrived_us, alert.timestamp) for alert in alerts if alert.status != "resolved"]
    finally:
        await consumer.stop()
    return found


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    return round(ordered[min(int(share * len(ordered)), len(ordered) - 1)], 1) if ordered else None
