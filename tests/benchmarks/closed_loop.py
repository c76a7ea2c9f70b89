"""The loop closed, on seeds of its own: `python -m tests.benchmarks.closed_loop [--seeds 101 102] [--out FILE]`.

An exchange obeys the limits that the pipeline makes of its events (event time, 100 ms of transport). On each seed:

- `long`: from minute 12 on a ring of eight and one account alone place and take back for 20 minutes, and one more does
  so for eight seconds in every 90; enforced.
- `untamed`: the first minute of the same, in shadow: what it would have been.
- `ring N`: a ring at `N` times the usual intensity (2.4 cancels a second and account), for a minute; enforced.
"""

import argparse
import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

from detectors.decisions import RateLimit
from streams.simulator import ExchangeSettings, Incident
from tests.benchmarks.report import machine
from tests.scenarios.closed_loop import SECOND_US, ClosedLoop, loop_settings
from tests.scenarios.market_quality import Quality

SEEDS = tuple(range(101, 111))
_SYMBOLS = ("BTC-PERP", "ETH-PERP")
_EVENTS_PER_S, _ACCOUNTS = 100.0, 1_000
_ONSET_S, _ABUSE_S, _AFTER_S = 720, 1_200, 120
_RING_INTENSITY = 4.0
_RING_SIZE = 8
#: Windows of market quality, in seconds from the onset. The ring still tries until `_ABUSE_S`.
_WINDOWS = {"before": (-120, 0), "throttled": (60, _ABUSE_S), "after": (_ABUSE_S + 10, _ABUSE_S + _AFTER_S)}


def _exchange(seed: int, after_onset_s: int) -> ExchangeSettings:
    return ExchangeSettings(
        seed=seed,
        symbols=_SYMBOLS,
        accounts=_ACCOUNTS,
        makers=12,
        events_per_s=_EVENTS_PER_S,
        duration_s=_ONSET_S + after_onset_s,
    )


def _cast(exchange: ExchangeSettings) -> list[str]:
    """Ten machines of middling activity: the ring, the one alone, the one that comes and goes."""
    traders = exchange.account_names()[exchange.makers :]
    return Random(exchange.seed).sample(traders[len(traders) // 40 : len(traders) // 4], _RING_SIZE + 2)


def _ring(exchange: ExchangeSettings, seconds: int, intensity: float) -> Incident:
    onset_us = exchange.start_us + _ONSET_S * SECOND_US
    accounts = tuple(_cast(exchange)[:_RING_SIZE])
    end_us = onset_us + seconds * SECOND_US
    return Incident("ring", "cancel_ring", _SYMBOLS[0], accounts, onset_us, end_us, intensity)


def _abuse(exchange: ExchangeSettings) -> list[Incident]:
    """Everything of the long run."""
    ring = _ring(exchange, _ABUSE_S, _RING_INTENSITY)
    *_, alone, on_and_off = _cast(exchange)
    burst = Incident("burst", "cancel_burst", _SYMBOLS[1], (alone,), ring.start_us, ring.end_us)
    again = [
        Incident(f"again-{at_us}", "cancel_burst", _SYMBOLS[1], (on_and_off,), at_us, at_us + 8 * SECOND_US)
        for at_us in range(ring.start_us, ring.end_us, 90 * SECOND_US)
    ]
    return [ring, burst, *again]


def _reversals(limits: Iterable[RateLimit]) -> dict[str, int]:
    """How often the limit of each account changed its direction: tightened after it was eased, or the other way."""
    last: dict[str, float] = {}
    way: dict[str, bool] = {}
    found: dict[str, int] = defaultdict(int)
    for limit in limits:
        before = last.get(limit.account, 1.0)
        last[limit.account] = limit.multiplier
        if limit.multiplier != before:
            up = limit.multiplier > before
            found[limit.account] += way.get(limit.account, up) != up
            way[limit.account] = up
    return dict(found)


def _returns(limits: Iterable[RateLimit]) -> dict[str, int]:
    """How often each account was tightened again after it had its baseline back."""
    found: dict[str, int] = defaultdict(int)
    free: dict[str, bool] = {}
    for limit in limits:
        is_free = limit.multiplier >= 1.0
        found[limit.account] += free.get(limit.account, False) and not is_free
        free[limit.account] = is_free
    return dict(found)


def _applied_s(loop: ClosedLoop, incident: Incident) -> list[float]:
    """From the onset until the engine applied a limit, for each account that it did."""
    first = loop.engine.first_applied_us
    return [(first[account] - incident.start_us) / 1e6 for account in incident.accounts if account in first]


def _observed(loop: ClosedLoop, windows: Iterable[Quality]) -> None:
    chosen = list(windows)
    for _, event in loop.events():
        for window in chosen:
            window.take(event)


def long_run(seed: int) -> dict[str, Any]:
    """Twenty minutes of abuse."""
    exchange = _exchange(seed, _ABUSE_S + _AFTER_S)
    incidents = _abuse(exchange)
    ring, burst, again = incidents[0], incidents[1], incidents[2]
    loop = ClosedLoop(exchange, incidents, loop_settings())
    windows = {
        name: Quality(_SYMBOLS[0], ring.start_us + begin_s * SECOND_US, ring.start_us + end_s * SECOND_US)
        for name, (begin_s, end_s) in _WINDOWS.items()
    }
    _observed(loop, windows.values())
    abusers = set(_cast(exchange))
    honest = sorted(set(loop.tightened) - abusers)
    counted = range(ring.start_us // SECOND_US + 60, ring.end_us // SECOND_US)
    per_s = len(counted) * _RING_SIZE
    hours = (_ABUSE_S + _AFTER_S) / 3_600
    return {
        "ring_s": _applied_s(loop, ring),
        "burst_s": _applied_s(loop, burst),
        "on_and_off_s": _applied_s(loop, again),
        "honest": _ACCOUNTS - len(abusers),
        "honest_tightened": honest,
        "makers_tightened": [account for account in honest if account.startswith("maker-")],
        "reversals_per_hour": {one: found / hours for one, found in sorted(_reversals(loop.limits).items())},
        "flips_per_hour": {one: found / hours for one, found in sorted(_returns(loop.limits).items())},
        "ring_sent_per_s": sum(loop.engine.sent[one, second] for one in ring.accounts for second in counted) / per_s,
        "ring_admitted_per_s": sum(loop.engine.admitted[one, second] for one in ring.accounts for second in counted)
        / per_s,
        "quality": {name: window.figures() for name, window in windows.items()},
    }


def untamed(seed: int) -> dict[str, Any]:
    """The first minute of the same, when nobody obeys."""
    exchange = _exchange(seed, 60)
    onset_us = exchange.start_us + _ONSET_S * SECOND_US
    window = Quality(_SYMBOLS[0], onset_us, exchange.end_us)
    _observed(ClosedLoop(exchange, _abuse(_exchange(seed, _ABUSE_S)), loop_settings("shadow")), [window])
    return {"quality": window.figures()}


def ring_run(seed: int, intensity: float) -> dict[str, Any]:
    """One minute of a ring."""
    exchange = _exchange(seed, 60)
    ring = _ring(exchange, 60, intensity)
    loop = ClosedLoop(exchange, [ring], loop_settings())
    loop.run()
    return {"ring_s": _applied_s(loop, ring), "ring": len(ring.accounts)}


def _measure(job: tuple[str, int]) -> dict[str, Any]:
    name, seed = job
    if name == "long":
        return long_run(seed)
    return untamed(seed) if name == "untamed" else ring_run(seed, float(name.removeprefix("ring ")))


def _spread(found: Iterable[float]) -> dict[str, float]:
    values = sorted(found)
    if not values:
        return {"count": 0}
    tenth = values[min(len(values) - 1, round(0.9 * (len(values) - 1)))]
    mean = statistics.fmean(values)
    return {"count": len(values), "mean": mean, "median": statistics.median(values), "p90": tenth, "most": values[-1]}


def _means(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.fmean(row[name] for row in rows) for name in rows[0]}


def summary(runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """What all seeds together say."""
    long = runs["long"]
    return {
        "applied_s": {
            f"ring, {_RING_INTENSITY:g} times": _spread(value for run in long for value in run["ring_s"]),
            **{
                f"{name} times".replace("ring ", "ring, "): _spread(value for run in found for value in run["ring_s"])
                for name, found in runs.items()
                if name.startswith("ring ")
            },
            "burst": _spread(value for run in long for value in run["burst_s"]),
            "on and off": _spread(value for run in long for value in run["on_and_off_s"]),
        },
        "honest_tightened_share": sum(len(run["honest_tightened"]) for run in long) / sum(r["honest"] for r in long),
        "makers_tightened": sum(len(run["makers_tightened"]) for run in long),
        "flips_per_account_hour": _spread(value for run in long for value in run["flips_per_hour"].values()),
        "reversals_per_account_hour": _spread(value for run in long for value in run["reversals_per_hour"].values()),
        "ring_orders_per_s": {
            "sent": statistics.fmean(run["ring_sent_per_s"] for run in long),
            "admitted": statistics.fmean(run["ring_admitted_per_s"] for run in long),
        },
        "quality": {
            "before": _means([run["quality"]["before"] for run in long]),
            "untamed": _means([run["quality"] for run in runs["untamed"]]),
            "throttled": _means([run["quality"]["throttled"] for run in long]),
            "after": _means([run["quality"]["after"] for run in long]),
        },
    }


def _show(found: dict[str, Any]) -> None:
    for name, spread in found["applied_s"].items():
        if spread["count"]:
            print(f"applied, {name:16} median {spread['median']:.2f} s, p90 {spread['p90']:.2f} s ({spread['count']})")
    print(f"honest accounts ever tightened: {found['honest_tightened_share']:.3%}; makers: {found['makers_tightened']}")
    for what in ("flips", "reversals"):
        times = found[f"{what}_per_account_hour"]
        if times["count"]:
            mean, most = times["mean"], times["most"]
            print(f"{what} an account and hour, of those limited: mean {mean:.2f}, most {most:.2f} ({times['count']})")
    orders = found["ring_orders_per_s"]
    print(f"ring, orders a second and account: sent {orders['sent']:.2f}, admitted {orders['admitted']:.2f}")
    for name, figures in found["quality"].items():
        print(f"{name:10}", ", ".join(f"{key} {value:.4g}" for key, value in figures.items()))


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.closed_loop", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS, help="seeds of the exchange")
    parser.add_argument("--out", type=Path, help="where to write what was found, as JSON")
    options = parser.parse_args()
    names = ("long", "untamed", "ring 1", "ring 2")
    jobs = [(name, seed) for name in names for seed in options.seeds]
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    with ProcessPoolExecutor(2) as pool:
        for (name, _), found in zip(jobs, pool.map(_measure, jobs), strict=True):
            runs[name].append(found)
    found = summary(runs)
    _show(found)
    if options.out:
        whole = {"seeds": list(options.seeds), **found, "runs": runs, "machine": machine()}
        options.out.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
