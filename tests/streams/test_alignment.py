"""Inputs that run ahead are held; the slowest never is, everything is read in the end, and open ticks stay few."""

import random
from collections import deque
from collections.abc import Iterable, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.config import CoreSettings, Timing
from detectors.events import Event, Trade
from detectors.results import Evidence
from detectors.stage import Stage
from streams.alignment import Alignment, Progress

TICK_US = 100_000
BATCH = 20
POLL_US = 25_000
SETTINGS = CoreSettings(timing=Timing(source_timeout_ms=10_000_000, future_limit_s=10_000_000))
LATENESS_TICKS = SETTINGS.timing.lateness_us // TICK_US + 1


def times_of(many: int, span_ms: int, seed: int) -> list[int]:
    """Times of so many events, in order of time."""
    chance = random.Random(seed)
    return sorted(1_000 + chance.randrange(span_ms) for _ in range(many))


#: From nothing at all, over a burst, to one event now and then.
topic_times = st.builds(times_of, st.integers(0, 200), st.integers(1, 200_000), st.integers(0, 2**32 - 1))


class PlainStage(Stage[list[int]]):
    """A stage that only keeps time."""

    def __init__(self, topics: Sequence[str], sources: Sequence[str]) -> None:
        super().__init__(topics, sources, 0, SETTINGS)
        self.closed_ticks: list[int] = []

    def new_tick(self) -> list[int]:
        return []

    def fold(self, topic: str, state: list[int], tick: int, events: Sequence[Event]) -> None:
        state.append(len(events))

    def close_tick(self, tick: int, state: list[int], evidence: tuple[Evidence, ...]) -> None:
        self.counters["closed_events"] += sum(state)
        self.closed_ticks.append(tick)


class Feed:
    """A stage with its topics, read in batches as long as the alignment lets it."""

    def __init__(self, times_ms: dict[str, list[int]], sources: Iterable[str], max_open_ticks: int) -> None:
        self.stage = PlainStage(tuple(times_ms), tuple(sources))
        self.unread = {name: deque(times) for name, times in times_ms.items()}
        self.alignment = Alignment(max_open_ticks, TICK_US)
        self.read = dict.fromkeys(times_ms, 0)
        self.held: frozenset[str] = frozenset()
        self.most_open = 0

    def take(self, topic: str, now_us: int) -> None:
        unread = self.unread[topic]
        times = [unread.popleft() for _ in range(min(BATCH, len(unread)))]
        offsets = range(self.read[topic], self.read[topic] + len(times))
        self.read[topic] += len(times)
        self.stage.push(topic, offsets, [Trade(ms * 1_000, "S", 1.0, 1.0, "buy") for ms in times], now_us)

    def poll(self, now_us: int) -> bool:
        for topic, unread in self.unread.items():
            if not unread:
                self.stage.rest(topic, now_us)
        at_rest = self.stage.advance(now_us)
        self.most_open = max(self.most_open, self.stage.open_ticks)
        reached_us = self.stage.watermark.reached_us()
        self.held = self.alignment.held(Progress(self.stage.closed_us, self.stage.open_ticks, reached_us))
        return at_rest

    def readable(self) -> list[str]:
        return [topic for topic, unread in self.unread.items() if unread and topic not in self.held]


def most_open(max_open_ticks: int, inputs: int) -> int:
    """The ticks up to the limit, and beyond it what one batch of each input brings."""
    return max_open_ticks + LATENESS_TICKS + inputs * BATCH


progresses = st.builds(
    Progress,
    st.integers(-1, 1_000),
    st.integers(0, 100),
    st.dictionaries(st.sampled_from("abcdef"), st.integers(-1, 1_000), min_size=1),
)


@given(st.integers(2, 50), st.lists(progresses, min_size=1, max_size=20))
def test_what_stands_less_than_a_tick_beyond_the_closed_time_is_never_held(limit: int, told: list[Progress]) -> None:
    alignment = Alignment(limit, tick_us=10)
    for progress in told:
        for name in alignment.held(progress):
            assert progress.reached_us[name] > progress.closed_us + 10
            assert progress.open_ticks > limit // 2


@given(st.integers(2, 50), progresses)
def test_without_many_open_ticks_nothing_is_held(limit: int, progress: Progress) -> None:
    assert not Alignment(limit, tick_us=10).held(progress._replace(open_ticks=limit))


@settings(max_examples=60, deadline=None)
@given(st.lists(topic_times, min_size=2, max_size=4), st.integers(2, 40), st.integers(0, 2**32 - 1))
def test_a_stage_reads_everything_and_its_open_ticks_stay_few(
    times_ms: list[list[int]], max_open_ticks: int, seed: int
) -> None:
    chance = random.Random(seed)
    feed = Feed({f"t{number}": times for number, times in enumerate(times_ms)}, (), max_open_ticks)
    now_us, at_rest = 0, False
    while not at_rest or any(feed.unread.values()):
        now_us += POLL_US
        # Time enough to read all, and to wait for those that come to rest in between.
        assert now_us < 30_000_000 + POLL_US * sum(map(len, times_ms)), "stands still"
        topics = feed.readable()
        if topics:
            # The first is read whenever it may be: without alignment it would be far ahead.
            feed.take(topics[0] if chance.random() < 0.9 else chance.choice(topics), now_us)
        at_rest = feed.poll(now_us)
    assert feed.stage.counters["closed_events"] + feed.stage.counters["late"] == sum(map(len, times_ms))
    assert feed.most_open <= most_open(max_open_ticks, inputs=len(times_ms))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(topic_times, topic_times), min_size=2, max_size=3),
    topic_times,
    st.integers(2, 40),
    st.integers(0, 2**32 - 1),
)
def test_stages_that_feed_a_stage_are_held_for_each_other_and_all_is_read(
    upstream_ms: list[tuple[list[int], list[int]]], own_ms: list[int], max_open_ticks: int, seed: int
) -> None:
    chance = random.Random(seed)
    upstream = [Feed({"a": one, "b": other}, (), max_open_ticks) for one, other in upstream_ms]
    sources = [f"market/{number}" for number in range(len(upstream))]
    below = Feed({"leverage": own_ms}, sources, max_open_ticks)
    feeds = [*upstream, below]
    many = sum(len(unread) for feed in feeds for unread in feed.unread.values())
    now_us, at_rest = 0, False
    while not at_rest or any(unread for feed in feeds for unread in feed.unread.values()):
        now_us += POLL_US
        assert now_us < 60_000_000 + 2 * POLL_US * many, "stands still"
        readable = [(feed, topic) for feed in feeds for topic in feed.readable() if not _is_held(feed, upstream, below)]
        if readable:
            feed, topic = readable[0] if chance.random() < 0.9 else chance.choice(readable)
            feed.take(topic, now_us)
        for source, feed in zip(sources, upstream, strict=True):
            rests = feed.poll(now_us)
            if feed.stage.must_speak(now_us, something=False):
                _hand_on(source, feed.stage, rests, below.stage, now_us)
        at_rest = below.poll(now_us)
    # What a source had open when it was held may still come.
    assert below.most_open <= most_open(max_open_ticks, 1) + len(upstream) * most_open(max_open_ticks, inputs=2)


def _is_held(feed: Feed, upstream: list[Feed], below: Feed) -> bool:
    return feed is not below and f"market/{upstream.index(feed)}" in below.held


def _hand_on(source: str, stage: PlainStage, rests: bool, below: PlainStage, now_us: int) -> None:
    """Say what a stage closed since it last spoke, as frames do."""
    for tick in stage.closed_ticks:
        # Nothing is late: a source closes in order, and what it has not closed holds the stage below.
        assert (tick + 1) * TICK_US > below.closed_us
        below.open_tick(tick).append(0)
    stage.closed_ticks.clear()
    below.watermark.frame(source, stage.closed_us, rests, now_us)
