"""The life of alerts: opened once an episode, said again when it grows, resolved once; ranked without ties."""

import random
from collections import Counter
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.alert_book import AlertBook
from detectors.config import Alerts
from detectors.feedback_ranker import FeedbackRanker
from detectors.findings import Finding
from detectors.ranker_settings import Ranker
from detectors.ranking import ranking_score
from detectors.results import Alert, Evidence, Pattern, Severity

SETTINGS = Alerts(resolve_after_s=10, update_every_s=3, max_open=3)
SECOND_US = 1_000_000
ORDER = {"info": 0, "warning": 1, "critical": 2}
severities: st.SearchStrategy[Severity] = st.sampled_from(get_args(Severity))
patterns: st.SearchStrategy[Pattern] = st.sampled_from(["cancel_burst", "thin_book"])


def a_finding(
    timestamp: int,
    pattern: Pattern = "cancel_burst",
    symbol: str = "X",
    severity: Severity = "warning",
    per_day: float = 0.5,
    accounts: tuple[str, ...] = (),
) -> Finding:
    return Finding(
        timestamp=timestamp,
        pattern=pattern,
        symbol=symbol,
        severity=severity,
        per_day=per_day,
        p_value=1e-6,
        window_start=timestamp - 100_000,
        title=f"{severity} {pattern} by {accounts} on {symbol}",
        contributions=(),
        accounts=accounts,
        notional=0.0,
        evidence=(Evidence("trades", 0, timestamp // 1_000, timestamp // 1_000 + 1),),
        families=1,
    )


def a_book(settings: Alerts, counters: Counter[str] | None = None) -> AlertBook:
    """A book that nobody has judged an alert of."""
    counters = Counter() if counters is None else counters
    return AlertBook(settings, "m", "runbook.md", counters, FeedbackRanker(Ranker(), counters))


#: Microseconds since the turn before, and the findings of a turn: pattern, symbol, severity, rarity, an account.
turns = st.lists(
    st.tuples(
        st.integers(1, 130).map(lambda ticks: ticks * 100_000),
        st.lists(
            st.tuples(patterns, st.sampled_from("XYZ"), severities, st.floats(1e-9, 5.0), st.sampled_from("abc")),
            max_size=3,
        ),
    ),
    max_size=40,
)
Turns = list[tuple[int, list[tuple[Pattern, str, Severity, float, str]]]]


def said(turns: Turns, counters: Counter[str] | None = None) -> list[list[Alert]]:
    """What a book says at each turn, as the correlation stage asks it: first what is over, then what is new."""
    book, now_us, turns_said = a_book(SETTINGS, counters), 0, []
    for passed_us, drawn in turns:
        now_us += passed_us
        findings = [
            a_finding(now_us, pattern, symbol, severity, per_day, (account,))
            for pattern, symbol, severity, per_day, account in drawn
        ]
        turns_said.append(book.resolve(now_us) + book.take(findings, now_us))
        assert len(book) <= SETTINGS.max_open
    return turns_said


@given(turns)
def test_an_alert_is_opened_once_and_its_revisions_rise_by_one_until_it_is_resolved(turns: Turns) -> None:
    alive: dict[str, Alert] = {}
    seen: set[str] = set()
    for alerts in said(turns):
        for alert in alerts:
            if alert.status == "open":
                assert alert.alert_id not in seen
                assert alert.revision == 1
                assert (alert.pattern, alert.symbol) not in {(one.pattern, one.symbol) for one in alive.values()}
                seen.add(alert.alert_id)
            else:
                before = alive[alert.alert_id]
                assert alert.revision == before.revision + 1
                assert ORDER[alert.severity] >= ORDER[before.severity]
                assert alert.window_start == before.window_start
            alive[alert.alert_id] = alert
            if alert.status == "resolved":
                del alive[alert.alert_id]


@given(turns)
def test_updates_keep_their_distance_unless_severity_rises(turns: Turns) -> None:
    last: dict[str, Alert] = {}
    for alerts in said(turns):
        for alert in alerts:
            if alert.status == "update":
                before = last[alert.alert_id]
                worse = ORDER[alert.severity] > ORDER[before.severity]
                assert worse or alert.timestamp - before.timestamp >= SETTINGS.update_every_s * SECOND_US
            last[alert.alert_id] = alert


@given(turns)
def test_an_alert_is_resolved_when_nothing_has_supported_it_for_long_enough(turns: Turns) -> None:
    supported: dict[tuple[Pattern, str], int] = {}
    now_us = 0
    for (passed_us, drawn), alerts in zip(turns, said(turns), strict=True):
        now_us += passed_us
        for alert in alerts:
            if alert.status == "resolved":
                assert now_us - supported[alert.pattern, alert.symbol] >= SETTINGS.resolve_after_s * SECOND_US
        supported |= {(pattern, symbol): now_us for pattern, symbol, *_ in drawn}


@given(turns)
def test_ranks_of_what_is_said_together_are_the_order_of_scores(turns: Turns) -> None:
    for alerts in said(turns):
        new = [alert for alert in alerts if alert.status != "resolved"]
        assert new == sorted(new, key=lambda alert: (-alert.score, alert.alert_id))
        ranks = [alert.rank for alert in new]
        assert ranks == sorted(set(ranks))
        assert all(1 <= rank <= SETTINGS.max_open for rank in ranks)


@given(turns)
def test_the_same_findings_give_the_same_alerts_and_ids(turns: Turns) -> None:
    assert msgspec.json.encode(said(turns)) == msgspec.json.encode(said(turns))


@given(turns, st.randoms(use_true_random=False))
def test_the_order_of_findings_in_a_turn_does_not_matter(turns: Turns, chance: random.Random) -> None:
    shuffled = [(passed_us, chance.sample(drawn, len(drawn))) for passed_us, drawn in turns]
    assert said(shuffled) == said(turns)


def test_what_comes_when_too_many_are_open_is_counted_and_not_opened() -> None:
    counters: Counter[str] = Counter()
    book = a_book(Alerts(max_open=2), counters)
    alerts = book.take([a_finding(SECOND_US, symbol=symbol) for symbol in "ABCD"], SECOND_US)
    assert {(alert.symbol, alert.status) for alert in alerts} == {("A", "open"), ("B", "open")}
    assert counters["alerts_over_max_open"] == 2


def test_accounts_and_evidence_of_an_episode_are_collected() -> None:
    book = a_book(SETTINGS)
    (opened,) = book.take([a_finding(SECOND_US, accounts=("a",))], SECOND_US)
    (update,) = book.take([a_finding(5 * SECOND_US, accounts=("b", "a"))], 5 * SECOND_US)
    assert (opened.accounts, update.accounts) == (("a",), ("a", "b"))
    assert update.evidence == (Evidence("trades", 0, 1_000, 5_001),)
    assert (update.window_start, update.window_end) == (900_000, 5 * SECOND_US)


def test_an_id_depends_on_pattern_symbol_and_opening_window_alone() -> None:
    def id_of(finding: Finding) -> str:
        (alert,) = a_book(SETTINGS).take([finding], finding.timestamp)
        return alert.alert_id

    same = {id_of(a_finding(SECOND_US)), id_of(a_finding(SECOND_US, severity="info", per_day=7.0, accounts=("z",)))}
    others = {
        id_of(a_finding(2 * SECOND_US)),
        id_of(a_finding(SECOND_US, symbol="Y")),
        id_of(a_finding(SECOND_US, pattern="thin_book")),
    }
    assert len(same) == 1
    assert len(same | others) == 4


@given(severities, st.floats(1e-300, 1e3), st.floats(0.0, 1e12), st.integers(1, 4), st.integers(0, 20))
def test_what_is_rarer_graver_larger_or_broader_ranks_higher(
    severity: Severity, per_day: float, notional: float, families: int, repeats: int
) -> None:
    score = ranking_score(severity, per_day, notional, families, repeats)
    assert score > 0.0
    assert ranking_score(severity, per_day / 10, notional, families, repeats) >= score
    assert ranking_score("critical", per_day, notional, families, repeats) >= score
    assert ranking_score(severity, per_day, notional * 10, families, repeats) >= score
    assert ranking_score(severity, per_day, notional, families + 1, repeats) >= score
    assert ranking_score(severity, per_day, notional, families, repeats + 1) <= score


@pytest.mark.parametrize("severity", get_args(Severity))
def test_a_repeated_alert_keeps_at_least_a_third_of_its_weight(severity: Severity) -> None:
    first = ranking_score(severity, 1e-3, 0.0, 1, repeats=0)
    assert ranking_score(severity, 1e-3, 0.0, 1, repeats=1_000) == pytest.approx(first / 3, rel=1e-4)
