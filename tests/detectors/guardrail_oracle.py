"""What the guardrails must say, by brute force: everything is remembered, and everything is judged at every event."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from detectors.decisions import Trip
from detectors.events import BookSnapshot, DerivativeTicker, Event, Latency, LeverageChange, Liquidation, Trade
from detectors.guardrail_records import position_name
from detectors.guardrail_settings import Guardrails
from detectors.limits_by_entity import LimitsByEntity


class Said(NamedTuple):
    """What matters of a trip, with numbers as fractions."""

    rule: str
    entity: str
    state: str
    level: str
    value: Fraction
    limit: Fraction
    timestamp: int


def said(trips: Iterable[Trip]) -> list[Said]:
    """Trips, those of one time in the order of rule and entity; quotients to 25 digits."""
    return sorted(
        (
            Said(one.rule, one.entity, one.state, one.level, _rounded(one.value), Fraction(one.limit), one.timestamp)
            for one in trips
        ),
        key=lambda one: (one.timestamp, one.rule, one.entity),
    )


def _rounded(value: Decimal | Fraction) -> Fraction:
    return Fraction(round(Fraction(value) * 10**25), 10**25)


def _exact(number: float) -> Fraction:
    return Fraction(repr(number))


class Oracle:
    """The states of all rules; `limits` are made by the caller for each value."""

    def __init__(self, guardrails: Guardrails) -> None:
        self.table = LimitsByEntity(guardrails, lambda limits: limits)
        self.standing: dict[tuple[str, str], tuple[str, int]] = {}
        self.out: list[Said] = []
        self.clock: dict[str, int] = {}

    def settle(
        self,
        rule: str,
        entity: str,
        value: Fraction,
        pair: tuple[Decimal, Decimal],
        limits: Guardrails,
        *,
        now: int,
        below: bool = False,
    ) -> None:
        soft, hard = (Fraction(limit) for limit in pair)
        share, sign = Fraction(limits.clear_share), -1 if below else 1
        soft_clear, hard_clear = (limit / share if below else limit * share for limit in (soft, hard))
        beyond = {limit: (value - limit) * sign > 0 for limit in (soft, hard, soft_clear, hard_clear)}
        level, since = self.standing.get((rule, entity), ("", 0))
        over = now >= since + limits.min_hold_s * 1_000_000
        after, limit = level, soft
        if level != "hard" and beyond[hard]:
            after, limit = "hard", hard
        elif not level and beyond[soft]:
            after, limit = "soft", soft
        elif level and over and not beyond[soft_clear]:
            after, limit = "", soft_clear
        elif level == "hard" and over and not beyond[hard_clear]:
            after, limit = "soft", soft if beyond[soft] else soft_clear
        if after == level:
            return
        if after:
            self.standing[rule, entity] = (after, now)
        else:
            del self.standing[rule, entity]
        state = "tripped" if after else "cleared"
        # The code rounds the bound to 50 digits where it divides; the settings of the tests divide evenly.
        self.out.append(Said(rule, entity, state, after or level, _rounded(value), limit, now))


class EventOracle(Oracle):
    """The rules that trip on the event, by the whole history."""

    def __init__(self, guardrails: Guardrails) -> None:
        super().__init__(guardrails)
        self.trades: dict[str, list[tuple[int, float]]] = {}
        self.liquidated: dict[str, list[tuple[int, Fraction]]] = {}
        self.prices: dict[str, dict[str, float]] = {}
        self.books: dict[str, BookSnapshot] = {}
        self.latency: dict[str, float] = {}
        self.positions: dict[str, dict[str, Fraction]] = {}
        self.leverage: dict[tuple[str, str], float] = {}

    def take(self, topic: str, event: Event) -> None:
        now = self.clock[topic] = max(self.clock.get(topic, -1), event.timestamp)
        if isinstance(event, Trade):
            if event.timestamp >= now - self.table.of(event.symbol).price_window_s * 1_000_000:
                self.trades.setdefault(event.symbol, []).append((now // 1_000_000, event.price))
            self.judge_trades(now)
        elif isinstance(event, Liquidation):
            if event.timestamp >= now - self.table.of(event.symbol).liquidation_window_s * 1_000_000:
                cents = round(_exact(event.price) * _exact(event.amount) * 100)
                self.liquidated.setdefault(event.symbol, []).append((now // 1_000_000, Fraction(cents, 100)))
            self.judge_liquidations(now)
        elif isinstance(event, DerivativeTicker):
            given = {"mark": event.mark_price, "index": event.index_price}
            known = self.prices.setdefault(event.symbol, {})
            known.update({name: price for name, price in given.items() if price is not None})
            self.judge_prices(now)
        elif isinstance(event, BookSnapshot):
            self.books[event.symbol] = event
            self.judge_books(now)
        elif isinstance(event, Latency):
            self.latency[event.component] = event.latency_us
            for component, latency_us in self.latency.items():
                limits = self.table.of(component)
                self.settle("component_latency", component, _exact(latency_us), limits.latency_us, limits, now=now)
        elif isinstance(event, LeverageChange):
            self.take_change(event, now)

    def judge_trades(self, now: int) -> None:
        for symbol, trades in self.trades.items():
            limits, last = self.table.of(symbol), _exact(trades[-1][1])
            window = [_exact(price) for at, price in trades if at >= now // 1_000_000 - limits.price_window_s] or [last]
            move = max(last / min(window) - 1, 1 - last / max(window))
            self.settle("price_move", symbol, move, limits.price_move, limits, now=now)

    def judge_liquidations(self, now: int) -> None:
        for symbol, rows in self.liquidated.items():
            limits = self.table.of(symbol)
            first = now // 1_000_000 - limits.liquidation_window_s
            total = sum((notional for at, notional in rows if at >= first), Fraction(0))
            self.settle("liquidations", symbol, total, limits.liquidations, limits, now=now)

    def judge_prices(self, now: int) -> None:
        for symbol, known in self.prices.items():
            if len(known) == 2:
                limits, mark, index = self.table.of(symbol), _exact(known["mark"]), _exact(known["index"])
                self.settle("mark_index", symbol, abs(mark - index) / index, limits.mark_index, limits, now=now)

    def judge_books(self, now: int) -> None:
        for symbol, book in self.books.items():
            limits, depth = self.table.of(symbol), Fraction(0)
            if book.bids and book.asks:
                mid = (_exact(book.bids[0][0]) + _exact(book.asks[0][0])) / 2
                near = [
                    [(_exact(price), _exact(amount)) for price, amount in side if abs(_exact(price) - mid) <= mid / 200]
                    for side in (book.bids, book.asks)
                ]
                depth = min(sum((price * amount for price, amount in side), Fraction(0)) for side in near)
            self.settle("depth_floor", symbol, depth, limits.depth_floor, limits, now=now, below=True)

    def take_change(self, change: LeverageChange, now: int) -> None:
        known = self.positions.setdefault(change.account, {})
        if change.entry_price is not None or change.position == 0:
            notional = abs(_exact(change.position)) * _exact(change.entry_price or 0.0)
            known[change.symbol] = Fraction(round(notional * 100), 100)
        self.leverage[change.account, change.symbol] = change.leverage
        for account, positions in self.positions.items():
            limits = self.table.of(account)
            total = sum(positions.values(), Fraction(0))
            self.settle("account_exposure", account, total, limits.account_exposure, limits, now=now)
        for (account, symbol), leverage in self.leverage.items():
            limits = self.table.of(symbol)
            notional = self.positions[account].get(symbol, Fraction(0))
            cap = next(cap for start, cap in reversed(limits.leverage_caps) if notional >= start)
            name = position_name(account, symbol)
            self.settle("leverage_cap", name, _exact(leverage), (cap, cap), limits, now=now)


class TickOracle(Oracle):
    """The rules that are judged at the end of a tick, by all that is known then."""

    def __init__(self, guardrails: Guardrails) -> None:
        super().__init__(guardrails)
        self.last: dict[tuple[str, str], int] = {}
        self.held: dict[tuple[str, str], Fraction] = {}
        self.interest: dict[str, Fraction] = {}

    def close_market_tick(self, end_us: int, newest: Mapping[str, tuple[int | None, int | None]]) -> None:
        for symbol, times in newest.items():
            for rule, at_us in zip(("stale_mark", "stale_index"), times, strict=True):
                if at_us is not None:
                    self.last[rule, symbol] = max(self.last.get((rule, symbol), 0), at_us)
        for (rule, symbol), last_us in self.last.items():
            limits = self.table.of(symbol)
            self.settle(rule, symbol, Fraction(end_us - last_us, 1_000_000), limits.stale_s, limits, now=end_us)

    def close_account_tick(
        self, end_us: int, changes: Iterable[LeverageChange], open_interest: Mapping[str, float]
    ) -> None:
        self.interest.update({symbol: _exact(amount) for symbol, amount in open_interest.items() if amount})
        for change in changes:
            self.held[change.account, change.symbol] = abs(_exact(change.position))
        for (account, symbol), held in self.held.items():
            if symbol in self.interest:
                limits, name = self.table.of(symbol), position_name(account, symbol)
                share = held / self.interest[symbol]
                self.settle("open_interest_share", name, share, limits.open_interest_share, limits, now=end_us)
