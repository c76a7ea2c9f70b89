"""The same input gives the same alerts, byte for byte, however it is cut, mixed, delayed and repeated on its way."""

from functools import cache

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from detectors.config import CoreSettings
from detectors.results import Alert
from tests.detectors.workers import Workers, alerts_of_pipeline
from tests.helpers import Log, quick_settings, shuffled_within, stressed_flow

PARTITIONS = 2
SETTINGS = quick_settings()

seeds = st.integers(0, 2**32 - 1)
batches = st.sampled_from([1, 10, 100, 1_000, 10_000])


@cache
def the_log() -> Log:
    return Log(stressed_flow(), PARTITIONS)


@cache
def expected() -> bytes:
    return encoded(alerts_of_pipeline(the_log(), SETTINGS))


def encoded(alerts: list[Alert]) -> bytes:
    return b"\n".join(msgspec.json.encode(alert) for alert in alerts)


def workers(log: Log, seed: int, batch: int, core: CoreSettings = SETTINGS) -> Workers:
    return Workers(core, log, seed, batch)


def test_the_flow_makes_alerts_of_every_kind_and_status() -> None:
    alerts = alerts_of_pipeline(the_log(), SETTINGS)
    assert {alert.pattern for alert in alerts} == {"cancel_burst", "thin_book", "leverage_spike", "correlated_stress"}
    assert {alert.status for alert in alerts} == {"open", "update", "resolved"}


def test_the_pipeline_gives_the_same_alerts_twice() -> None:
    assert encoded(alerts_of_pipeline(the_log(), SETTINGS)) == expected()


@settings(max_examples=12)
@given(seeds, batches)
def test_batches_interleaving_and_delay_change_no_alert(seed: int, batch: int) -> None:
    assert encoded(workers(the_log(), seed, batch).run()) == expected()


@settings(max_examples=6)
@given(seeds, batches)
def test_passing_idle_time_outs_change_no_alert(seed: int, batch: int) -> None:
    assert encoded(workers(the_log(), seed, batch).run(idle=0.01)) == expected()


@settings(max_examples=6)
@given(seeds, batches)
def test_records_delivered_again_change_no_alert(seed: int, batch: int) -> None:
    assert encoded(workers(the_log(), seed, batch).run(repeat=0.3)) == expected()
