"""A stage that begins again at its safe offsets has lost no record."""

from collections.abc import Iterable
from functools import cache
from itertools import accumulate

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from detectors.account_stage import AccountStage
from detectors.events import LeverageChange
from detectors.market_stage import MarketStage
from detectors.results import Activity, ActivityFrame, Evidence, LeverageMove, SignalFrame
from tests.detectors.workers import Workers
from tests.helpers import Flow, Log, at_us, quick_settings

SETTINGS = quick_settings()
#: A seed says no more when it is small, and each try takes a second.
WITHOUT_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
TICK_US = SETTINGS.timing.tick_us
#: Shares of what is left of each input that a stage reads before it is killed.
lives = st.lists(st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3), min_size=1, max_size=4)


@cache
def the_log() -> Log:
    return Log(Flow(seed=5, seconds=30.0).burst(10.0, "BTC-PERP", "acct-01", cancels=40).arrivals(), partitions=2)


class Watched(Workers):
    """Workers whose safe offsets are checked at every turn."""

    checks = 0

    def turn(self, stage: str, partition: int) -> None:
        super().turn(stage, partition)
        if stage == "market":
            market = self.markets[partition]
            for topic in ("trades", "cancels", "books"):
                self.check(market.safe_offset(topic), market.closed_us, self.ends_of_events(topic, partition))
        elif stage == "account":
            account = self.accounts[partition]
            self.check(account.safe_offset("leverage"), account.closed_us, self.ends_of_events("leverage", partition))
            frames = [max((tick + 1 for tick, _, _ in frame.ticks), default=0) for frame in self.activity[partition]]
            self.check(account.safe_offset("account-activity"), account.closed_us, frames)
        else:
            frames = [max((said.tick + 1 for said in frame.ticks), default=0) for frame in self.signals]
            self.check(self.correlation.safe_offset("signals"), self.correlation.closed_us, frames)

    def check(self, safe_offset: int | None, closed_us: int, ends: list[int]) -> None:
        """Every record below the safe offset lies in ticks that have been closed."""
        newest = list(accumulate(ends, max))
        if safe_offset:
            self.checks += 1
            assert newest[safe_offset - 1] * TICK_US <= max(closed_us, 0)

    def ends_of_events(self, topic: str, partition: int) -> list[int]:
        return [event.timestamp // TICK_US + 1 for event in self.log.of(topic, partition)]


@settings(max_examples=3, phases=WITHOUT_SHRINKING)
@given(st.integers(0, 2**32 - 1))
def test_every_record_below_a_safe_offset_is_in_a_closed_tick(seed: int) -> None:
    workers = Watched(SETTINGS, the_log(), seed, batch=20)
    workers.run(repeat=0.1)
    assert workers.checks > 100


def activity_taken(frames: Iterable[ActivityFrame]) -> list[tuple[int, tuple[Evidence, ...], list[Activity]]]:
    """What an account stage takes of frames: each tick of a source once, its rows in any order."""
    taken: list[tuple[int, tuple[Evidence, ...], list[Activity]]] = []
    for frame in frames:
        for tick, evidence, rows in frame.ticks:
            if not taken or tick > taken[-1][0]:
                taken.append((tick, evidence, sorted(rows, key=lambda row: (row.account, row.symbol))))
    return taken


def market_activity(partition: int, lives: list[list[float]]) -> list[ActivityFrame]:
    """What a market stage hands on to account partition 0 in its lives, each begun at the safe offsets of the last."""
    log, frames, safe = the_log(), list[ActivityFrame](), dict[str, int]()
    for number, shares in enumerate([*lives, [1.0, 1.0, 1.0]]):
        stage = MarketStage(partition, log.partitions, SETTINGS, log.partition_of)
        for topic, share in zip(("trades", "cancels", "books"), shares, strict=True):
            events, begin = log.of(topic, partition), safe.get(topic, 0)
            end = begin + round(share * (len(events) - begin))
            if begin < end:
                stage.push(topic, range(begin, end), events[begin:end], 0)
        for seen_us in (0, SETTINGS.timing.idle_us):
            stage.rest("tickers", seen_us)
            stage.rest("liquidations", seen_us)
        output = stage.flush() if number == len(lives) else stage.poll(SETTINGS.timing.idle_us)
        frames += [output.activity[0]] if output is not None else []
        safe |= {topic: offset for topic in stage.inputs if (offset := stage.safe_offset(topic)) is not None}
    return frames


@pytest.mark.slow
@settings(max_examples=20, phases=WITHOUT_SHRINKING)
@given(lives)
def test_a_market_stage_begun_again_hands_on_all_activity_once(lives: list[list[float]]) -> None:
    whole = activity_taken(market_activity(1, []))
    assert len(whole) > 50
    assert activity_taken(market_activity(1, lives)) == whole


def moves_taken(
    frames: Iterable[SignalFrame],
) -> list[tuple[int, list[tuple[str, int, int, int]], tuple[Evidence, ...]]]:
    """What the correlation stage takes of leverage moves, without what depends on positions known from before."""

    def counted(move: LeverageMove) -> tuple[str, int, int, int]:
        return move.symbol, move.changes, move.raises, move.doublings_micro

    taken: list[tuple[int, list[tuple[str, int, int, int]], tuple[Evidence, ...]]] = []
    for frame in frames:
        for said in frame.ticks:
            if said.moves and (not taken or said.tick > taken[-1][0]):
                taken.append((said.tick, [counted(move) for move in said.moves], said.evidence))
    return taken


def account_moves(lives: list[list[float]]) -> list[SignalFrame]:
    """What an account stage says over several lives, each begun at the safe offset of the last."""
    log, frames, begin = the_log(), list[SignalFrame](), 0
    # No account is set to the leverage that it has: only who knows what it has could tell that this is no change.
    events = [
        replace(event, leverage=event.leverage * (1.0 + number * 1e-6))
        for number, event in enumerate(log.of("leverage", 0))
        if isinstance(event, LeverageChange)
    ]
    for number, (share, *_) in enumerate([*lives, [1.0]]):
        stage = AccountStage(0, log.partitions, SETTINGS)
        end = begin + round(share * (len(events) - begin))
        if begin < end:
            stage.push("leverage", range(begin, end), events[begin:end], 0)
        for source in range(log.partitions):
            stage.push_frame(ActivityFrame(f"market/{source}", 2 * at_us(0.0), False, ()), 0, 0)
        found = stage.flush() if number == len(lives) else stage.poll(SETTINGS.timing.idle_us)
        frames += [found.signals] if found is not None else []
        begin = stage.safe_offset("leverage") or begin
    return frames


@given(lives)
def test_an_account_stage_begun_again_says_all_leverage_moves_once(lives: list[list[float]]) -> None:
    whole = moves_taken(account_moves([]))
    assert len(whole) > 20
    assert moves_taken(account_moves(lives)) == whole
