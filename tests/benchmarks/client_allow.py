"""What `TokenBuckets.allow` costs an engine: `python -m tests.benchmarks.client_allow [--out FILE]`.

Beside it, in turns, a plain token bucket in a dict of lists that knows no limits and forgets nobody. The clock is read
outside: an engine has the time of the order at hand.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from streams.client import Baseline, LimitView, RateLimit, TokenBuckets, read_limit
from tests.benchmarks.report import machine

ACCOUNTS = 10_000
CALLS = 200_000
ROUNDS = 7
_START_US = 1_700_000_000_000_000
_BASELINE = Baseline(orders_per_second=30.0, burst=60.0)
Allow = Callable[[str, str, int], bool]


def plain() -> Allow:
    """The simplest token bucket there is."""
    buckets: dict[str, list[float]] = {}

    def allow(account: str, kind: str, now_us: int) -> bool:
        bucket = buckets.get(account)
        if bucket is None:
            bucket = buckets[account] = [60.0, now_us]
        tokens = bucket[0] + (now_us - bucket[1]) * 30.0 / 1e6
        if tokens > 60.0:  # noqa: PLR1730 - as ours, and faster
            tokens = 60.0
        bucket[1] = now_us
        if tokens < 1.0:
            bucket[0] = tokens
            return False
        bucket[0] = tokens - 1.0
        return True

    return allow


def ours(limited_share: float) -> Allow:
    """Ours, with a limit in force for a share of the accounts."""
    view = LimitView("engine-1", _BASELINE)
    buckets = TokenBuckets(view)
    view.feed_seen(_START_US)
    for number in range(int(ACCOUNTS * limited_share)):
        record = limit(f"account-{number}")
        assert isinstance(record, RateLimit)
        view.apply(record.account, record, _START_US)
    return buckets.allow


def limit(account: str) -> object:
    """A limit to half of the baseline, for half a minute."""
    fields = {
        "account": account, "version": 1, "mode": "enforce", "action": "throttle", "orders_per_second": 15.0,
        "burst": 30.0, "multiplier": 0.5, "issued_at": _START_US, "expires_at": _START_US + 30_000_000,
        "exempt": ["cancel", "reduce_only"], "indicator": "pressure", "value": 151.5, "trigger": 90.0,
        "reason": "cancel pressure 151.5 above 90", "alert_ids": [], "next": {"multiplier": 1.0, "at": _START_US},
    }  # fmt: skip
    return read_limit(account, json.dumps(fields).encode())


def ns_per_call(allow: Allow, kind: str, begin_us: int) -> float:
    """Time a call, one each microsecond of the engine's time; the loop around it is part of it."""
    accounts = [f"account-{number * 7_919 % ACCOUNTS}" for number in range(CALLS)]
    begun_ns = time.perf_counter_ns()
    now_us = begin_us
    for account in accounts:
        now_us += 1
        allow(account, kind, now_us)
    return (time.perf_counter_ns() - begun_ns) / CALLS


def measure() -> dict[str, dict[str, float]]:
    """All in turns, so that a noisy minute meets all of them: median, least and most of the rounds."""
    cases: dict[str, tuple[Callable[[], Allow], str]] = {
        "plain bucket without limits": (plain, "new"),
        "no limit in force": (lambda: ours(0.0), "new"),
        "one account in a hundred limited": (lambda: ours(0.01), "new"),
        "one account in ten limited": (lambda: ours(0.1), "new"),
        "all accounts limited": (lambda: ours(1.0), "new"),
        "cancels": (lambda: ours(1.0), "cancel"),
    }
    found: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(ROUNDS):
        for name, (make, kind) in cases.items():
            allow = make()
            # The first opens the buckets.
            ns_per_call(allow, kind, _START_US)
            found[name].append(ns_per_call(allow, kind, _START_US + CALLS))
    return {
        name: {
            "median_ns": round(statistics.median(all_ns)),
            "least_ns": round(min(all_ns)),
            "most_ns": round(max(all_ns)),
        }
        for name, all_ns in found.items()
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.client_allow", description=__doc__)
    parser.add_argument("--out", type=Path, help="where to write what was found, as JSON")
    options = parser.parse_args()
    found = measure()
    for name, ns in found.items():
        print(f"{name:34} {ns['median_ns']:6.0f} ns a call  ({ns['least_ns']:.0f} to {ns['most_ns']:.0f})")
    if options.out:
        options.out.write_text(json.dumps({"calls": found, "machine": machine()}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
