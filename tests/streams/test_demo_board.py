"""What a demo shows, and where: live, as lines, as a picture, and at the end."""

import io
import json
from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.console import Console

from detectors.errors import ConfigError
from detectors.results import Alert
from streams.demo.board import Scene, board, line
from streams.demo.delivery import Delivered
from streams.demo.feed import Progress
from streams.demo.plan import DemoPlan, clock
from streams.demo.scoring import match
from streams.demo.show import LineShow, LiveShow, Picture, show_on
from streams.demo.sources import ProgressFile, worker_state
from streams.demo.verdict import Verdict
from streams.demo.watch import Watch, WorkerState
from tests.streams.decided import a_limit, a_trip
from tests.streams.test_demo_scoring import alert

PLAN = DemoPlan(duration_s=240)
START_US = PLAN.exchange().start_us
INCIDENTS = PLAN.incidents()


def text_of(shown: object) -> str:
    console = Console(file=io.StringIO(), width=118, force_terminal=False)
    console.print(shown)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def scene(watch: Watch, phase: str = "incidents") -> Scene:
    return Scene(PLAN, watch, match(INCIDENTS, watch.revisions), phase, elapsed_s=12.0)


#: Five alerts, and each of them arrived.
EVERYWHERE = Delivered(wanted=5, webhook=5, console=5, alertmanager=5, refused=0)


def watch_at(event_s: float, *alerts: Alert) -> Watch:
    """A watch that has come to a time at 1,000 events a second, twice as fast as event time."""
    watch = Watch(2)
    for tenth in range(int(event_s * 10) + 1):
        watch.see_progress(Progress(50.0 + tenth / 20, START_US + tenth * 100_000, tenth * 100))
    for one in alerts:
        watch.see_alert(one, at_s=50.0 + (one.timestamp - START_US) / 2e6 + 0.25)
    return watch


def finding(number: int) -> Alert:
    """An alert that finds an incident, two seconds after its start."""
    planted = INCIDENTS[number]
    return alert(planted.start_us + 2_000_000, "correlated_stress", symbol=planted.symbol, alert_id=f"found-{number}")


def verdict(watch: Watch, false: list[Alert], delivered: Delivered = EVERYWHERE) -> Verdict:
    return Verdict(
        found=match(INCIDENTS, watch.revisions),
        false_alarms=false,
        alerts=5,
        events=70_000,
        through_s=10.0,
        settled_s=12.0,
        late=3,
        latency=watch.latency(),
        start_us=START_US,
        decided=watch.decided,
        delivered=delivered,
    )


def test_the_plan_refuses_what_cannot_be_played() -> None:
    with pytest.raises(ConfigError, match=r"duration must be >= 60 s, .* was 59"):
        DemoPlan(duration_s=59)
    with pytest.raises(ConfigError, match="pace must be > 0 events/s, was 0"):
        DemoPlan(pace_per_s=0)


def test_incidents_stand_in_the_second_half() -> None:
    assert all(planted.start_us >= START_US + 120_000_000 for planted in INCIDENTS)
    assert all(planted.end_us < PLAN.exchange().end_us for planted in INCIDENTS)


def test_rates_are_those_of_the_last_seconds() -> None:
    watch = watch_at(100.0)
    assert watch.sent == 100_000
    assert watch.sent_per_s() == pytest.approx(2_000.0)
    watch.see_workers([WorkerState(2, 0, 0), WorkerState(2, 0, 0)], at_s=90.0)
    watch.see_workers([WorkerState(2, 50_000, 1), WorkerState(2, 40_000, 2)], at_s=98.0)
    watch.see_workers([WorkerState(2, 50_500, 1), WorkerState(2, 40_500, 2)], at_s=100.0)
    assert watch.processed_per_s() == pytest.approx(500.0)
    assert (watch.processed, watch.late) == (91_000, 3)


def test_latency_runs_from_the_sending_of_the_events_to_the_arrival_of_the_alert() -> None:
    watch = watch_at(100.0, *(alert(START_US + s * 1_000_000, alert_id=f"{s}") for s in range(1, 90)))
    latency = watch.latency()
    assert latency is not None
    assert latency.alerts == 89
    assert latency.p50_s == pytest.approx(0.25)
    assert latency.p99_s == pytest.approx(0.25)
    assert watch_at(1.0).latency() is None


def test_alerts_are_open_until_resolved_and_ranked_by_score() -> None:
    mild = alert(START_US, alert_id="mild", score=1.0)
    worse = alert(START_US + 1_000_000, alert_id="worse", score=2.0)
    watch = watch_at(3.0, mild, worse)
    assert watch.open_alerts() == [worse, mild]
    assert watch.age_s(worse) == pytest.approx(2.0)
    watch.see_alert(alert(START_US, alert_id="worse", revision=2, status="resolved"), at_s=60.0)
    assert watch.open_alerts() == [mild]
    assert len(watch.revisions) == 3


def test_the_board_tells_incidents_to_come_under_way_found_and_missed() -> None:
    first, second, third = INCIDENTS[:3]
    watch = watch_at((third.start_us - START_US) / 1e6 + 1.0, finding(0))
    shown = text_of(board(scene(watch)))
    rows = {planted.id: next(row for row in shown.splitlines() if planted.id in row) for planted in INCIDENTS}
    assert "found after 2.0 s by correlated_stress: warning" in rows[first.id]
    assert "NOT FOUND" in rows[second.id]
    assert "under way" in rows[third.id]
    assert "to come" in rows[INCIDENTS[4].id]


def test_what_a_producer_wrote_into_a_title_cannot_move_the_cursor() -> None:
    watch = watch_at(1.0, replace(alert(START_US), title="evil \x1b[2J"))
    assert "\x1b" not in line(scene(watch))
    console = Console(file=io.StringIO(), width=118, force_terminal=True, color_system=None)
    console.print(board(scene(watch)))
    assert "[2J" in (shown := console.file.getvalue())  # type: ignore[attr-defined]
    assert "\x1b[2J" not in shown


def test_lines_come_every_few_seconds_and_at_each_finding_without_control_codes() -> None:
    console = Console(file=io.StringIO(), width=80)
    show = show_on(console)
    assert isinstance(show, LineShow)
    quiet, loud = watch_at(1.0), watch_at(200.0, finding(0))
    with show:
        for watch in (quiet, quiet, loud, loud):
            show.show(scene(watch))
    written = console.file.getvalue()  # type: ignore[attr-defined]
    assert len(written.splitlines()) == 2
    assert "\x1b" not in written


def test_a_terminal_gets_the_live_board() -> None:
    console = Console(file=io.StringIO(), width=118, height=40, force_terminal=True)
    show = show_on(console)
    assert isinstance(show, LiveShow)
    with show:
        show.show(scene(watch_at(1.0)))
    written = console.file.getvalue()  # type: ignore[attr-defined]
    assert "planted incidents" in written
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h") == 1


def test_the_picture_holds_the_fullest_board_and_the_verdict(tmp_path: Path) -> None:
    path = tmp_path / "board.svg"
    picture = Picture(path)
    full = watch_at(200.0, finding(0), finding(1))
    for watch in (watch_at(1.0), full, watch_at(210.0, finding(0))):
        picture.take(scene(watch))
    picture.save(verdict(full, []).to_table())
    drawn = path.read_text(encoding="utf-8").replace("&#160;", " ")
    assert drawn.startswith("<svg")
    assert "open alerts, the worst first: 2" in drawn
    assert "3 of 5 planted incidents were not found" in drawn


def test_a_picture_that_cannot_be_written_is_refused_before_the_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--record: expected a file to write"):
        Picture(tmp_path / "absent" / "board.svg")


def test_the_verdict_names_what_was_missed_and_the_false_alarms() -> None:
    watch = watch_at(200.0, finding(0))
    shown = text_of(verdict(watch, [alert(START_US + 65_000_000)]).to_table())
    assert "70,000 in 10.0 s: 7,000/s through broker and workers" in shown
    assert shown.count("NOT FOUND") == 4
    assert "4 of 5 planted incidents were not found" in shown
    assert "False alarms" in shown
    assert "01:05" in shown
    everything = watch_at(240.0, *(finding(number) for number in range(5)))
    assert verdict(everything, []).missed == []
    assert "all 5 planted incidents were found" in text_of(verdict(everything, []).to_table())


def test_the_verdict_says_who_was_limited_at_the_worst_moment_and_who_of_them_was_planted() -> None:
    planted = INCIDENTS[0]
    watch = watch_at(200.0)
    assert "nobody was limited" in text_of(verdict(watch, []).to_table())
    assert "none tripped" in text_of(verdict(watch, []).to_table())
    for account in (planted.accounts[0], "bystander"):
        watch.decided.see_limit(a_limit(account, at=planted.start_us + 1_000_000))
    shown = text_of(verdict(watch, []).to_table())
    when = clock((planted.start_us + 1_000_000 - START_US) / 1e6)
    assert f"2 accounts at the worst moment, {when}; of them in planted incidents: 1" in shown


def test_the_verdict_names_the_guardrails_that_tripped_even_when_they_have_cleared() -> None:
    watch = watch_at(200.0)
    for entity in "EDCBA":
        watch.decided.see_trip(a_trip(entity, rule="leverage_cap"))
    watch.decided.see_trip(replace(a_trip("X", at=START_US), level="soft"))
    watch.decided.see_trip(replace(a_trip("X", state="cleared", at=START_US + 1), level="soft"))
    shown = text_of(verdict(watch, []).to_table())
    assert "leverage_cap: A (hard), B (hard), C (hard), 2 more; mark_index: X (soft)" in shown


def test_the_words_of_the_feed_are_read_on_from_where_they_were_read_last(tmp_path: Path) -> None:
    path = tmp_path / "feed.out"
    path.write_bytes(b"[1.0, 5, 10]\n[2.0, 6")
    file = ProgressFile(path)
    assert file.read() == [Progress(1.0, 5, 10)]
    assert file.read() == []
    with path.open("ab") as more:
        more.write(b", 20]\n" + json.dumps([3.0, 7, 30]).encode() + b"\n")
    assert file.read() == [Progress(2.0, 6, 20), Progress(3.0, 7, 30)]


def test_only_events_of_the_input_topics_count_as_taken() -> None:
    page = (
        'squall_events_total{topic="trades"} 5.0\n'
        'squall_events_total{topic="books"} 2.0\n'
        'squall_events_total{topic="signals"} 9.0\n'
        'squall_assigned_partitions{stage="account"} 4.0\n'
        'squall_assigned_partitions{stage="market"} 3.0\n'
        'squall_stage_outcomes_total{stage="market",outcome="late"} 1.0\n'
        'squall_stage_outcomes_total{stage="account",outcome="scored"} 8.0\n'
    )
    assert worker_state(page) == WorkerState(partitions=3, events=7, late=1)


def test_the_verdict_says_where_alerts_did_not_arrive() -> None:
    watch = watch_at(70.0)
    assert "signed webhook 5, console 5, Alertmanager 5" in text_of(verdict(watch, []).to_table())
    missing = Delivered(wanted=5, webhook=4, console=5, alertmanager=None, refused=2)
    assert not missing.is_whole
    shown = text_of(verdict(watch, [], missing).to_table())
    assert "of 5 alerts: signed webhook 4, console 5, no Alertmanager here; 2 messages looked forged" in shown


def test_the_board_names_the_address_of_the_console() -> None:
    watch = watch_at(10.0)
    shown = Scene(PLAN, watch, match(INCIDENTS, []), "incidents", 12.0, "http://127.0.0.1:8066")
    assert "console at http://127.0.0.1:8066" in text_of(board(shown))
    assert line(shown).endswith("console http://127.0.0.1:8066")
