"""Incidents of orders and accounts: stuffing, rings, storms, layering, bursts of trades, leverage, liquidations.

Recipes are those of the project's research on detection, scaled to the flow's own trailing statistics. Books do not
show orders that live for milliseconds; they do show those of layering.
"""

from collections.abc import Sequence
from random import Random

import msgspec

from detectors.events import BookSnapshot, Cancel, Level, LeverageChange, Liquidation, Side, Trade
from tests.benchmarks.detection.flows import SECOND_US, Arrival
from tests.benchmarks.detection.planting import Label, in_order, moments, on_entity, whole
from tests.benchmarks.detection.surroundings import Surroundings

#: A stuffing of intensity 1 is so many times the trailing 99th percentile of the symbol's cancels a second (recipe: 2
#: to 50 times), a ring's together so many times.
_STUFFING, _RING, _RING_SIZE = 5.0, 2.0, 5
_PULSE_US, _HELD_US, _JITTER_US = (400_000, 600_000), 250_000, 10_000
_STORM_SHARE = 0.9
_LAYER_SIZE, _LAYERS = 10.0, (3, 6)
_IGNITION, _IGNITION_BP = 3.0, 10.0
_RAISERS_LEAST, _RAISERS_TIMES, _RAISED_TO = 20.0, 5.0, 50.0
_FORCED_LEAST_PER_S, _FORCED_TIMES, _BRANCHING, _OFFSPRING_S = 0.5, 10.0, 0.8, 1.0


def _side(rng: Random) -> Side:
    return "buy" if rng.random() < 0.5 else "sell"


def _away(surroundings: Surroundings, side: Side, ticks: int) -> float:
    """A price so many ticks behind the mid."""
    step = surroundings.tick * ticks
    return max(round(surroundings.mid + (-step if side == "buy" else step), 8), surroundings.tick)


def _cancel(surroundings: Surroundings, rng: Random, at_us: int, account: str, life_us: int, number: int) -> Arrival:
    side = _side(rng)
    price = _away(surroundings, side, rng.randint(5, 50))
    amount = surroundings.cancel_amount
    return "cancels", Cancel(
        at_us, surroundings.symbol, account, f"planted-{at_us}-{number}", side, price, amount, at_us - life_us
    )


def stuffing(window: Sequence[Arrival], surroundings: Surroundings, label: Label) -> list[Arrival]:
    """One account places and takes back: orders that live for 1 to 50 ms, 5 to 50 ticks behind the touch, no fills."""
    rng = label.chance("stuffing")
    (account,) = surroundings.middling(rng, 1)
    rate_per_s = _STUFFING * surroundings.cancels_p99 * label.intensity
    times = moments(rng, rate_per_s, label.start_us, label.end_us)
    planted = [_cancel(surroundings, rng, at, account, rng.randint(1_000, 50_000), n) for n, at in enumerate(times)]
    return in_order([*window, *planted])


def ring(window: Sequence[Arrival], surroundings: Surroundings, label: Label) -> list[Arrival]:
    """Five accounts place and take back together, twice a second, each moderately."""
    rng = label.chance("ring")
    accounts = surroundings.middling(rng, _RING_SIZE)
    per_pulse = _RING * surroundings.cancels_p99 * label.intensity * sum(_PULSE_US) / 2 / SECOND_US / _RING_SIZE
    planted: list[Arrival] = []
    pulse_us = label.start_us
    while pulse_us < label.end_us:
        for account in accounts:
            for number in range(whole(rng, per_pulse)):
                at_us = pulse_us + rng.randint(0, 2 * _JITTER_US)
                planted.append(_cancel(surroundings, rng, at_us, account, _HELD_US, number))
        pulse_us += rng.randint(*_PULSE_US)
    return in_order([*window, *planted])


def storm(window: Sequence[Arrival], surroundings: Surroundings, label: Label) -> list[Arrival]:
    """The account with most resting orders takes back nine tenths of them (at intensity 1) within a second.

    Its later cancels are thinned out by as much: those orders are gone.
    """
    rng = label.chance("storm")
    account, gone = surroundings.stayer, min(_STORM_SHARE * label.intensity, 1.0)
    kept = [
        one
        for one in window
        if not (
            isinstance(one[1], Cancel)
            and (one[1].account, one[1].symbol) == (account, label.entity)
            and one[1].order_timestamp < label.start_us < one[1].timestamp
            and rng.random() < gone
        )
    ]
    count = max(round(_STORM_SHARE * label.intensity * max(surroundings.stayer_orders, 5.0)), 1)
    span_us = min(label.end_us - label.start_us, SECOND_US)
    times = sorted(label.start_us + rng.randrange(span_us) for _ in range(count))
    planted = [_cancel(surroundings, rng, at, account, rng.randint(1, 60) * SECOND_US, n) for n, at in enumerate(times)]
    return in_order([*kept, *planted])


def layering(window: Sequence[Arrival], surroundings: Surroundings, label: Label) -> list[Arrival]:
    """Three to six large levels within 10 bp on one side, a small fill on the other, all taken back at once; again.

    Each is 10 times the median level at intensity 1, stands for 3 to 8 s and goes within 0.2 s. The mid does not react.
    """
    rng = label.chance("layering")
    account, victim = surroundings.middling(rng, 2)
    side = _side(rng)
    amount = _LAYER_SIZE * label.intensity * surroundings.level_amount
    changed = list(window)
    begin_us = label.start_us
    while begin_us + SECOND_US < label.end_us:
        end_us = min(begin_us + rng.randint(3, 8) * SECOND_US, label.end_us)
        distances = sorted(rng.uniform(1e-4, 1e-3) for _ in range(rng.randint(*_LAYERS)))
        sign = -1.0 if side == "buy" else 1.0
        levels = [(round(surroundings.mid * (1.0 + sign * distance), 8), amount) for distance in distances]
        changed = [
            (topic, _with_levels(event, side, levels))
            if isinstance(event, BookSnapshot) and event.symbol == label.entity and begin_us <= event.timestamp < end_us
            else (topic, event)
            for topic, event in changed
        ]
        fill_us = rng.randrange(begin_us, end_us)
        # The spoofer's own small order, on the other side, is met.
        fill = Trade(fill_us, label.entity, surroundings.mid, surroundings.trade_amount, side, "", victim, account)
        changed.append(("trades", fill))
        for number, (price, size) in enumerate(levels):
            at_us = end_us - rng.randrange(200_000)
            cancel = Cancel(at_us, label.entity, account, f"layer-{at_us}-{number}", side, price, size, begin_us)
            changed.append(("cancels", cancel))
        begin_us = end_us + rng.randint(1, 3) * SECOND_US
    return in_order(changed)


def _with_levels(book: BookSnapshot, side: Side, levels: list[Level]) -> BookSnapshot:
    """A book with more levels, as many as it showed before; what would cross the other side is left out."""
    bids, asks = list(book.bids), list(book.asks)
    if side == "buy":
        room = asks[0][0] if asks else float("inf")
        bids = sorted([*bids, *(level for level in levels if level[0] < room)], reverse=True)[: max(len(bids), 1)]
    else:
        room = bids[0][0] if bids else 0.0
        asks = sorted([*asks, *(level for level in levels if level[0] > room)])[: max(len(asks), 1)]
    return msgspec.structs.replace(book, bids=bids, asks=asks)


def ignition(window: Sequence[Arrival], surroundings: Surroundings, label: Label) -> list[Arrival]:
    """One-sided orders of two accounts, half of them several in the same instant, that move the price; then it returns.

    At intensity 1: three times the trailing 99th percentile of trades a second, and 10 bp. Trades and books move alike.
    """
    rng = label.chance("ignition")
    takers = surroundings.middling(rng, 2)
    side = _side(rng)
    sign = 1.0 if side == "buy" else -1.0
    turn_us = label.start_us + 2 * (label.end_us - label.start_us) // 3

    def factor(at_us: int) -> float:
        up = (at_us - label.start_us) / (turn_us - label.start_us)
        down = (label.end_us - at_us) / (label.end_us - turn_us)
        return 1.0 + sign * _IGNITION_BP * 1e-4 * label.intensity * max(min(up, down), 0.0)

    changed: list[Arrival] = []
    for topic, event in window:
        if isinstance(event, Trade) and on_entity(event, label):
            moved = msgspec.structs.replace(event, price=round(event.price * factor(event.timestamp), 8))
            changed.append((topic, moved))
        elif isinstance(event, BookSnapshot) and on_entity(event, label):
            times = factor(event.timestamp)
            bids, asks = ([(round(p * times, 8), a) for p, a in levels] for levels in (event.bids, event.asks))
            changed.append((topic, msgspec.structs.replace(event, bids=bids, asks=asks)))
        else:
            changed.append((topic, event))
    rate_per_s = _IGNITION * surroundings.trades_p99 * label.intensity
    for at_us in moments(rng, rate_per_s / 2, label.start_us, turn_us):
        for _ in range(rng.choice((1, 3))):
            price = round(surroundings.mid * factor(at_us), 8)
            trade = Trade(at_us, label.entity, price, surroundings.trade_amount, side, "", rng.choice(takers))
            changed.append(("trades", trade))
    return in_order(changed)


def leverage_ramp(window: Sequence[Arrival], surroundings: Surroundings, label: Label) -> list[Arrival]:
    """Accounts raise their leverage to 50, each once: at intensity 1 five times as many as usually do, at least 20."""
    rng = label.chance("leverage")
    usual = surroundings.raises_per_s * label.seconds
    count = max(round(max(_RAISERS_LEAST, _RAISERS_TIMES * usual) * label.intensity), 1)
    holders = [one for one in surroundings.holders if one.leverage < _RAISED_TO and one.position and one.entry_price]
    chosen = rng.sample(holders, min(count, len(holders)))
    planted: list[Arrival] = []
    for one in chosen:
        at_us = rng.randrange(label.start_us, label.end_us)
        change = LeverageChange(
            at_us, one.account, label.entity, _RAISED_TO, one.leverage, one.position, one.entry_price
        )
        planted.append(("leverage", change))
    for number in range(count - len(chosen)):
        at_us = rng.randrange(label.start_us, label.end_us)
        position = surroundings.trade_amount * rng.paretovariate(1.5)
        account = f"newcomer-{number}"
        change = LeverageChange(at_us, account, label.entity, _RAISED_TO, 5.0, position, surroundings.mid)
        planted.append(("leverage", change))
    return in_order([*window, *planted])


def liquidations(window: Sequence[Arrival], surroundings: Surroundings, label: Label) -> list[Arrival]:
    """Forced orders that beget others: a marked Hawkes process, branching 0.8, power-law sizes, one side.

    At intensity 1 the first ones come at ten times the usual rate, at least one in two seconds. Each is also a trade.
    """
    rng = label.chance("liquidations")
    usual = _FORCED_TIMES * surroundings.liquidations_per_s
    rate_per_s = label.intensity * max(_FORCED_LEAST_PER_S, usual)
    begin_us = label.crisis_us or label.start_us
    waiting = moments(rng, rate_per_s, begin_us, label.end_us)
    side = _side(rng)
    planted: list[Arrival] = []
    while waiting and len(planted) < 4_000:
        at_us = waiting.pop()
        if rng.random() < _BRANCHING:
            child_us = at_us + int(rng.expovariate(1.0 / _OFFSPRING_S) * SECOND_US)
            if child_us < label.end_us:
                waiting.append(child_us)
        amount = surroundings.trade_amount * min(rng.paretovariate(1.5), 100.0)
        price, account = surroundings.mid, f"forced-{at_us}"
        planted.append(("liquidations", Liquidation(at_us, label.entity, side, price, amount, account)))
        trade = Trade(at_us, label.entity, price, amount, side, "", account, liquidation=True)
        planted.append(("trades", trade))
    return in_order([*window, *planted])
