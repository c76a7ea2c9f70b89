"""What the doctor makes of answers that the embedded broker does not give: rights, copies, lost records, bounds."""

import io

import pytest
from aiokafka import TopicPartition
from rich.console import Console

from streams.doctor.clients import Unanswered
from streams.doctor.clock_checks import check_clocks
from streams.doctor.facts import GroupFacts, TopicFacts
from streams.doctor.group_checks import check_group, check_lag, check_offsets, check_session_bounds, unread
from streams.doctor.lines import Line, Mark, show, worst
from streams.doctor.records import Moment
from streams.doctor.right_checks import NEEDED, check_rights
from streams.doctor.topic_checks import check_topics
from streams.doctor.topic_setting_checks import check_topic_settings
from streams.settings import Settings
from streams.topics import TOPICS

TRADES = TopicPartition("trades", 0)
NOW_US = 1_700_000_000_000_000
#: Bits of read, write and describe.
READ, WRITE, DESCRIBE = 1 << 3, 1 << 4, 1 << 8


def healthy(copies: int = 1, partitions: int = 4) -> dict[str, TopicFacts]:
    return {name: TopicFacts(topic.partitions(partitions), copies) for name, topic in TOPICS.items()}


def faults(lines: list[Line]) -> dict[str, tuple[Mark, str]]:
    return {line.check: (line.mark, line.found) for line in lines if line.mark in ("WARN", "FAIL")}


@pytest.mark.parametrize(
    ("replication", "copies", "brokers", "mark"),
    [(1, 1, 1, "OK"), (3, 3, 3, "OK"), (1, 1, 3, "WARN"), (3, 2, 3, "WARN"), (3, 1, 1, "FAIL"), (1, 3, 3, "OK")],
)
def test_copies_are_held_against_brokers_and_settings(replication: int, copies: int, brokers: int, mark: Mark) -> None:
    lines = list(check_topics(Settings(replication=replication), healthy(copies), brokers))
    assert worst(line for line in lines if line.check == "replication") == mark


def test_partitions_without_a_leader_fail_and_copies_out_of_step_warn() -> None:
    topics = healthy(3) | {
        "trades": TopicFacts(4, 3, leaderless=(1, 3), short=(1, 3)),
        "books": TopicFacts(4, 3, short=(2,)),
    }
    found = faults(list(check_topics(Settings(replication=3), topics, 3)))
    assert found["topic trades"] == ("FAIL", "no leader for partitions 1, 3")
    assert found["topic books"] == ("WARN", "not all copies of partitions 2 are in step")


@pytest.mark.parametrize(
    ("topic", "told", "mark"),
    [
        ("trades", {"cleanup.policy": "compact"}, "FAIL"),
        ("trades", {"cleanup.policy": "compact,delete"}, "FAIL"),
        ("snapshots", {"cleanup.policy": "delete"}, "FAIL"),
        ("snapshots", {"cleanup.policy": "compact,delete"}, "WARN"),
        ("alerts", {"cleanup.policy": "delete, compact"}, None),
        ("trades", {"retention.ms": "3600000"}, "WARN"),
        ("trades", {"retention.ms": "-1"}, None),
        ("trades", {"retention.ms": "259200000", "retention.bytes": "1000"}, "WARN"),
        ("dead-letters", {"max.message.bytes": "1048588"}, "FAIL"),
        ("dead-letters", {"max.message.bytes": "2097152"}, None),
        ("trades", {"max.message.bytes": "1048588"}, None),
        ("trades", {"min.insync.replicas": "4"}, "FAIL"),
        ("trades", {"min.insync.replicas": "3"}, "WARN"),
        ("trades", {"min.insync.replicas": "2"}, None),
        ("trades", {"min.insync.replicas": "1"}, "WARN"),
    ],
)
def test_settings_of_topics(topic: str, told: dict[str, str], mark: Mark | None) -> None:
    lines = list(check_topic_settings({topic: TopicFacts(1, 3)}, {topic: told}))
    assert [found for found, _ in faults(lines).values()] == ([mark] if mark else [])


def test_settings_that_the_broker_does_not_tell_are_skipped() -> None:
    lines = list(check_topic_settings(healthy(), {}))
    assert [line.mark for line in lines] == ["SKIP"] * 4


def test_rights_that_are_missing_are_named_with_the_command_that_gives_them() -> None:
    allowed: dict[str, int | None] = dict.fromkeys(NEEDED, READ | WRITE | DESCRIBE)
    group = GroupFacts("Stable", 1, READ | DESCRIBE)
    assert worst(check_rights("squall", allowed, group)) == "OK"
    lines = list(check_rights("squall", allowed | {"signals": READ | DESCRIBE}, GroupFacts("Dead", 0, DESCRIBE)))
    assert faults(lines) == {
        "rights on signals": ("FAIL", "may not write"),
        "rights on group squall": ("FAIL", "may not read"),
    }
    assert any("--topic signals --operation Write" in line.mend for line in lines)


def test_rights_not_told_are_no_fault_but_a_refusal_is() -> None:
    untold: dict[str, int | None] = dict.fromkeys(NEEDED)
    assert worst(check_rights("squall", untold, GroupFacts("Empty", 0, None))) == "SKIP"
    assert worst(check_rights("squall", Unanswered("old broker"), Unanswered("old broker"))) == "SKIP"
    assert worst(check_rights("squall", untold, Unanswered("no", is_denied=True))) == "FAIL"


def test_records_deleted_before_they_were_read_are_a_failure() -> None:
    other = TopicPartition("trades", 1)
    bounds = {TRADES: (1_500, 2_020), other: (0, 5)}
    committed = {TRADES: 20, other: 9}
    found = faults(list(check_offsets(committed, bounds)))
    assert found["offsets of trades/0"][1].endswith("the log begins at 1500: 1480 records were deleted unread")
    assert found["offsets of trades/1"][1].startswith("committed 9, but the log ends at 5")
    assert unread(committed, bounds) == {TRADES: 1_500}
    assert [line.mark for line in check_offsets({TRADES: 1_500, other: None}, bounds)] == ["OK"]


def test_lag_is_told_in_records_and_in_the_age_of_the_oldest() -> None:
    bounds = {TRADES: (0, 100)}
    few = list(check_lag({TRADES: 90}, {TRADES: NOW_US - 2_000_000}, bounds, NOW_US))
    assert few == [Line("OK", "lag", "10 records, the oldest 2.0 s old")]
    late = list(check_lag({TRADES: 10}, {TRADES: NOW_US - 3_600_000_000}, bounds, NOW_US))
    assert faults(late) == {"lag of trades/0": ("WARN", "90 records, the oldest written 1:00:00 ago")}


@pytest.mark.parametrize(
    ("group", "reads_before", "mark"),
    [
        (GroupFacts("Stable", 2, None), True, "OK"),
        (GroupFacts("Stable", 5, None), True, "WARN"),
        (GroupFacts("Empty", 0, None), True, "WARN"),
        (GroupFacts("Dead", 0, None), False, "SKIP"),
        (Unanswered("no"), True, "SKIP"),
    ],
)
def test_members_of_the_group(group: GroupFacts | Unanswered, reads_before: bool, mark: Mark) -> None:
    assert [line.mark for line in check_group(Settings(), group, reads_before)] == [mark]


@pytest.mark.parametrize(("session_s", "mark"), [(15.0, "OK"), (4.0, "FAIL"), (3_600.0, "FAIL")])
def test_a_session_time_out_outside_of_the_brokers_bounds_fails(session_s: float, mark: Mark) -> None:
    told = {"group.min.session.timeout.ms": "6000", "group.max.session.timeout.ms": "1800000"}
    settings = Settings(worker={"session_timeout_s": session_s})
    assert [line.mark for line in check_session_bounds(settings, told)] == [mark]


def test_the_newest_record_of_all_partitions_is_held_against_the_clock() -> None:
    quiet = Moment("trades", 0, NOW_US - 7_200_000_000, False, NOW_US - 7_200_000_000)
    ahead = Moment("trades", 1, NOW_US + 6_000_000, True, NOW_US)
    assert faults(list(check_clocks([quiet], NOW_US))) == {}
    found = faults(list(check_clocks([quiet, ahead], NOW_US)))
    assert found["clock of trades"][1].endswith("ahead of our clock, by the broker's clock")
    assert list(found) == ["clock of trades"]


def test_a_terminal_shows_a_table_and_a_pipe_plain_lines_with_the_same_words() -> None:
    lines = [Line("OK", "topics", "all there"), Line("FAIL", "lag", "[red]much[/]", "start workers")]
    terminal, pipe = io.StringIO(), io.StringIO()
    show(lines, Console(file=terminal, force_terminal=True, width=80))
    show(lines, Console(file=pipe, width=20))
    assert "\x1b" in terminal.getvalue()
    for word in ("OK", "topics", "FAIL", "[red]much[/]", "start workers"):
        assert word in terminal.getvalue()
    assert pipe.getvalue() == (
        "OK    topics: all there\nFAIL  lag: [red]much[/]\n      mend: start workers\n1 OK, 1 FAIL\n"
    )
