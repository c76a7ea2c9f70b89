"""How far behind the workers are, seen from outside."""

from bisect import bisect_right
from collections.abc import Sequence

from tests.chaos.facts import Facts
from tests.chaos.load import SLICE_US


def lags(facts: Facts) -> list[tuple[float, float]]:
    """At each sample, for how long the oldest time has been there that some stage could have closed and had not.

    A stage can close a tick once events a lateness after its end were sent; a slice is sent as a whole. What
    stands behind the oracle's last time can be closed by silence only, and does not count.
    """
    sent_s = [sent.at_s for sent in facts.journal]
    slices = [sent.slice_number for sent in facts.journal]
    sources = {source for sample in facts.samples for source in sample.closed_us}
    found = []
    for sample in facts.samples:
        closed_us = min((sample.closed_us.get(source, 0) for source in sources), default=0)
        # The next tick is complete when an event of this slice has been sent.
        due = (closed_us + facts.tick_us + facts.lateness_us) // SLICE_US + 1
        index = bisect_right(slices, due - 1)
        waits = closed_us < facts.expected.cutoff_us and index < len(sent_s) and sent_s[index] <= sample.at_s
        found.append((sample.at_s, sample.at_s - sent_s[index] if waits else 0.0))
    return found


def steady_after(after: Sequence[tuple[float, float]], fault_s: float, most_s: float, steady_s: float) -> float | None:
    """Seconds from the fault until lag was low and stayed so; None: it never was."""
    since_s: float | None = None
    for at_s, lag_s in after:
        if lag_s >= most_s:
            since_s = None
        elif since_s is None:
            since_s = at_s
        if since_s is not None and at_s - since_s >= steady_s:
            return since_s - fault_s
    return None
