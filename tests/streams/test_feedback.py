"""What operators say of alerts: what is taken for it, what is remembered, and that each stage takes it once."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.config import CoreSettings
from detectors.correlation_stage import CorrelationStage
from detectors.decisions import Feedback
from detectors.errors import DecodeError
from streams.feedback import LONGEST_FEEDBACK_BYTES, FeedbackLog, decode_feedback
from streams.followed_intake import FollowedIntake
from streams.topics import FEEDBACK

SAID = Feedback("3f9a", "ann", 1_767_225_600_000_000, acknowledged=True, verdict="true", note="seen in the book")
GOOD = msgspec.json.encode(SAID)


def test_what_was_said_comes_back_and_unknown_fields_are_passed_over() -> None:
    assert decode_feedback(GOOD) == SAID
    assert decode_feedback(GOOD[:-1] + b',"mood":"fine"}') == SAID


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b"{", "truncated"),
        (b"[]", "Expected `object`, got `array`"),
        (GOOD.replace(b'"true"', b'"maybe"'), r"Invalid enum value 'maybe' - at `\$.verdict`"),
        (GOOD.replace(b'"alert_id":"3f9a",', b""), "missing required field `alert_id`"),
        (GOOD.replace(b'"3f9a"', b'""'), "length >= 1"),
        (GOOD.replace(b'"schema":1', b'"schema":2'), r"Expected schema 1, got 2 - at `\$.schema`"),
        (GOOD.ljust(LONGEST_FEEDBACK_BYTES + 1), "Expected at most 65536 bytes, got 65537"),
    ],
)
def test_what_is_no_feedback_is_refused_with_what_was_expected(bad: bytes, why: str) -> None:
    with pytest.raises(DecodeError, match=f"record of feedback: .*{why}"):
        decode_feedback(bad)


@st.composite
def near_feedback(draw: st.DrawFn) -> bytes:
    """Bytes of feedback with some of its fields replaced by anything."""
    fields = msgspec.json.decode(GOOD)
    anything = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text())
    fields |= draw(st.dictionaries(st.sampled_from([*fields, "more"]), anything, max_size=3))
    return msgspec.json.encode(fields)


@given(st.one_of(st.binary(), near_feedback(), st.builds(bytes.__add__, near_feedback(), st.binary(max_size=3))))
def test_any_bytes_are_feedback_that_a_stage_takes_or_refused(value: bytes) -> None:
    try:
        found = decode_feedback(value)
    except DecodeError:
        return
    assert decode_feedback(msgspec.json.encode(found)) == found
    stage = CorrelationStage(["market/0"], CoreSettings())
    stage.hear(found)
    assert len(stage.head()["ranker"]["waiting"]) == 1


@given(st.integers(1, 8), st.lists(st.booleans(), max_size=30), st.integers(0, 31))
def test_a_log_gives_its_newest_records_in_order_whatever_is_read_again(
    most: int, again: list[bool], offset: int
) -> None:
    log = FeedbackLog(most)
    for place, repeats in enumerate(again):
        log.take(place, b"%d" % place)
        if repeats:
            for earlier in range(place + 1):
                log.take(earlier, b"again")
    newest = [(place, b"%d" % place) for place in range(len(again))][-most:]
    assert list(log.since(offset)) == [one for one in newest if one[0] >= offset]
    assert log.end == len(again)


class Listener:
    """Notes what it is given."""

    def __init__(self) -> None:
        self.followed_below = 0
        self.heard: list[Feedback] = []


def intake_of(stage: Listener, log: FeedbackLog, *, tells: bool = True) -> FollowedIntake[Any]:
    return FollowedIntake(FEEDBACK, stage, stage.heard.append, decode=decode_feedback, since=log.since, tells=tells)


def test_a_stage_takes_each_record_once_and_one_alone_tells_what_was_refused() -> None:
    log, one, other = FeedbackLog(), Listener(), Listener()
    intakes = intake_of(one, log), intake_of(other, log, tells=False)
    for offset, value in enumerate((GOOD, b"{", None, GOOD)):
        log.take(offset, value)
        refused = [[letter.offset for letter in intake.take()] for intake in intakes]
        assert refused == ([[1], []] if offset == 1 else [[], []])
    assert one.heard == other.heard == [SAID, SAID]
    assert one.followed_below == other.followed_below == 4
    # Whoever takes over begins where it was.
    successor = Listener()
    successor.followed_below = 3
    assert intake_of(successor, log).take() == []
    assert successor.heard == [SAID]
