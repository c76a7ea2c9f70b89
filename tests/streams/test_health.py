"""Probes: who lives, who does not, and why."""

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry

from detectors.errors import ConfigError
from streams.health import STUCK_AFTER_S, HealthServer, liveness_problems
from streams.metrics import Metrics

NOW_S = 1_000.0
LONG_AGO_S = NOW_S - STUCK_AFTER_S - 1


@dataclass
class Agent:
    name: str = "market"
    running: bool | None = True
    ticked_s: float = NOW_S
    busy_since_s: float | None = None


@pytest.mark.parametrize(
    "agent",
    [Agent(), Agent(running=None), Agent(busy_since_s=NOW_S - 1)],
    ids=["idle", "not started yet", "at work"],
)
def test_an_agent_that_makes_progress_lives(agent: Agent) -> None:
    assert liveness_problems(NOW_S, NOW_S, [agent], None) == []


@pytest.mark.parametrize(
    ("agent", "problem"),
    [
        (Agent(running=False), "agent market: its task has ended"),
        (Agent(ticked_s=LONG_AGO_S), "agent market: no tick for 9.0 s"),
        (Agent(busy_since_s=LONG_AGO_S), "agent market: at the same batch for 9.0 s"),
    ],
)
def test_an_agent_without_progress_is_dead(agent: Agent, problem: str) -> None:
    assert liveness_problems(NOW_S, NOW_S, [Agent("account"), agent], None) == [problem]


def test_a_stuck_loop_and_a_failure_are_told() -> None:
    found = liveness_problems(NOW_S, LONG_AGO_S, [], "agent market: ValueError: bad")
    assert found == ["agent market: ValueError: bad", "event loop: stuck for 9.0 s"]


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_pages_answer() -> None:
    registry = CollectorRegistry()
    Metrics.create(registry).records.labels("trades").inc(3)
    reasons: Sequence[str] = []

    with HealthServer("127.0.0.1", 0, registry, lambda: reasons, lambda: ["not joined"]) as server:
        assert get(server.port, "/livez") == (200, '{"status": "ok"}')
        reasons = ["event loop: stuck"]
        status, body = get(server.port, "/livez?verbose")
        assert (status, json.loads(body)) == (503, {"status": "failing", "reasons": ["event loop: stuck"]})
        assert get(server.port, "/readyz")[0] == 503
        assert 'squall_records_total{topic="trades"} 3.0' in get(server.port, "/metrics")[1]
        assert get(server.port, "/other")[0] == 404


def test_a_taken_port_is_told() -> None:
    registry = CollectorRegistry()
    with HealthServer("127.0.0.1", 0, registry, list, list) as server, pytest.raises(ConfigError, match="in use"):
        HealthServer("127.0.0.1", server.port, registry, list, list)


def test_every_metric_has_the_prefix_a_help_text_and_no_account() -> None:
    registry = CollectorRegistry()
    Metrics.create(registry)
    for family in registry.collect():
        assert family.name.startswith("squall_")
        assert family.documentation
        assert not any("account" in label for sample in family.samples for label in sample.labels)
