"""Windows against brute force over everything that ever entered."""

from hypothesis import given
from hypothesis import strategies as st

from detectors.ledger import EvidenceWindow
from detectors.results import Evidence
from detectors.windows import ActivityWindows, SlidingCounts

entities = st.sampled_from("abcd")
gaps = st.integers(1, 12)


def sequences(width: int) -> st.SearchStrategy[list[tuple[int, dict[str, list[int]]]]]:
    """Ticks that rise, each with counts of some entities."""
    counts = st.lists(st.integers(0, 5), min_size=width, max_size=width)
    steps = st.lists(st.tuples(gaps, st.dictionaries(entities, counts, max_size=3)), max_size=30)

    def rising(steps: list[tuple[int, dict[str, list[int]]]]) -> list[tuple[int, dict[str, list[int]]]]:
        tick, ticks = 0, []
        for gap, counts in steps:
            tick += gap
            ticks.append((tick, counts))
        return ticks

    return steps.map(rising)


def brute_force(ticks: list[tuple[int, dict[str, list[int]]]], entity: str, length: int, width: int) -> list[int]:
    """The sums of an entity over the last `length` ticks."""
    newest = ticks[-1][0]
    inside = [counts[entity] for tick, counts in ticks if tick > newest - length and entity in counts]
    return [sum(counts[place] for counts in inside) for place in range(width)]


@given(sequences(width=2), st.integers(1, 20))
def test_sliding_counts_are_the_sums_of_the_last_ticks(
    ticks: list[tuple[int, dict[str, list[int]]]], length: int
) -> None:
    window = SlidingCounts(length, width=2)
    for index, (tick, counts) in enumerate(ticks, start=1):
        window.add(tick, counts)
        sums = {entity: brute_force(ticks[:index], entity, length, 2) for entity in "abcd"}
        assert {entity: window.get(entity) for entity in "abcd"} == sums
        present = {entity for seen, entered in ticks[:index] if seen > tick - length for entity in entered}
        assert len(window) <= len(present)
        ordered = sorted((entity for entity in present if any(sums[entity])), key=lambda one: (-sums[one][0], one))
        assert [entity for entity in window.most(4) if any(sums[entity])] == ordered


@given(sequences(width=4))
def test_activity_windows_are_two_sliding_counts(ticks: list[tuple[int, dict[str, list[int]]]]) -> None:
    # An account is in a tick because it cancelled or traded.
    ticks = [
        (tick, {entity: [max(counts[0], 1), *counts[1:]] for entity, counts in entered.items()})
        for tick, entered in ticks
    ]
    windows = ActivityWindows(short=5, long=20)
    for index, (tick, counts) in enumerate(ticks, start=1):
        windows.add(tick, counts)
        for entity in "abcd":
            short, long = (brute_force(ticks[:index], entity, length, 4) for length in (5, 20))
            assert windows.get(entity) == short + long


places = st.tuples(st.sampled_from(["trades", "cancels"]), st.integers(0, 1))


@given(
    st.lists(st.tuples(gaps, st.lists(places, unique=True, max_size=3)), min_size=1, max_size=25), st.integers(1, 15)
)
def test_the_evidence_window_spans_the_ticks_in_it(steps: list[tuple[int, list[tuple[str, int]]]], length: int) -> None:
    window, tick, offset = EvidenceWindow(length), 0, 0
    entered: list[tuple[int, Evidence]] = []
    for gap, read in steps:
        tick += gap
        parts = tuple(Evidence(topic, partition, offset, offset + 3) for topic, partition in read)
        offset += 4
        entered += [(tick, part) for part in parts]
        window.add(tick, parts)
        expected: dict[tuple[str, int], list[int]] = {}
        for seen, part in entered:
            if seen > tick - length:
                span = expected.setdefault((part.topic, part.partition), [part.first_offset, part.last_offset])
                span[1] = part.last_offset
        assert window.merged() == tuple(Evidence(*place, *span) for place, span in sorted(expected.items()))


def test_a_stretch_holds_records_that_came_out_of_order_and_more_of_a_tick() -> None:
    window = EvidenceWindow(10)
    window.add(5, (Evidence("cancels", 0, 103, 104),))
    window.add(6, (Evidence("cancels", 0, 101, 102), Evidence("cancels", 0, 99, 99), Evidence("books", 0, 7, 7)))
    assert window.of(("cancels",)) == (Evidence("cancels", 0, 99, 104),)
    window.add(15, ())
    assert window.merged() == (Evidence("books", 0, 7, 7), Evidence("cancels", 0, 99, 102))
    assert window.of((), partition=1) == ()
