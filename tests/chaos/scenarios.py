"""The runs of the suite: which load, which broker, which nemeses, one after another."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.chaos.brokers import BrokerKind
from tests.chaos.load import Load
from tests.chaos.nemeses import (
    Nemesis,
    broker_killed,
    broker_restart,
    churn,
    dead_letters_full,
    kills,
    pause,
    slow_broker,
)

#: Time for models to warm up, and for workers to be seen at work.
LEAD_IN_S = 8.0
#: Between the last fault and the end of the load: recovery has 15 s, and is to be seen.
LEAD_OUT_S = 18.0


@dataclass(frozen=True, slots=True)
class Phase:
    """A nemesis at work for some seconds, and quiet after it."""

    name: str
    nemesis: Nemesis
    seconds: float
    rest_s: float = 3.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run.

    Parameters
    ----------
    name
        For `--only`.
    phases
        In order.
    load
        What is sent but for its length, which follows from the phases.
    broker, nodes
        What it needs: `kafka` for faults that only a durable broker survives.
    workers
        How many stay.
    idle_ms
        `timing.idle_ms`: inputs may be silent for so long while a broker is away or partitions have no owner, and must
        not be taken for ended. Nothing waits for it, since every input speaks each second of event time.
    static_members
        Whether workers have stable names in their group (`worker.group_instance_id`), so that one that is killed and
        started again takes its partitions up at once; the embedded broker does not know them.
    """

    name: str
    phases: tuple[Phase, ...]
    load: Load = field(default_factory=Load)
    broker: BrokerKind = "embedded"
    nodes: int = 1
    workers: int = 3
    idle_ms: int = 20_000
    static_members: bool = False

    @property
    def wall_s(self) -> float:
        """How long the load has to last."""
        return LEAD_IN_S + sum(phase.seconds + phase.rest_s for phase in self.phases) + LEAD_OUT_S

    def settings(self, *, idempotent: bool) -> Mapping[str, Mapping[str, Any]]:
        """The workers' settings.

        Lateness covers the reordering of the load; stages upstream are never taken for dead, since with kills every few
        seconds their partitions may have no owner for long. Degradation is off: it trades these very alerts for
        time. Budgets are wide, so that there are many alerts to compare.
        """
        return {
            "timing": {"lateness_ms": 1_000, "idle_ms": self.idle_ms, "source_timeout_ms": 600_000},
            "calibration": {"warm_up": 50, "warm_up_s": 10.0},
            "alerts": {
                "info_per_day": 20_000.0,
                "false_alarms_per_day": 300.0,
                "resolve_after_s": 15,
                "update_every_s": 2,
            },
            "worker": {
                "session_timeout_s": 6.0,
                "rebalance_timeout_s": 6.0,
                "commit_interval_ms": 500,
                "idempotent_producer": idempotent,
                "degrade_lag_s": 0.0,
            },
        }


_REORDERED = Load(seed=3, duplicates=0.02, reorder_ms=500)
_WILD = Load(seed=3, duplicates=0.02, reorder_ms=500, clock_off=True)
_POISONED = Load(seed=2, poison=0.01)

CALM = Scenario("calm", (), Load(seed=2, poison=0.01, duplicates=0.02, reorder_ms=500, clock_off=True))

SHORT: tuple[Scenario, ...] = (
    # On two cores, beside a broker: workers must have some room to catch up in.
    Scenario("kills", (Phase("SIGKILL", kills, 22.0),), Load(seed=2, speed=6.0, poison=0.01)),
    Scenario(
        "zombie-and-churn",
        (Phase("SIGSTOP", pause, 10.0), Phase("join and leave", churn, 10.0)),
        # Ten seconds of a zombie and five workers on two cores: what piled up meanwhile has to be caught up with.
        Load(seed=3, speed=6.0, duplicates=0.02, reorder_ms=500, clock_off=True),
    ),
    Scenario(
        "broker-restart",
        (Phase("broker restarted", broker_restart, 4.0),),
        Load(seed=4, speed=6.0, warm_up_s=80.0),
        "kafka",
        workers=2,
        idle_ms=60_000,
    ),
)

_OFTEN = partial(kills, every_s=(1.5, 4.5))

LONG: tuple[Scenario, ...] = (
    # In bursts: while workers are killed every few seconds a backlog grows, and it is to be seen that they catch up.
    Scenario(
        "long-kills", (Phase("SIGKILL", _OFTEN, 30.0, rest_s=12.0),) * 15, _POISONED, "kafka", static_members=True
    ),
    # On Kafka: the embedded broker takes many minutes to read back what half an hour has left in it.
    Scenario(
        "long-kills-wild", (Phase("SIGKILL", _OFTEN, 30.0, rest_s=12.0),) * 5, _WILD, "kafka", static_members=True
    ),
    Scenario(
        "long-zombie-and-churn",
        (Phase("SIGSTOP", pause, 30.0), Phase("join and leave", churn, 60.0), Phase("SIGSTOP", pause, 30.0)),
        Load(seed=7, duplicates=0.02, reorder_ms=500, clock_off=True),
        "kafka",
    ),
    Scenario(
        "long-brokers",
        (
            Phase("broker of three killed", broker_killed, 20.0, rest_s=20.0),
            Phase("slow broker", slow_broker, 30.0, rest_s=10.0),
            Phase("broker of three killed", broker_killed, 20.0, rest_s=20.0),
            Phase("all brokers restarted", broker_restart, 5.0, rest_s=20.0),
        ),
        # Three nodes, their copies and the workers share the machine: what is sent waits for two of them.
        Load(seed=5, speed=4.0, poison=0.01),
        "kafka",
        nodes=3,
        idle_ms=120_000,
    ),
    Scenario(
        "long-dead-letters-full",
        (Phase("dead letters full", dead_letters_full, 20.0, rest_s=10.0),),
        _POISONED,
        "kafka",
        workers=2,
    ),
    Scenario(
        "long-everything",
        (
            Phase("SIGKILL", kills, 60.0),
            Phase("slow broker", slow_broker, 20.0),
            Phase("SIGSTOP", pause, 30.0),
            Phase("broker restarted", broker_restart, 5.0, rest_s=15.0),
            Phase("SIGKILL", kills, 60.0),
        ),
        Load(seed=2, poison=0.01, duplicates=0.02, reorder_ms=500),
        "kafka",
        idle_ms=120_000,
    ),
)
