"""The same recording through files and through a broker gives the same alerts, byte for byte."""

import asyncio
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from streams.broker import EMBEDDED_SESSION_TIMEOUT_S, Broker
from streams.codecs import encode_event
from streams.demo.ports import free_port
from streams.simulator import Exchange, ExchangeSettings, plant
from streams.topics import ensure_topics
from tests.streams.worker_bench import ROOT, Worker, reading, until

pytestmark = pytest.mark.slow

DATA = ROOT.parent / "shared" / "data"
BITSTAMP = DATA / "bitstamp-btcusd-2015-05-01-first-3h.ndjson.gz"
BINANCE = DATA / "binance-btcusd-perp-2024-08-09.ndjson.gz"
#: A budget wide enough for quiet hours to give alerts to compare.
#: Three hours are sent in a second or two, topic by topic as the broker takes them: on Apache Kafka one may stand still
#: for longer than the usual 200 ms beside the others, and what then comes of it would be late.
WIDE = {
    "SQUALL_ALERTS__INFO_PER_DAY": "20000",
    "SQUALL_ALERTS__FALSE_ALARMS_PER_DAY": "300",
    "SQUALL_TIMING__LATENESS_MS": "3000",
    "SQUALL_TIMING__IDLE_MS": "4000",
}
#: Alerts within two minutes of events.
SOON = WIDE | {"SQUALL_CALIBRATION__WARM_UP": "50", "SQUALL_CALIBRATION__WARM_UP_S": "10"}


class RealWorker(Worker):
    """`squall worker` as a user starts it."""

    def __init__(self, broker: str, environment: dict[str, str]) -> None:
        self.port = free_port()
        self._start(
            ["-m", "streams", "worker", "--broker", broker, "--web-port", str(self.port)],
            SQUALL_WORKER__SESSION_TIMEOUT_S=str(EMBEDDED_SESSION_TIMEOUT_S),
            **environment,
        )


def squall(*arguments: str, environment: dict[str, str] = WIDE) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "streams", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def alerts_of_file(recording: Path, out: Path, environment: dict[str, str]) -> list[bytes]:
    squall("replay", str(recording), "--out", str(out), environment=environment)
    return (out / "alerts.ndjson").read_bytes().splitlines()


async def alerts_of_broker(
    broker: Broker, recording: Path, workers: int, enough: int, environment: dict[str, str]
) -> list[bytes]:
    """Start workers, let them share the partitions, then produce the recording as fast as it goes."""
    await ensure_topics(broker.url, 4)
    with ExitStack() as stack:
        started = [stack.enter_context(RealWorker(broker.url, environment)) for _ in range(workers)]
        for worker in started:
            await worker.ready()
        squall("produce", str(recording), "--broker", broker.url, environment=environment)
        async with reading(broker.url, "alerts") as alerts:

            async def all_there() -> bool:
                return len(await alerts.read()) >= enough

            await until(all_there, 60.0)
            return [record.value for record in await alerts.read()]


def need(recording: Path) -> None:
    if not recording.exists():
        pytest.skip(f"the recording {recording.name} is not on this machine")


@pytest.mark.parametrize(
    ("recording", "workers"),
    [(BITSTAMP, 1), (BITSTAMP, 2), (BINANCE, 2)],
    ids=["bitstamp-one-worker", "bitstamp-two-workers", "binance-two-workers"],
)
def test_a_recording_gives_the_same_alerts_from_a_file_and_from_a_broker(
    own_broker: Broker, recording: Path, workers: int, tmp_path: Path
) -> None:
    need(recording)
    expected = alerts_of_file(recording, tmp_path / "out", WIDE)
    assert expected
    assert asyncio.run(alerts_of_broker(own_broker, recording, workers, len(expected), WIDE)) == expected


def test_a_simulated_exchange_gives_the_same_alerts_from_a_file_and_from_two_workers(
    own_broker: Broker, tmp_path: Path
) -> None:
    symbols = ("BTC-PERP", "ETH-PERP")
    settings = ExchangeSettings(seed=3, symbols=symbols, accounts=400, events_per_s=150, duration_s=80)
    exchange = Exchange(settings, plant(3, settings, families=("correlated",), warmup_s=40))
    recording = tmp_path / "simulated.ndjson"
    recording.write_bytes(b"".join(encode_event(event) + b"\n" for _, event in exchange.events()))
    expected = alerts_of_file(recording, tmp_path / "out", SOON)
    assert expected
    assert asyncio.run(alerts_of_broker(own_broker, recording, 2, len(expected), SOON)) == expected


def test_three_quiet_hours_raise_at_most_two_alerts_above_info(tmp_path: Path) -> None:
    need(BITSTAMP)
    squall("replay", str(BITSTAMP), "--out", str(tmp_path), environment={})
    alerts = [msgspec.json.decode(line) for line in (tmp_path / "alerts.ndjson").read_bytes().splitlines()]
    assert len({alert["alert_id"] for alert in alerts if alert["severity"] != "info"}) <= 2
