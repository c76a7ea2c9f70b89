"""The same input gives the same alerts, byte for byte, however it is cut, mixed, delayed and repeated on its way."""

from collections.abc import Iterable
from functools import cache

import msgspec
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from detectors.results import Alert
from tests.detectors.full_flow import full_flow
from tests.detectors.workers import Workers, alerts_of_pipeline
from tests.helpers import Arrival, Log, at_us, quick_settings, shuffled_within

SETTINGS = quick_settings()
#: A seed says no more when it is small, and each try takes a second.
WITHOUT_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)

seeds = st.integers(0, 2**32 - 1)
partition_numbers = st.sampled_from([1, 2, 3])
batch_sizes = st.sampled_from([10, 100, 1_000])


@cache
def the_flow() -> list[Arrival]:
    return full_flow()


@cache
def the_log(partitions: int) -> Log:
    return Log(the_flow(), partitions)


@cache
def expected(partitions: int) -> bytes:
    return encoded(alerts_of_pipeline(the_log(partitions), SETTINGS))


def encoded(alerts: Iterable[Alert]) -> bytes:
    return b"\n".join(msgspec.json.encode(alert) for alert in alerts)


def without_offsets(alerts: Iterable[Alert]) -> bytes:
    return encoded(msgspec.structs.replace(alert, evidence=()) for alert in alerts)


def test_the_flow_makes_alerts_of_every_pattern_and_status() -> None:
    alerts = alerts_of_pipeline(the_log(2), SETTINGS)
    assert {alert.pattern for alert in alerts} >= {
        "cancel_burst",
        "feed_fault",
        "latency_shock",
        "layering",
        "leverage_spike",
        "liquidation_wave",
        "mark_divergence",
        "thin_book",
        "trade_burst",
        "correlated_stress",
    }
    assert {alert.status for alert in alerts} == {"open", "update", "resolved"}
    assert any(alert.symbol == "*" for alert in alerts)


def test_the_pipeline_gives_the_same_alerts_twice() -> None:
    assert encoded(alerts_of_pipeline(the_log(2), SETTINGS)) == expected(2)


@settings(max_examples=8, phases=WITHOUT_SHRINKING)
@given(seeds, partition_numbers, batch_sizes)
def test_batches_interleaving_and_delay_change_no_alert(seed: int, partitions: int, batch: int) -> None:
    assert encoded(Workers(SETTINGS, the_log(partitions), seed, batch).run()) == expected(partitions)


@settings(max_examples=4, phases=WITHOUT_SHRINKING)
@given(seeds, batch_sizes)
def test_idle_time_outs_that_pass_between_reads_change_no_alert(seed: int, batch: int) -> None:
    assert encoded(Workers(SETTINGS, the_log(2), seed, batch).run(idle=0.02)) == expected(2)


@settings(max_examples=4, phases=WITHOUT_SHRINKING)
@given(seeds, batch_sizes)
def test_records_delivered_again_change_no_alert(seed: int, batch: int) -> None:
    assert encoded(Workers(SETTINGS, the_log(2), seed, batch).run(repeat=0.3)) == expected(2)


@settings(max_examples=3, phases=WITHOUT_SHRINKING)
@given(seeds)
def test_a_market_stage_that_begins_again_changes_no_alert(seed: int) -> None:
    workers = Workers(SETTINGS, the_log(2), seed, batch=100)
    assert encoded(workers.run(restarts=2)) == expected(2)
    assert sum(account.counters["duplicate_frame_ticks"] for account in workers.accounts) > 0


@pytest.mark.slow
@settings(max_examples=3, phases=WITHOUT_SHRINKING)
@given(seeds)
def test_arrivals_permuted_within_the_lateness_change_no_alert_but_its_offsets(seed: int) -> None:
    log = Log(shuffled_within(the_flow(), SETTINGS.timing.lateness_us, seed), 2)
    in_file = alerts_of_pipeline(log, SETTINGS)
    assert without_offsets(in_file) == without_offsets(alerts_of_pipeline(the_log(2), SETTINGS))
    assert encoded(Workers(SETTINGS, log, seed).run()) == encoded(in_file)


@pytest.mark.slow
@settings(max_examples=4, phases=WITHOUT_SHRINKING)
@given(st.floats(113.0, 150.0), seeds)
@example(127.3, 1)
@example(131.5, 1)
def test_an_input_that_falls_silent_gives_the_last_alerts_of_a_file_that_ends(end_s: float, seed: int) -> None:
    log = Log([arrival for arrival in the_flow() if arrival[1].timestamp <= at_us(end_s)], 2)
    in_file = alerts_of_pipeline(log, SETTINGS)
    assert in_file
    assert encoded(Workers(SETTINGS, log, seed, batch=2_000).run()) == encoded(in_file)
