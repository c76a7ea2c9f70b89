"""The stages behind their stations: what is bad changes nothing of what comes of the good."""

import pytest

from streams.codecs import WHOLE_RECORD
from tests.fuzz.corpus import corpus, rendered
from tests.fuzz.flows import check_flow, spoiled_flow
from tests.fuzz.kinds import own_records_in_stages
from tests.fuzz.works import MAX_RECORD_BYTES, Works


def test_alerts_and_signals_are_those_of_the_good_elements_alone() -> None:
    works = check_flow(spoiled_flow(seed=12, rate=0.4, duration_s=60.0))
    assert works.alerts
    assert works.signals
    assert {"schema", "malformed", "crossed_book", "future", "empty"} <= works.refused.keys()


@pytest.mark.parametrize("seed", range(1, 9))
def test_broken_frames_of_other_stages_are_dead_letters_and_stop_nothing(seed: int) -> None:
    tally = own_records_in_stages(seed)
    assert min(tally["accepted"], tally["refused schema"]) > 0


@pytest.mark.parametrize("topic", ["trades", "leverage", "account-activity", "signals"])
def test_a_tombstone_is_one_dead_letter_whatever_its_key(topic: str) -> None:
    works = Works()
    works.take_own(topic, b"")
    assert [(letter.offset, letter.element, letter.value) for letter in works.letters] == [(0, WHOLE_RECORD, b"")]


def test_a_record_that_is_too_long_is_told_of_by_its_beginning() -> None:
    works, good = Works(), rendered(corpus().elements["trades"][0])
    long = b'{"x":"' + b"x" * 10 * MAX_RECORD_BYTES + b'"}'
    works.take("trades", [good, long, good], [None, b"\xff", b"\x00" * 300])
    assert [(letter.offset, letter.reason) for letter in works.letters] == [(1, "too_large")]
    assert long.startswith(works.letters[0].value)
    assert works.events == 2
