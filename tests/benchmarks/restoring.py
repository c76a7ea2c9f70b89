"""A partition's state, back from a broker: `python -m tests.benchmarks.restoring ACCOUNTS`."""

import asyncio
import json
import sys
import time

from aiokafka import AIOKafkaProducer

from detectors.account_stage import AccountStage
from detectors.config import CoreSettings
from streams.broker import EmbeddedBroker
from streams.checkpoints import Log, Record
from streams.settings import Settings
from streams.snapshots import read_snapshots
from streams.stations import Station
from streams.topics import SNAPSHOTS, bootstrap_servers, ensure_topics
from tests.benchmarks.memory import fill


async def measure(accounts: int) -> dict[str, float]:
    """Write the state of so many accounts as a worker does, and take it up as its successor does."""
    log: list[Record] = []
    fill(accounts, log.append)
    with EmbeddedBroker() as broker:
        await ensure_topics(broker.url, 1)
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers(broker.url), compression_type="lz4")
        await producer.start()
        for key, value in log:
            await producer.send(SNAPSHOTS, value, key, partition=0)
        await producer.stop()
        settings = Settings(broker=broker.url, partitions=1)
        began_s = time.perf_counter()
        read = await read_snapshots(settings, 0)
        read_s = time.perf_counter() - began_s
        successor = AccountStage(0, 1, CoreSettings())
        found = Log(read, "account", []).find({})
        if found is None:
            raise RuntimeError(f"expected the state of {accounts} accounts in {len(read)} records, found none")
        notes: list[str] = []
        Station(0, successor, {}, lambda _: ()).resume(found, notes)
        restored_s = time.perf_counter() - began_s
    return {
        "accounts": accounts,
        "known": len(successor.kept()["account"]),
        "bytes": sum(len(value or b"") for _, value in log),
        "read_s": read_s,
        "restore_s": restored_s,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(int(sys.argv[1])))))
