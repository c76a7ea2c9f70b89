"""Planted against found, as a rule on alerts."""

import random

import pytest

from detectors.results import Alert, Pattern, Severity, Status
from streams.demo.scoring import FITTING, GRACE_US, false_alarms, match, risings
from streams.simulator import FAMILIES, Family, Incident

START_US, END_US = 100_000_000, 110_000_000
SECOND_US = 1_000_000


def incident(family: Family = "thin_book", accounts: tuple[str, ...] = ("maker-000",)) -> Incident:
    return Incident("01", family, "BTC", accounts, START_US, END_US)


def alert(
    timestamp: int = START_US,
    pattern: Pattern = "thin_book",
    severity: Severity = "warning",
    symbol: str = "BTC",
    alert_id: str = "a",
    revision: int = 1,
    status: Status = "open",
    score: float = 5.0,
    accounts: tuple[str, ...] = (),
) -> Alert:
    return Alert(
        alert_id=alert_id,
        revision=revision,
        status=status,
        timestamp=timestamp,
        pattern=pattern,
        severity=severity,
        score=score,
        rank=1,
        p_value=1e-6,
        symbol=symbol,
        accounts=accounts,
        window_start=timestamp - SECOND_US,
        window_end=timestamp,
        title="what",
        explanation=(),
        evidence=(),
        notional_at_risk=0.0,
        runbook="",
        model_version="1",
    )


def is_found(*alerts: Alert, of: Incident | None = None) -> bool:
    return match([of or incident()], alerts)[0].alert is not None


@pytest.mark.parametrize(
    ("timestamp", "found"),
    [
        (START_US - 1, False),
        (START_US, True),
        (END_US + GRACE_US, True),
        (END_US + GRACE_US + 1, False),
    ],
)
def test_an_incident_is_found_from_its_start_until_the_grace_after_its_end(timestamp: int, found: bool) -> None:
    assert is_found(alert(timestamp)) is found


@pytest.mark.parametrize("family", FAMILIES)
def test_only_fitting_patterns_find_a_family(family: Family) -> None:
    patterns: tuple[Pattern, ...] = ("cancel_burst", "leverage_spike", "thin_book", "correlated_stress", "trade_burst")
    finding = {pattern for pattern in patterns if is_found(alert(pattern=pattern), of=incident(family))}
    assert finding == set(FITTING[family])
    assert "correlated_stress" in finding


def test_another_symbol_finds_it_only_if_the_alert_names_an_account_that_takes_part() -> None:
    assert not is_found(alert(symbol="ETH"))
    assert not is_found(alert(symbol="*"))
    assert not is_found(alert(symbol="ETH", accounts=("maker-001",)))
    assert is_found(alert(symbol="ETH", accounts=("maker-001", "maker-000")))


def test_an_alert_that_was_open_before_finds_it_only_by_growing_worse() -> None:
    before = alert(START_US - SECOND_US, severity="info", score=2.0)
    same = alert(START_US + SECOND_US, severity="info", score=2.0, revision=2, status="update", accounts=("joined",))
    assert not is_found(before, same)
    assert is_found(before, alert(START_US, severity="warning", score=2.0, revision=2, status="update"))
    assert is_found(before, alert(START_US, severity="info", score=2.1, revision=2, status="update"))


def test_that_an_alert_is_resolved_finds_nothing() -> None:
    before = alert(START_US - SECOND_US, score=2.0)
    assert not is_found(before, alert(START_US, score=9.0, revision=2, status="resolved"))


def test_the_first_fitting_alert_counts_and_the_worst_severity_is_kept() -> None:
    first = alert(START_US + 1_500_000, severity="info", score=1.0)
    worse = alert(START_US + 3_000_000, severity="critical", score=8.0, revision=2, status="update")
    too_late = alert(END_US + GRACE_US + 1, severity="critical", alert_id="b")
    (found,) = match([incident()], [too_late, worse, first])
    assert found.alert == first
    assert found.time_to_detect_s == 1.5
    assert found.worst == "critical"


def test_a_miss_has_no_time_to_detect() -> None:
    (found,) = match([incident()], [])
    assert (found.alert, found.worst, found.time_to_detect_s) == (None, None, None)


def test_revisions_may_come_twice_and_in_any_order() -> None:
    revisions = [
        alert(START_US + number * SECOND_US, revision=number + 1, status="update" if number else "open", score=number)
        for number in range(6)
    ]
    muddled = revisions * 2
    random.Random(3).shuffle(muddled)
    assert risings(muddled) == revisions


def test_a_false_alarm_is_loud_and_no_incident_explains_it() -> None:
    explained = [
        alert(START_US, alert_id="on-its-symbol", pattern="cancel_burst"),
        alert(START_US, alert_id="on-the-market", symbol="*"),
        alert(START_US, alert_id="by-account", symbol="ETH", accounts=("maker-000",)),
    ]
    quiet = alert(START_US - SECOND_US, alert_id="quiet", severity="info")
    early = alert(START_US - SECOND_US, alert_id="early")
    elsewhere = alert(START_US, alert_id="elsewhere", symbol="ETH")
    late = alert(END_US + GRACE_US + 1, alert_id="late", severity="critical")
    assert false_alarms([incident()], [*explained, quiet, early, elsewhere, late]) == [early, elsewhere, late]


def test_an_alert_is_judged_where_it_first_grew_loud() -> None:
    quiet = alert(START_US - SECOND_US, severity="info", score=1.0)
    loud = alert(START_US, revision=2, status="update")
    louder = alert(END_US + GRACE_US + 1, revision=3, status="update", severity="critical")
    assert false_alarms([incident()], [quiet, loud, louder]) == []
    assert false_alarms([incident()], [quiet, louder]) == [louder]
