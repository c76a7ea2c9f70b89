"""The floor: aiokafka's fetch, and decoding: `python -m tests.benchmarks.floor BROKER EVENTS`."""

import json
import sys
import time

import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.codecs import RecordDecoder
from streams.topics import INPUT_TOPICS, bootstrap_servers
from tests.benchmarks.backlog import PARTITIONS


async def floor(broker: str, events: int) -> dict[str, float]:
    """Read and decode that many events from the beginning of all input topics."""
    decoders = {topic: RecordDecoder(topic) for topic in INPUT_TOPICS}
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers(broker), auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, part) for topic in INPUT_TOPICS for part in range(PARTITIONS)])
        await consumer.seek_to_beginning()
        taken = 0
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        while taken < events:
            for place, records in (await consumer.getmany(timeout_ms=500)).items():
                decoded = decoders[place.topic].decode(
                    [record.value for record in records], [record.offset for record in records]
                )
                taken += len(decoded.events)
        wall_s, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    finally:
        await consumer.stop()
    return {"events": taken, "wall_s": wall_s, "cpu_s": cpu_s}


if __name__ == "__main__":
    print(json.dumps(uvloop.run(floor(sys.argv[1], int(sys.argv[2])))))
