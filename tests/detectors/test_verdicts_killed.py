"""With verdicts on its alerts, too, a stage that is killed at any moment leaves what one that was not leaves."""

import random
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from detectors.config import CoreSettings
from detectors.decisions import Feedback
from detectors.ranker_settings import Ranker
from detectors.results import Alert, LearnedRank
from tests.detectors.full_flow import full_flow
from tests.detectors.killed import KilledWorkers, knowledge
from tests.detectors.test_killed import once
from tests.detectors.workers import alerts_of_pipeline
from tests.helpers import Log, quick_settings

SECOND_US = 1_000_000
SETTINGS = replace(quick_settings(), ranker=Ranker(min_verdicts=2, min_each=1, settle_s=1))
WITHOUT_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)


class JudgedWorkers(KilledWorkers):
    """Workers that follow `feedback`, in which verdicts stand in an order of chance, each before it is due."""

    def __init__(self, config: CoreSettings, log: Log, seed: int, kills: float) -> None:
        super().__init__(config, log, seed, batch=300, kills=kills)
        self.said = random.Random(seed).sample(verdicts(), len(verdicts()))

    def turn(self, stage: str, partition: int) -> None:
        """Hear what was not heard yet, as the shell does before each step."""
        if stage == "correlation":
            for offset in range(self.correlation.followed_below, len(self.said)):
                self.correlation.hear(self.said[offset])
                self.correlation.followed_below = offset + 1
        super().turn(stage, partition)


@cache
def the_log() -> Log:
    return Log(full_flow(), 2)


@cache
def verdicts() -> list[Feedback]:
    """Someone judges each alert some seconds after it was raised, then thinks again about a third of them."""
    opened = [alert for alert in alerts_of_pipeline(the_log(), SETTINGS) if alert.status == "open"]
    said = []
    for number, alert in enumerate(opened):
        at_us = alert.timestamp + (1 + number % 3) * SECOND_US
        said.append(Feedback(alert.alert_id, "ann", at_us, verdict="true" if alert.pattern != "thin_book" else "noise"))
        if number % 3 == 0:
            said.append(Feedback(alert.alert_id, "bob", at_us + SECOND_US, verdict="false"))
    return said


def judged(seed: int, kills: float) -> tuple[list[Alert], list[bytes], bytes]:
    workers = JudgedWorkers(SETTINGS, the_log(), seed, kills)
    alerts = workers.run()
    assert workers.notes == []
    assert workers.happened["taken up"] > 2 or not kills
    return alerts, once(alerts), knowledge(workers, "correlation", 0)


@cache
def never_killed() -> tuple[list[Alert], list[bytes], bytes]:
    return judged(seed=1, kills=0.0)


def test_verdicts_on_the_flow_reorder_some_of_its_alerts() -> None:
    learned = [alert.ranker for alert in never_killed()[0] if isinstance(alert.ranker, LearnedRank)]
    assert len(learned) > 5
    assert any(one.factor != 1.0 for one in learned)


@pytest.mark.slow
@settings(max_examples=4, phases=WITHOUT_SHRINKING)
@given(st.integers(0, 2**32 - 1))
def test_killed_stages_with_verdicts_leave_the_same_alerts_and_the_same_state(seed: int) -> None:
    _, alerts, state = judged(seed, kills=0.04)
    assert (alerts, state) == never_killed()[1:]
