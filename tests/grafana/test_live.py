"""All rules and every query of the dashboards, on a real Prometheus that scrapes real workers, notifier and console."""

import asyncio
import json
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import uvloop
import yaml

from streams.broker import EmbeddedBroker
from streams.demo.children import Child, Children
from streams.demo.ports import free_ports
from streams.demo.workers import worker_environment
from streams.files import line_of
from streams.produce import produce
from streams.settings import Settings
from streams.simulator import Exchange, ExchangeSettings
from streams.topics import ensure_topics
from tests.grafana.tools import ROOT, dashboards, filled_in, program, queries

PARTITIONS = 2
READY_S, PLAYED_S, ANSWERED_S = 40.0, 10.0, 20.0
SETTINGS = """
[notify]
state_dir = "{directory}/notify"
[notify.sinks.pager]
kind = "webhook"
url = "http://127.0.0.1:9/"
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""
#: Queries that rightly have no series while all is well, and why.
WITHOUT_DATA = {
    "squall_ranker_": "nobody judges an alert here: the ranker stays off and predicts nothing",
    "squall_drift_ground_moved": "a series is watched for an hour before it is believed",
    "squall_cascade_brier_score": "the first forecast is judged after a quarter of an hour",
    "squall_cascade_distance_ratio": "no liquidations feed themselves within reach",
    "> 0": "asks for what is above 0",
    "squall:cancels_by_trades:ratio5m": "asks for symbols with trades in the last minutes, and rules have just begun",
}


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own processes
        return bytes(answer.read())


def wait_until(done: Any, what: str, timeout_s: float, children: Sequence[Child]) -> None:  # noqa: ANN401 - a callable
    """Ask until it is so; a process that ended, or time that is over, is a failure."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        for child in children:
            child.must_run()
        try:
            missing = done()
        except OSError as error:
            missing = error
        if not missing:
            return
        said = "\n".join(child.last_words() for child in children)
        assert time.monotonic() < deadline_s, f"{what}: {missing}\n{said}"
        time.sleep(0.25)


def prometheus_config(directory: Path, jobs: Mapping[str, Sequence[int]]) -> Path:
    """What deploy/prometheus/prometheus.yml says, of these ports, faster, and with no Alertmanager."""
    config = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [f"{ROOT}/grafana/rules/*.rules.yaml"]
    del config["alerting"]
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": [f"127.0.0.1:{port}" for port in jobs[job["job_name"]]]}]
    path = directory / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    return path


def play(settings: Settings) -> None:
    """Let an exchange go on for some seconds, in the present."""
    exchange = ExchangeSettings(seed=3, events_per_s=400, duration_s=PLAYED_S, start_us=int(time.time() * 1e6))
    lines = (line_of(topic, event) for topic, event in Exchange(exchange).events())
    uvloop.run(produce(settings, lines, speed=1.0))


class Prometheus:
    """Asks it."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, path: str, **parameters: object) -> Any:  # noqa: ANN401 - JSON
        query = urllib.parse.urlencode(parameters)
        return json.loads(get(f"http://127.0.0.1:{self.port}/api/v1/{path}?{query}"))["data"]

    def down(self) -> list[str]:
        targets = self.ask("targets")["activeTargets"]
        return [one["scrapeUrl"] for one in targets if one["health"] != "up"] if targets else ["no targets yet"]

    def unanswered(self, asked: Mapping[str, str]) -> list[str]:
        """Which queries give no series over the last seconds, as Grafana asks them; an error is raised."""
        now_s = time.time()
        span = {"start": now_s - 8, "end": now_s, "step": 2}
        found = {
            expr: self.ask("query_range", query=filled_in(expr).replace("[1m]", "[10s]"), **span) for expr in asked
        }
        return [asked[expr] + ": " + expr for expr, data in found.items() if not data["result"]]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus over two workers, a notifier and a console, after an exchange has gone on for some seconds."""
    server = program("prometheus")
    directory = tmp_path_factory.mktemp("live")
    file = directory / "squall.toml"
    file.write_text(SETTINGS.format(directory=directory))
    first, second, notify, console, own = free_ports(5)
    with EmbeddedBroker() as broker, Children(directory) as children:
        settings = Settings(broker=broker.url, partitions=PARTITIONS)
        asyncio.run(ensure_topics(settings.broker, PARTITIONS))
        squall = [sys.executable, "-m", "streams"]
        common = ["--broker", broker.url, "--config", str(file)]
        worker = [*squall, "worker", *common, "--partitions", str(PARTITIONS), "--web-port"]
        environment = worker_environment(settings)
        running = [
            children.start("worker-1", [*worker, str(first)], environment),
            children.start("worker-2", [*worker, str(second)], environment),
            children.start("notify", [*squall, "notify", *common, "--web-port", str(notify)]),
            children.start("console", [*squall, "console", *common, "--port", str(console)]),
        ]
        jobs = {"squall": [first, second], "squall-notify": [notify], "squall-console": [console]}
        config = prometheus_config(directory, jobs)
        command = [server, f"--config.file={config}", f"--storage.tsdb.path={directory}/tsdb"]
        running.append(children.start("prometheus", [*command, f"--web.listen-address=127.0.0.1:{own}"]))
        asked = Prometheus(own)

        def not_ready() -> list[str]:
            for port in (first, second):
                get(f"http://127.0.0.1:{port}/readyz")
            return asked.down()

        wait_until(not_ready, "all processes answer", READY_S, running)
        play(settings)
        yield asked


@pytest.mark.slow
@pytest.mark.broker
def test_every_query_of_the_dashboards_is_answered_with_data(prometheus: Prometheus) -> None:
    asked = {
        expr: f"{name}: {title}"
        for name, board in dashboards().items()
        for title, expr in queries(board)
        if not any(reason in expr for reason in WITHOUT_DATA)
    }
    assert len(asked) > 90
    wait_until(lambda: prometheus.unanswered(asked), "queries answer", ANSWERED_S, [])
    for expr in (expr for board in dashboards().values() for _, expr in queries(board)):
        # Those that may be empty must be answered all the same.
        prometheus.ask("query", query=filled_in(expr))


@pytest.mark.slow
@pytest.mark.broker
def test_all_rules_are_loaded_and_none_is_in_trouble(prometheus: Prometheus) -> None:
    groups = prometheus.ask("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert {rule["health"] for rule in rules} == {"ok"}
    firing = {rule["name"] for rule in rules if rule.get("state") == "firing"}
    assert firing == {"SquallWatchdog"}


@pytest.mark.slow
@pytest.mark.broker
def test_markets_are_shown_by_symbol(prometheus: Prometheus) -> None:
    symbols = set(prometheus.ask("label/symbol/values", **{"match[]": "squall_market_trades_total"}))
    assert symbols == {"BTC-PERP", "ETH-PERP", "SOL-PERP", "XRP-PERP"}
    (depth,) = prometheus.ask("query", query='max(squall_market_depth_10bp_notional{symbol="BTC-PERP"})')["result"]
    assert float(depth["value"][1]) > 0.0


@pytest.mark.slow
@pytest.mark.broker
@pytest.mark.parametrize(
    "counted",
    [
        'squall_sent_total{topic="signals"}',
        'squall_sent_total{topic="account-activity"}',
        "squall_rebalances_total",
        "squall_event_loop_delay_seconds_count",
        'squall_entities{stage="account",kind="account"}',
        'squall_calibrations{detector="thin_book"}',
    ],
)
def test_what_a_worker_does_is_counted(prometheus: Prometheus, counted: str) -> None:
    (total,) = prometheus.ask("query", query=f"sum({counted})")["result"]
    assert float(total["value"][1]) > 0.0
