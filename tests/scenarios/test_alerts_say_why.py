"""Every alert of every pattern says who, what and how much, why, and where in the input that can be read."""

import ast
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from detectors.events import Event, Latency, Trade
from detectors.results import Alert, Evidence, Pattern
from tests.helpers import SECOND_US, Log
from tests.scenarios.stories import STORIES, told

CORE = Path(__file__).parents[2] / "detectors"
#: Seconds before an alert's window that detectors look back, and with them the evidence: positions further than orders.
_LOOK_BACK_S, _POSITIONS_LOOK_BACK_S = 10, 60
#: Patterns of which no event need have come in the window itself: silence is one of them.
_OF_SILENCE = {"feed_fault"}


def alerts() -> Iterator[tuple[str, Log, Alert]]:
    for story in STORIES:
        log, found, _ = told(story)
        for alert in found:
            yield story, log, alert


def emitted() -> set[str]:
    """The patterns of signals and findings, as the source of the core spells them."""
    found: set[str] = set()
    for path in CORE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assign) and any(ast.unparse(target) == "pattern" for target in node.targets):
                value: ast.expr | None = node.value
            elif isinstance(node, ast.keyword) and node.arg == "pattern":
                value = node.value
            else:
                continue
            # A regular expression in a schema is none.
            if isinstance(value, ast.Constant) and str(value.value).isidentifier():
                found.add(str(value.value))
    return found


def is_of(alert: Alert, event: Event) -> bool:
    """Whether an event is of the symbol of an alert, or of the component that it names."""
    if isinstance(event, Latency):
        return alert.symbol == "*" and (alert.pattern != "latency_shock" or f" of {event.component}:" in alert.title)
    return alert.symbol in ("*", event.symbol)


def accounts_of(event: Event) -> set[str]:
    if isinstance(event, Trade):
        return {event.taker_account, event.maker_account}
    return {str(getattr(event, "account", ""))}


def shown(log: Log, part: Evidence) -> list[Event]:
    events = log.of(part.topic, part.partition)
    assert 0 <= part.first_offset <= part.last_offset < len(events), part
    return events[part.first_offset : part.last_offset + 1]


def look_back_us(alert: Alert, part: Evidence) -> int:
    of_positions = part.topic == "leverage" or alert.pattern in ("cascade_risk", "correlated_stress")
    return (_POSITIONS_LOOK_BACK_S if of_positions else _LOOK_BACK_S) * SECOND_US


def test_the_stories_hold_every_pattern_that_the_core_can_raise() -> None:
    assert emitted() <= set(get_args(Pattern))
    assert {alert.pattern for _, _, alert in alerts()} == emitted()


@pytest.mark.parametrize("story", STORIES)
def test_a_title_says_who_what_and_how_much_in_words(story: str) -> None:
    for alert in told(story)[1]:
        what, colon, seen = alert.title.partition(": ")
        assert colon, alert.title
        assert what.lower().startswith(alert.pattern.replace("_", " ")), alert.title
        assert alert.symbol in what or alert.symbol == "*", alert.title
        assert re.search(r"\d", seen if alert.pattern != "correlated_stress" else what), alert.title
        assert not re.search(r"\w_\w|[A-Z]{2,}Error|None|nan|inf\b", alert.title.replace(alert.symbol, "")), alert.title


@pytest.mark.parametrize("story", STORIES)
def test_an_explanation_adds_up_and_has_numbers_with_units(story: str) -> None:
    for alert in told(story)[1]:
        assert alert.explanation, alert.title
        assert sum(part.share for part in alert.explanation) == pytest.approx(1.0), alert.title
        for part in alert.explanation:
            assert math.isfinite(part.observed), part
            assert math.isfinite(part.expected), part
            assert part.unit, part
            assert 0.0 < part.p_value <= 1.0, part
            assert 0.0 <= part.share <= 1.0, part


@pytest.mark.parametrize("story", STORIES)
def test_each_stretch_of_evidence_holds_events_of_what_the_alert_is_about(story: str) -> None:
    log, found, _ = told(story)
    for alert in found:
        assert alert.evidence, alert.title
        for part in alert.evidence:
            since_us = alert.window_start - look_back_us(alert, part)
            events = shown(log, part)
            assert any(is_of(alert, event) and since_us <= event.timestamp for event in events), (alert.title, part)
            # Nothing from before what was looked at, nothing from after it.
            assert events[0].timestamp >= since_us, (alert.title, part)
            assert events[-1].timestamp <= alert.window_end, (alert.title, part)


@pytest.mark.parametrize("story", STORIES)
def test_evidence_holds_events_within_the_window_and_of_every_account_that_is_named(story: str) -> None:
    log, found, _ = told(story)
    for alert in found:
        events = [event for part in alert.evidence for event in shown(log, part) if is_of(alert, event)]
        # Accounts in step are looked for at the end of a second.
        since_us = alert.window_start - SECOND_US
        if alert.pattern not in _OF_SILENCE:
            assert any(since_us <= event.timestamp <= alert.window_end for event in events), alert.title
        assert set(alert.accounts) <= {account for event in events for account in accounts_of(event)}, alert.title
