"""A worker whose market stage takes its time: `python -m tests.streams.slow_worker BROKER WEB_PORT EVENT_US`.

Its stages are the real ones, but each market event costs EVENT_US microseconds of processor time more.
"""

import sys
import time
from collections.abc import Sequence

from detectors.account_stage import AccountStage
from detectors.correlation_stage import CorrelationStage
from detectors.events import Event
from detectors.market_stage import MarketStage
from detectors.pipeline import source_names
from detectors.results import Refusal, RefusedRecord
from streams.agents import StageMakers
from streams.settings import Settings
from streams.topics import partition_of
from streams.worker import run_worker

PARTITIONS = 2


class SlowMarket(MarketStage):
    """Burns processor time for each event."""

    event_us = 0

    def push(
        self,
        topic: str,
        offsets: Sequence[int],
        events: Sequence[Event],
        now_us: int,
        refused: Sequence[RefusedRecord] = (),
    ) -> list[Refusal]:
        """Take events, slowly."""
        done_s = time.perf_counter() + len(events) * self.event_us / 1e6
        early = super().push(topic, offsets, events, now_us, refused)
        while time.perf_counter() < done_s:
            pass
        return early


def makers(settings: Settings) -> StageMakers:
    """The real stages, and a slow market."""
    core = settings.core

    def market(partition: int) -> MarketStage:
        return SlowMarket(partition, PARTITIONS, core, lambda key: partition_of(key, PARTITIONS))

    return StageMakers(
        market=market,
        account=lambda partition: AccountStage(partition, PARTITIONS, core),
        correlation=lambda _partition: CorrelationStage(source_names(PARTITIONS), core),
    )


if __name__ == "__main__":
    broker_url, port, event_us = sys.argv[1:]
    SlowMarket.event_us = int(event_us)
    worker = {
        "session_timeout_s": 6.0,
        "rebalance_timeout_s": 6.0,
        "commit_interval_ms": 200,
        "web_port": int(port),
        "degrade_lag_s": 2.0,
        "max_open_ticks": 200,
        # So that what is in hand when an input is held is little beside what is held.
        "max_batch_records": 200,
    }
    chosen = Settings(broker=broker_url, partitions=PARTITIONS, worker=worker)
    sys.exit(run_worker(chosen, makers(chosen)))
