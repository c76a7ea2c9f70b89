"""A simulated exchange that does not end, in the present time: rounds of ordinary flow with incidents planted in each.

`squall simulate` begins at a fixed day, so that the same seed gives the same bytes. Whoever watches a running system
wants events of now: limits that have not ended, and latencies that mean something.
"""

import argparse
import sys
import time
from collections.abc import Iterator

import uvloop

from streams.files import Line, line_of
from streams.produce import produce
from streams.settings import Settings
from streams.simulator import Exchange, ExchangeSettings, plant


def rounds(seed: int, events_per_s: float, round_s: float, warmup_s: float) -> Iterator[Line]:
    """Make the events, round after round, each with a seed of its own, the first beginning now.

    Parameters
    ----------
    seed
        Of the first round.
    events_per_s
        On average.
    round_s, warmup_s
        How long a round lasts, and how much of the first passes before its first incident, in seconds.
    """
    start_us = time.time_ns() // 1_000
    while True:
        exchange = ExchangeSettings(seed=seed, events_per_s=events_per_s, duration_s=round_s, start_us=start_us)
        for topic, event in Exchange(exchange, plant(seed, exchange, warmup_s=warmup_s)).events():
            yield line_of(topic, event)
        seed, start_us = seed + 1, exchange.end_us


def main(arguments: list[str]) -> None:
    """Send until the process is stopped; settings are those of every command (`SQUALL_CONFIG`, `SQUALL_BROKER`)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=600.0, help="events a second")
    parser.add_argument(
        "--round", type=float, default=1_800.0, help="seconds in which one incident of each family comes"
    )
    parser.add_argument("--warm-up", type=float, default=300.0, help="seconds of each round without incidents")
    given = parser.parse_args(arguments)
    uvloop.run(produce(Settings(), rounds(given.seed, given.rate, given.round, given.warm_up), speed=1.0))


if __name__ == "__main__":
    main(sys.argv[1:])
