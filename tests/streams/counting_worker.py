"""A worker process with counting stages, for tests: `python -m tests.streams.counting_worker BROKER WEB_PORT [FAULT]`.

A trade of the symbol "FAULT" makes the market stage do what FAULT says: `raise` an error, or `hang` for good.
"""

import sys
import time
from collections.abc import Sequence

from detectors.events import Event, Trade
from detectors.results import Refusal, RefusedRecord
from streams.settings import Settings
from streams.worker import run_worker
from tests.streams.counting import CountingMarket, counting_makers

PARTITIONS = 4


class FaultyMarket(CountingMarket):
    """Fails when it sees the symbol that asks for it."""

    fault = ""

    def push(
        self,
        topic: str,
        offsets: Sequence[int],
        events: Sequence[Event],
        now_us: int,
        refused: Sequence[RefusedRecord] = (),
    ) -> list[Refusal]:
        """Take events, or fail."""
        if any(isinstance(event, Trade) and event.symbol == "FAULT" for event in events):
            if self.fault == "hang":
                time.sleep(3_600)
            raise ValueError("a fault was asked for")
        return super().push(topic, offsets, events, now_us, refused)


def settings_for(broker: str, web_port: int) -> Settings:
    """Short time-outs, as the embedded broker wants."""
    worker = {
        "session_timeout_s": 4.0,
        "rebalance_timeout_s": 4.0,
        "commit_interval_ms": 200,
        "snapshot_interval_s": 0.2,
        "web_port": web_port,
    }
    return Settings(broker=broker, partitions=PARTITIONS, worker=worker)


if __name__ == "__main__":
    broker_url, port, *faults = sys.argv[1:]
    makers = counting_makers(PARTITIONS)
    if faults:
        FaultyMarket.fault = faults[0]
        makers = makers._replace(market=lambda partition: FaultyMarket(partition, PARTITIONS))
    sys.exit(run_worker(settings_for(broker_url, int(port)), makers))
