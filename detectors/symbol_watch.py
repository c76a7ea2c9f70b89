"""All detectors of one symbol, and how their scores become signals."""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import TypeVar

from detectors.base import Detector, Features, State
from detectors.cancel_burst import CancelBurst
from detectors.config import CoreSettings
from detectors.features.book import book_features
from detectors.features.market import CANCELS, FILLS, NOTIONAL_CENTS, PRESSURE, AccountCounts, SymbolTick
from detectors.ledger import EvidenceWindow
from detectors.lockstep import Lockstep
from detectors.measures import Measure, calibration_measure
from detectors.results import Pattern, Scope, Signal
from detectors.revival import revived_pair
from detectors.scorer import Scorer, Verdict, signal_of
from detectors.seeds import seed_of
from detectors.thin_book import ThinBook
from detectors.windows import SlidingCounts

_MOST_ACCOUNTS = 20

D = TypeVar("D", bound=Detector)


def cancel_features(tick: list[int], one: list[int], ten: list[int], time_s: float) -> Features:
    """Features of `CancelBurst`: the counts of this tick, of the last second, and of the last ten.

    Examples
    --------
    >>> x = cancel_features([1, 8, 0, 0], [3, 20, 1, 0], [9, 60, 1, 0], time_s=5.0)
    >>> x["cancels_tick"], x["pressure_1s"], x["fills_10s"]
    (1, 20, 1)
    """
    return {
        "time_s": time_s,
        "cancels_tick": tick[CANCELS],
        "pressure_tick": tick[PRESSURE],
        "fills_tick": tick[FILLS],
        "cancels_1s": one[CANCELS],
        "pressure_1s": one[PRESSURE],
        "fills_1s": one[FILLS],
        "cancels_10s": ten[CANCELS],
        "pressure_10s": ten[PRESSURE],
        "fills_10s": ten[FILLS],
    }


class SymbolWatch:
    """Cancel burst, lockstep and thin book of one symbol.

    Parameters
    ----------
    symbol
        Its name.
    settings
        The settings of the core.
    counters
        The stage's counters.
    """

    def __init__(self, symbol: str, settings: CoreSettings, counters: Counter[str]) -> None:
        self.symbol = symbol
        self._order_notional = settings.market.order_notional
        self._tick_us = settings.timing.tick_us
        self._settings = settings
        self._counters = counters
        self._cancel_burst, self._burst_scorer = self._new_cancel_burst(), Scorer(settings.calibration, counters)
        self._thin_book, self._thin_scorer = self._new_thin_book(), self._new_thin_scorer()
        self._lockstep, self._lockstep_scorer = Lockstep(), self._new_lockstep_scorer()
        self._since_tick: int | None = None
        #: When it was last asked: twice the tick, and one more at the end of a second.
        self.turn = -1
        self._one = SlidingCounts(1_000_000 // self._tick_us, 4)
        self._ten = SlidingCounts(10_000_000 // self._tick_us, 4)
        self._accounts: deque[tuple[int, AccountCounts]] = deque()
        self._second: dict[str, int] = {}
        #: For show: what was counted, the newest book, and the open interest last told.
        self._cancels = self._trades = 0
        self._book: Features | None = None
        self.open_interest: float | None = None

    def measures(self) -> Iterator[Measure]:
        """Give what can be shown of the symbol."""
        symbol = self.symbol
        yield Measure("cancels", (symbol,), self._cancels)
        yield Measure("trades", (symbol,), self._trades)
        if self._book is not None:
            yield Measure("spread_bp", (symbol,), self._book["spread_bp"])
            yield Measure("imbalance", (symbol,), self._book["imbalance"])
            for side in ("bid", "ask"):
                yield Measure("depth_10bp", (symbol, side), self._book[f"{side}_depth_10bp"])
        if self.open_interest is not None:
            yield Measure("open_interest", (symbol,), self.open_interest)
        yield calibration_measure("cancel_burst", is_warm=self._burst_scorer.pot.ready)
        yield calibration_measure("thin_book", is_warm=self._thin_scorer.pot.ready)
        yield calibration_measure("lockstep", is_warm=self._lockstep_scorer.pot.ready)

    def close_tick(self, tick: int, state: SymbolTick, evidence: EvidenceWindow) -> list[Signal]:
        """Score what one tick brought."""
        time_s = (tick + 1) * self._tick_us / 1e6
        if self._since_tick is None:
            self._since_tick = tick
        self.turn = 2 * tick
        signals: list[Signal] = []
        if state.accounts or state.trades:
            signals += self._judge_cancels(tick, time_s, state, evidence)
        if state.book is not None:
            x = self._book = book_features(state.book, self._order_notional)
            x["time_s"] = time_s
            verdict = self._thin_scorer.step(self._thin_book, x, time_s)
            if verdict is not None:
                missing = sum(max(part.expected - part.observed, 0.0) for part in verdict.contributions[:1])
                signals.append(self._signal(tick, "thin_book", "thin_book", "symbol", verdict, (), missing, evidence))
        return signals

    def sample(self, one_in: int) -> None:
        """Let trees and pair search look at one observation in so many."""
        self._thin_book.one_in = self._lockstep.one_in = one_in

    @property
    def has_second(self) -> bool:
        """Whether there were cancels in the second that is under way."""
        return bool(self._second)

    def close_second(self, tick: int, evidence: EvidenceWindow) -> list[Signal]:
        """Look for accounts in step, at the end of a second in which there were cancels."""
        self.turn = 2 * tick + 1
        time_s = (tick + 1) * self._tick_us / 1e6
        self._expire(tick)
        # In the order of names, whichever came first.
        x: Features = {account: float(count) for account, count in sorted(self._second.items())}
        x["time_s"] = float((tick + 1) * self._tick_us // 1_000_000 - 1)
        self._second = {}
        if not self._lockstep.due:
            # Not scored, rather than scored 0: what is not looked at must not teach the calibration.
            self._lockstep.learn_one(x)
            self._counters["sampled_out"] += 1
            return []
        group = self._lockstep.group(x)
        verdict = self._lockstep_scorer.step(self._lockstep, x, time_s)
        if verdict is None or not group:
            return []
        notional = sum(self._of_account(account, NOTIONAL_CENTS) for account in group) / 100.0
        return [self._signal(tick, "lockstep", "cancel_burst", "group", verdict, group, notional, evidence)]

    def _judge_cancels(self, tick: int, time_s: float, state: SymbolTick, evidence: EvidenceWindow) -> list[Signal]:
        total = self._count(tick, state.accounts, state.trades)
        self._cancels += total[CANCELS]
        self._trades += state.trades
        self._mark(state.accounts)
        ten = self._ten.get(self.symbol)
        x = cancel_features(total, self._one.get(self.symbol), ten, time_s)
        if not total[CANCELS]:
            self._cancel_burst.learn_one(x)
            return []
        verdict = self._burst_scorer.step(self._cancel_burst, x, time_s)
        if verdict is None:
            return []
        notional = ten[NOTIONAL_CENTS] / 100.0
        busiest = self._busiest(state)
        return [self._signal(tick, "cancel_burst", "cancel_burst", "symbol", verdict, busiest, notional, evidence)]

    def _busiest(self, state: SymbolTick) -> tuple[str, ...]:
        """The accounts with at least a fifth of the last ten seconds' cancels, busiest first."""
        everyone = self._ten.get(self.symbol)[CANCELS]
        counts = sorted((-self._of_account(account, CANCELS), account) for account in state.accounts)
        return tuple(account for count, account in counts[:_MOST_ACCOUNTS] if -count * 5 >= everyone)

    def _count(self, tick: int, accounts: AccountCounts, trades: int) -> list[int]:
        """Let the counts of a tick enter the windows; their total."""
        total = [sum(place) for place in zip(*accounts.values(), strict=True)] or [0, 0, 0, 0]
        total[FILLS] = trades
        self._one.add(tick, {self.symbol: total})
        self._ten.add(tick, {self.symbol: total})
        self._expire(tick)
        self._accounts.append((tick, accounts))
        return total

    def _expire(self, tick: int) -> None:
        kept = self._accounts
        while kept and kept[0][0] <= tick - self._ten.length:
            kept.popleft()

    def _mark(self, accounts: AccountCounts) -> None:
        """Note who cancelled in this second."""
        second = self._second
        for account, counts in accounts.items():
            if counts[CANCELS]:
                second[account] = second.get(account, 0) + counts[CANCELS]

    def recount(self, tick: int, accounts: AccountCounts, trades: int, *, in_this_second: bool) -> None:
        """Let a tick that was judged before, by a watch whose state was taken up, enter the windows again."""
        if self._since_tick is not None and tick >= self._since_tick:
            self._count(tick, accounts, trades)
            if in_this_second:
                self._mark(accounts)

    def state(self) -> State:
        """All models; the windows follow from the ticks that the stage keeps."""
        return {
            "asked": [self._since_tick, self.turn],
            "cancel_burst": [self._cancel_burst.state(), self._burst_scorer.state()],
            "thin_book": [self._thin_book.state(), self._thin_scorer.state()],
            "lockstep": [self._lockstep.state(), self._lockstep_scorer.state()],
        }

    def restore(self, state: State, notes: list[str]) -> None:
        """Take up where `state()` was made; a model of other parameters begins afresh, which is added to `notes`."""

        def pair(name: str, make: Callable[[], D], make_scorer: Callable[[], Scorer]) -> tuple[D, Scorer]:
            return revived_pair(make, make_scorer, state.get(name), f"{name} of {self.symbol}", notes)

        def scorer() -> Scorer:
            return Scorer(self._settings.calibration, self._counters)

        self._since_tick, self.turn = state["asked"]
        self._cancel_burst, self._burst_scorer = pair("cancel_burst", self._new_cancel_burst, scorer)
        self._thin_book, self._thin_scorer = pair("thin_book", self._new_thin_book, self._new_thin_scorer)
        self._lockstep, self._lockstep_scorer = pair("lockstep", Lockstep, self._new_lockstep_scorer)

    def _new_cancel_burst(self) -> CancelBurst:
        return CancelBurst(self._settings.memory.half_life_s, tick_s=self._tick_us / 1e6)

    def _new_thin_book(self) -> ThinBook:
        return ThinBook(seed_of("thin_book", self.symbol), self._settings.memory.half_life_s)

    def _new_thin_scorer(self) -> Scorer:
        return Scorer(self._settings.calibration, self._counters, prior_scale=0.5)

    def _new_lockstep_scorer(self) -> Scorer:
        return Scorer(self._settings.calibration, self._counters, prior_scale=3.0, warm_up=60)

    def _of_account(self, account: str, place: int) -> int:
        """One count of an account over the last ten seconds: asked for seldom, so not kept up."""
        return sum(accounts[account][place] for _, accounts in self._accounts if account in accounts)

    def _signal(
        self,
        tick: int,
        detector: str,
        pattern: Pattern,
        scope: Scope,
        verdict: Verdict,
        accounts: tuple[str, ...],
        notional: float,
        evidence: EvidenceWindow,
    ) -> Signal:
        return signal_of(
            verdict,
            (tick + 1) * self._tick_us,
            detector=detector,
            pattern=pattern,
            scope=scope,
            entity=self.symbol,
            symbol=self.symbol,
            accounts=accounts[:_MOST_ACCOUNTS],
            notional=notional,
            evidence=evidence,
        )
