"""A small labelled stream for every detector: what it looks at, quiet, with anomalies planted in it."""

import math
import random
from collections import deque
from collections.abc import Callable, Iterator
from typing import Literal

from detectors.base import Features
from detectors.features.book import BANDS_BP

#: What a point of a toy stream is; `episode`: on the way to a planted point, or on the way back, it counts as neither.
Label = Literal["normal", "planted", "episode"]
ToyStream = Callable[[random.Random], Iterator[tuple[Features, Label]]]

#: Points before anything is planted, and from one planted point to the next.
QUIET_POINTS = 800
_EVERY = 150


def _is_planted(index: int) -> bool:
    return index >= QUIET_POINTS and index % _EVERY == 0


def cancel_burst(chance: random.Random) -> Iterator[tuple[Features, Label]]:
    """Ticks of a tenth of a second with about two cancels each, in windows; sixty at once are planted."""
    ticks: deque[int] = deque([2] * 100, maxlen=100)
    index, since = 0, 100
    while True:
        planted = _is_planted(index)
        since = 0 if planted else since + 1
        cancels = chance.choice((1, 1, 2, 3)) + (60 if planted else 0)
        ticks.append(cancels)
        counts = {"tick": cancels, "1s": sum(list(ticks)[-10:]), "10s": sum(ticks)}
        x: Features = {"time_s": 0.1 * index}
        for window, count in counts.items():
            x[f"cancels_{window}"] = float(count)
            x[f"pressure_{window}"] = 4.0 * count
            x[f"fills_{window}"] = 0.0
        yield x, "planted" if planted else "episode" if since < 100 else "normal"
        index += 1


def thin_book(chance: random.Random) -> Iterator[tuple[Features, Label]]:
    """Books every tenth of a second; one with a tenth of its depth is planted."""
    index = 0
    while True:
        planted = _is_planted(index)
        scale = 0.1 if planted else 1.0
        x: Features = {"time_s": 0.1 * index, "spread_bp": chance.uniform(0.8, 1.2) / math.sqrt(scale)}
        for side in ("bid", "ask"):
            for band in BANDS_BP:
                x[f"{side}_depth_{band}bp"] = scale * band * chance.lognormvariate(10.0, 0.2)
            x[f"{side}_slope"] = scale * chance.lognormvariate(10.0, 0.2)
            x[f"{side}_slippage_bp"] = chance.uniform(1.5, 2.5) / scale
        yield x, "planted" if planted else "episode" if index > QUIET_POINTS and index % _EVERY < 100 else "normal"
        index += 1


def leverage_spike(chance: random.Random) -> Iterator[tuple[Features, Label]]:
    """Seconds with a raise in every third; twenty raises at once are planted."""
    seconds: deque[int] = deque([0] * 60, maxlen=60)
    index, since = 0, 60
    while True:
        planted = _is_planted(index)
        since = 0 if planted else since + 1
        seconds.append(20 if planted else int(chance.random() < 0.33))
        raises = list(seconds)
        x: Features = {"time_s": float(index), "raises_tick": float(raises[-1]), "doublings_tick": 0.5 * raises[-1]}
        for window in (1, 10, 60):
            x[f"raises_{window}s"] = float(sum(raises[-window:]))
            x[f"doublings_{window}s"] = 0.5 * sum(raises[-window:])
        x["near_share"] = 0.5 if planted else chance.uniform(0.05, 0.06)
        yield x, "planted" if planted else "episode" if since < 60 else "normal"
        index += 1


def leverage_jump(chance: random.Random) -> Iterator[tuple[Features, Label]]:
    """Changes of leverage of some ten per cent; a factor of twelve is planted."""
    index = 0
    while True:
        planted = _is_planted(index)
        yield (
            {"log_change": math.log(12.0) if planted else chance.gauss(0.0, 0.1), "leverage": 5.0},
            ("planted" if planted else "normal"),
        )
        index += 1


def lockstep(chance: random.Random) -> Iterator[tuple[Features, Label]]:
    """Seconds with a few cancels of ever new accounts; six accounts that cancel in the same seconds are planted."""
    index = 0
    while True:
        x: Features = {"time_s": float(index)}
        for _ in range(3):
            x[f"loner-{index // 50}-{chance.randrange(20)}"] = float(chance.randint(1, 4))
        before = -index % _EVERY
        in_episode = index + before > QUIET_POINTS and before <= 24
        if in_episode and before % 6 == 0:
            x |= {f"ring-{number}": 3.0 for number in range(6)}
        yield x, "planted" if in_episode and before == 0 else "episode" if in_episode else "normal"
        index += 1


def cascade_risk(chance: random.Random) -> Iterator[tuple[Features, Label]]:
    """Prices every five seconds, with self-feeding liquidations a few per cent away; some very near are planted."""
    index, mid = 0, 100.0
    while True:
        planted = _is_planted(index)
        mid *= math.exp(chance.gauss(0.0, 2e-4))
        x: Features = {"time_s": 5.0 * index, "mid": mid, "down_gain": 1.2, "up_gain": 0.3}
        x["down_bp"] = 50.0 if planted else chance.uniform(300.0, 500.0)
        yield x, "planted" if planted else "normal"
        index += 1


def mark_divergence(chance: random.Random) -> Iterator[tuple[Features, Label]]:
    """Tickers every second with mark a basis point from index; a mark three per cent away is planted."""
    index = 0
    while True:
        planted = _is_planted(index)
        mark = 100.0 * (1.03 if planted else 1.0 + chance.gauss(0.0, 1e-4))
        x: Features = {"time_s": float(index), "index": 100.0, "mark": mark, "last": 100.0 + chance.gauss(0.0, 0.01)}
        for kind in ("mark", "index"):
            x[f"{kind}_age_s"], x[f"{kind}_gap_s"] = chance.uniform(0.0, 0.1), chance.uniform(0.9, 1.1)
        x["last_age_s"] = chance.expovariate(1.0)
        yield x, "planted" if planted else "normal"
        index += 1


def latency_shock(chance: random.Random) -> Iterator[tuple[Features, Label]]:
    """Latencies about 8 ms every tenth of a second; two seconds at ten times that are planted."""
    index = 0
    while True:
        before = -index % _EVERY
        in_episode = index + before > QUIET_POINTS and before < 20
        level_us = chance.lognormvariate(9.0, 0.2) * (10.0 if in_episode else 1.0)
        tail_us = level_us * chance.lognormvariate(1.0, 0.3)
        settling = index > QUIET_POINTS and index % _EVERY < 100
        label: Label = "planted" if in_episode and not before else "episode" if in_episode or settling else "normal"
        yield {"time_s": 0.1 * index, "level_us": level_us, "tail_us": tail_us}, label
        index += 1


def trade_burst(chance: random.Random) -> Iterator[tuple[Features, Label]]:
    """Ticks of a tenth of a second with about two trades, in windows; sixty buys at once are planted."""
    ticks: deque[tuple[int, float, float]] = deque([(2, 20.0, 10.0)] * 100, maxlen=100)
    index, since = 0, 100
    while True:
        planted = _is_planted(index)
        since = 0 if planted else since + 1
        trades = chance.choice((1, 1, 2, 3)) + (60 if planted else 0)
        notional = sum(chance.lognormvariate(2.0, 1.0) for _ in range(trades))
        ticks.append((trades, notional, notional if planted else chance.random() * notional))
        x: Features = {"time_s": 0.1 * index, "crowding": 0.1}
        for window, length in (("tick", 1), ("1s", 10), ("10s", 100)):
            sums = [sum(place) for place in zip(*list(ticks)[-length:], strict=True)]
            x |= dict(
                zip((f"trades_{window}", f"notional_{window}", f"bought_{window}"), map(float, sums), strict=True)
            )
        yield x, "planted" if planted else "episode" if since < 100 else "normal"
        index += 1


def liquidation_wave(chance: random.Random) -> Iterator[tuple[Features, Label]]:
    """Seconds with a liquidation in every twentieth; twenty at once are planted."""
    seconds: deque[tuple[int, float]] = deque([(0, 0.0)] * 60, maxlen=60)
    index, since = 0, 60
    while True:
        planted = _is_planted(index)
        since = 0 if planted else since + 1
        events = int(chance.random() < 0.05) + (20 if planted else 0)
        seconds.append((events, sum(chance.lognormvariate(9.0, 1.0) for _ in range(events))))
        x: Features = {"time_s": float(index)}
        for window, length in (("tick", 1), ("10s", 10), ("60s", 60)):
            x[f"events_{window}"] = float(sum(count for count, _ in list(seconds)[-length:]))
            x[f"notional_{window}"] = sum(notional for _, notional in list(seconds)[-length:])
        yield x, "planted" if planted else "episode" if since < 60 else "normal"
        index += 1


def feed_fault(chance: random.Random) -> Iterator[tuple[Features, Label]]:
    """A feed each tenth of a second, unchanged in every fifth; silences and standstills of 3 s are planted."""
    index, time_s, run = 0, 0.0, 0
    while True:
        planted = _is_planted(index)
        gap_s = chance.uniform(0.05, 0.15) + (3.0 if planted else 0.0)
        time_s += gap_s
        run = run + 1 if chance.random() < 0.2 else 0
        x: Features = {"time_s": time_s, "came": 1.0, "gap_s": gap_s, "unchanged": float(run)}
        x |= {f"{kind}_{part}": 0.0 for kind in ("repeats", "behind", "refused", "missing") for part in ("tick", "10s")}
        if planted and index % (2 * _EVERY):
            x |= {"gap_s": 0.1, "unchanged": 30.0}
        yield x, "planted" if planted else "normal"
        index += 1


def layering(chance: random.Random) -> Iterator[tuple[Features, Label]]:
    """Makers who pull some levels of a side, a second; one with ten levels of twenty times its fill is planted."""
    index = 0
    while True:
        planted = _is_planted(index)
        levels = 10 if planted else chance.choice((3, 3, 4, 5))
        filled = chance.lognormvariate(5.0, 0.5)
        x: Features = {"time_s": float(index), "levels": float(levels), "filled": filled}
        x["cancels"], x["others"] = float(levels + chance.randrange(3)), 0.0 if planted else float(chance.randrange(4))
        x["cancelled"] = filled * (20.0 if planted else chance.lognormvariate(1.0, 0.5))
        yield x, "planted" if planted else "normal"
        index += 1


def series(chance: random.Random) -> Iterator[tuple[Features, Label]]:
    """Minutes of a noisy sine; a value far off it is planted."""
    index, since = 0, 100
    while True:
        planted = _is_planted(index)
        since = 0 if planted else since + 1
        value = math.sin(2 * math.pi * index / 40) + chance.gauss(0.0, 0.1) + (4.0 if planted else 0.0)
        label: Label = "planted" if planted else "episode" if since < 100 else "normal"
        yield {"value": value, "timestamp": 60.0 * index}, label
        index += 1


def leverage_temperature(chance: random.Random) -> Iterator[tuple[Features, Label]]:
    """Each 5 s funding, open interest, basis and volatility around their levels; all of them far up is planted."""
    index, since = 0, 100
    while True:
        planted = _is_planted(index)
        since, shift = (0, 1.0) if planted else (since + 1, 0.0)
        x: Features = {"time_s": 5.0 * index, "funding": chance.gauss(1e-4, 1e-5) + 3e-4 * shift}
        x |= {"interest": chance.gauss(10.0, 0.02) + 0.5 * shift, "basis": chance.gauss(0.0, 1e-4) + 2e-3 * shift}
        x["volatility"] = chance.gauss(0.0, 0.2) + 2.0 * shift
        yield x, "planted" if planted else "episode" if since < 60 else "normal"
        index += 1


def drift(chance: random.Random) -> Iterator[tuple[Features, Label]]:
    """Minutes of two steady series; one goes up for good each so often: planted is the seventh minute of that."""
    index = 0
    while True:
        level = 2.0 + 3.0 * ((index + 6) // _EVERY)
        x: Features = {"time_s": 60.0 * index, "cancels": chance.gauss(level, 1e-3)}
        x["thin_book"] = abs(chance.gauss(0.0, 1e-3))
        planted = _is_planted(index)
        yield x, "planted" if planted else "episode" if index < QUIET_POINTS or -index % _EVERY <= 6 else "normal"
        index += 1


def execution_quality(chance: random.Random) -> Iterator[tuple[Features, Label]]:
    """Seconds with costs that go with the root of volatility; costs six times as high at the same one are planted."""
    index = 0
    while True:
        planted = _is_planted(index)
        volatility_bp = 5.0 + 4.0 * math.sin(index / 200)
        x: Features = {"time_s": float(index), "volatility_bp": volatility_bp}
        for name in ("spread_bp", "effective_spread_bp", "slippage_bp"):
            x[name] = (6.0 if planted else 1.0) * math.sqrt(volatility_bp) * chance.lognormvariate(0.0, 0.1)
        yield x, "planted" if planted else "normal"
        index += 1


#: By the name of the detector; a detector without one is not finished.
TOY_STREAMS: dict[str, ToyStream] = {
    "cancel_burst": cancel_burst,
    "thin_book": thin_book,
    "leverage_spike": leverage_spike,
    "leverage_jump": leverage_jump,
    "lockstep": lockstep,
    "cascade_risk": cascade_risk,
    "series": series,
    "mark_divergence": mark_divergence,
    "latency_shock": latency_shock,
    "trade_burst": trade_burst,
    "liquidation_wave": liquidation_wave,
    "feed_fault": feed_fault,
    "layering": layering,
    "leverage_temperature": leverage_temperature,
    "drift": drift,
    "execution_quality": execution_quality,
}
