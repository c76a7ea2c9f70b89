"""What has to hold after a run, each as a question that can be answered with no.

All of them are pure functions of `Facts`, so that tests can hand them facts that are wrong.
"""

import statistics
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from streams.codecs import decode_alert, encode_alert
from streams.dead_letters import LONGEST_VALUE_BYTES
from streams.demo.scoring import match
from streams.topics import ALERTS, DEAD_LETTERS, RATE_LIMITS
from tests.chaos.commits import early_commits
from tests.chaos.facts import DECISIONS, Facts, LetterKey, decisions, final_alerts, identity, letter_key
from tests.chaos.lag import lags, steady_after

#: Lag has to be below the first within the second after the last fault, and stay there for the third.
LAG_S, RECOVERY_S, STEADY_S = 1.0, 15.0, 2.0
_FLAT = "memory is flat"
_CAUGHT_UP = f"lag under {LAG_S:.0f} s within {RECOVERY_S:.0f} s"
#: What a machine breaks that other work keeps busy; all others must hold however slow it is.
OF_PACE = frozenset({_FLAT, _CAUGHT_UP})
#: A worker's memory in the last third of its life against the middle third: at most this factor, plus this much.
GROWTH, GROWTH_BYTES = 1.15, 8_000_000
#: Younger workers still warm up.
OLD_ENOUGH_S = 30.0
#: The share of incidents that the detectors may miss without any fault.
MOST_UNSEEN = 0.05
_SHOWN = 3


class Verdict(NamedTuple):
    """An answer: `holds` is None when the question does not arise."""

    invariant: str
    holds: bool | None
    said: str


def judge(facts: Facts) -> list[Verdict]:
    """Answer every question."""
    return [question(facts) for question in QUESTIONS]


def every_incident_is_alerted(facts: Facts) -> Verdict:
    """Every planted incident has an alert that fits it.

    One that the oracle misses as well is named, and is the detectors' affair, as long as there are few of them.
    """
    missed = _missed(facts, (record.value for record in facts.outputs[ALERTS]))
    unseen = _missed(facts, (value for _, value in facts.expected.outputs.get(ALERTS, [])))
    lost = missed - unseen
    said = f"{len(facts.incidents) - len(missed)} of {len(facts.incidents)}"
    said += (f"; missed {_some(sorted(lost))}" if lost else "") + (
        f"; missed without faults as well: {_some(sorted(unseen))}" if unseen else ""
    )
    holds = not lost and len(unseen) <= MOST_UNSEEN * len(facts.incidents) and bool(facts.incidents)
    return Verdict("every planted incident is alerted", holds, said)


def alerts_equal_the_oracles(facts: Facts) -> Verdict:
    """After de-duplication by id and revision, the topic holds the oracle's alerts, all fields of them, and no others.

    Up to the event time that the log itself completes: what a worker closes after that depends on how long it waits.
    """
    cutoff_us = facts.expected.cutoff_us
    wanted = {identity(alert): encode_alert(alert) for alert in final_alerts(facts.expected.outputs, cutoff_us)}
    found: dict[Any, set[bytes]] = {}
    for record in facts.outputs[ALERTS]:
        alert = decode_alert(record.value)
        if alert.timestamp <= cutoff_us:
            found.setdefault(identity(alert), set()).add(record.value)
    return _compare("alerts equal the oracle's", wanted, found, must_be_some=True)


def limits_and_trips_equal_the_oracles(facts: Facts) -> Verdict:
    """The same for rate limits, guardrail trips, and their audit; an engine may read each several times."""
    until_us = facts.expected.cutoff_us
    wanted = dict.fromkeys(decisions(facts.expected.outputs, until_us), b"")
    kept = {topic: [(one.key, one.value) for one in facts.outputs.get(topic, [])] for topic in DECISIONS}
    found = {one: {b""} for one in decisions(kept, until_us)}
    return _compare("limits and trips equal the oracle's", wanted, found, must_be_some=True)


def no_revision_has_two_contents(facts: Facts) -> Verdict:
    """An alert may stand in the topic several times, always the same."""
    contents: dict[Any, set[bytes]] = {}
    for record in facts.outputs[ALERTS]:
        contents.setdefault(identity(decode_alert(record.value)), set()).add(record.value)
    torn = [key for key, values in contents.items() if len(values) > 1]
    repeated = len(facts.outputs[ALERTS]) - len(contents)
    said = f"{len(contents)} revisions, {repeated} repeated" + (f"; in conflict {_some(torn)}" if torn else "")
    return Verdict("no revision has two contents", not torn, said)


def commits_follow_effects(facts: Facts) -> Verdict:
    """No sample shows a committed offset before the effects of all records below it.

    Of an event: a frame that says its tick is closed; of a refused element: its dead letter; of a signal frame: every
    alert of the oracle up to its newest tick. Each was read after the commit was.
    """
    wrong: list[str] = []
    checked = 0
    for sample, place, what in early_commits(facts):
        checked += 1
        if what:
            wrong.append(f"{place[0]}/{place[1]} at {sample.committed[place]}: {what}")
    said = f"{checked:,} offsets in {len(facts.samples)} samples"
    early = f"; {len(wrong)} early: {_some(dict.fromkeys(wrong))}" if wrong else ""
    return Verdict("no commit passes an unprocessed event", not wrong and checked > 0, said + early)


def commits_stay_within_checkpoints(facts: Facts) -> Verdict:
    """No sample shows a committed offset that no complete checkpoint, read right after, reaches."""
    name = "no commit passes a stored checkpoint"
    if not facts.checkpoints:
        return Verdict(name, None, "this version writes no checkpoints")
    wrong = [stage for sample in facts.samples for stage in sample.beyond]
    said = f"{facts.checkpoints} checkpoints in {len(facts.samples)} samples"
    return Verdict(name, not wrong, said + (f"; {len(wrong)} beyond: {_some(dict.fromkeys(wrong))}" if wrong else ""))


def everything_is_committed_in_the_end(facts: Facts) -> Verdict:
    """In the last sample the group has committed, of every input, what the oracle holds to be done with."""
    last = facts.samples[-1].committed if facts.samples else {}
    safe = facts.expected.safe
    wrong = [f"{p[0]}/{p[1]}: {last.get(p, 0)} of {offset}" for p, offset in safe.items() if last.get(p, 0) < offset]
    wrong += [f"{p[0]}/{p[1]}: {at}" for p, at in last.items() if p in facts.log and at > len(facts.log[p])]
    said = f"{len(safe)} inputs" + (f"; not: {_some(wrong)}" if wrong else "")
    return Verdict("everything is committed in the end", not wrong, said)


def dead_letters_equal_poison(facts: Facts) -> Verdict:
    """After de-duplication by topic, partition, offset and element: one dead letter a poison, unchanged or cut."""
    wanted: dict[LetterKey, bytes] = {
        (*place, refused.offset, refused.element): refused.reason.encode() + b":" + refused.raw[:LONGEST_VALUE_BYTES]
        for place, all_refused in facts.expected.refused.items()
        for refused in all_refused
    }
    found: dict[LetterKey, set[bytes]] = {}
    for record in facts.outputs[DEAD_LETTERS]:
        about = record.headers["squall.reason"] + b":" + record.value
        found.setdefault(letter_key(record), set()).add(about)
    name = "poison count equals dead letter count"
    if len(wanted) != facts.poison:
        return Verdict(name, False, f"{facts.poison} planted, but the oracle refuses {len(wanted)}")
    if not wanted and not found:
        return Verdict(name, None, "no poison in this load")
    return _compare(name, wanted, found)


def limit_versions_rise_and_leases_end(facts: Facts) -> Verdict:
    """Versions of an account's limits rise in the topic, and each limit says when it ends, after it began."""
    name = "limit versions rise, leases end"
    newest: dict[bytes, int] = {}
    seen: dict[tuple[bytes, int], bytes] = {}
    told: set[tuple[bytes, int]] = set()
    wrong: list[str] = []
    records = facts.outputs.get(RATE_LIMITS, [])
    for record in records:
        limit = msgspec.json.decode(record.value)
        place = record.key, limit["version"]
        # Said again after a restart, it is the same limit; engines pass over it.
        if seen.setdefault(place, record.value) != record.value:
            wrong.append(f"{record.key.decode()}: two limits of version {limit['version']}")
        elif limit["version"] < newest.get(record.key, 0) and place not in told:
            wrong.append(f"{record.key.decode()}: {limit['version']} after {newest[record.key]}")
        told.add(place)
        newest[record.key] = max(limit["version"], newest.get(record.key, 0))
        if not limit["issued_at"] < limit["expires_at"]:
            wrong.append(f"{record.key.decode()}: lease of version {limit['version']} never runs")
    if not records:
        return Verdict(name, None, "this version makes no limits")
    return Verdict(name, not wrong, f"{len(records)} limits" + (f"; {_some(wrong)}" if wrong else ""))


def memory_is_flat(facts: Facts) -> Verdict:
    """No worker that lived long takes more in the last third of its life than in the middle third."""
    grown: list[str] = []
    factors: list[float] = []
    for name, points in facts.memory.items():
        if not points or points[-1][0] - points[0][0] < OLD_ENOUGH_S:
            continue
        third = len(points) // 3
        middle = statistics.median(size for _, size in points[third : 2 * third])
        last = statistics.median(size for _, size in points[2 * third :])
        factors.append(last / middle)
        if last > middle * GROWTH + GROWTH_BYTES:
            grown.append(f"{name}: {middle / 1e6:.0f} to {last / 1e6:.0f} MB")
    if not factors:
        return Verdict(_FLAT, None, f"no worker lived for {OLD_ENOUGH_S:.0f} s")
    said = f"{len(factors)} workers, at most {max(factors):.2f} of before"
    return Verdict(_FLAT, not grown, said + (f"; grew: {_some(grown)}" if grown else ""))


def lag_recovers(facts: Facts) -> Verdict:
    """Lag is below a second within 15 s of the last fault."""
    name = _CAUGHT_UP
    if facts.last_fault_s is None:
        return Verdict(name, None, "no fault")
    after = [(at_s, lag_s) for at_s, lag_s in lags(facts) if at_s >= facts.last_fault_s]
    took_s = steady_after(after, facts.last_fault_s, LAG_S, STEADY_S)
    worst_s = max((lag_s for _, lag_s in lags(facts)), default=0.0)
    if took_s is None:
        said = f"not again in {after[-1][0] - facts.last_fault_s:.1f} s" if after else "no sample after it"
        return Verdict(name, False, f"{said}; worst {worst_s:.1f} s")
    return Verdict(name, took_s <= RECOVERY_S, f"after {took_s:.1f} s; worst {worst_s:.1f} s")


QUESTIONS: tuple[Callable[[Facts], Verdict], ...] = (
    every_incident_is_alerted,
    alerts_equal_the_oracles,
    limits_and_trips_equal_the_oracles,
    no_revision_has_two_contents,
    commits_follow_effects,
    commits_stay_within_checkpoints,
    everything_is_committed_in_the_end,
    dead_letters_equal_poison,
    limit_versions_rise_and_leases_end,
    memory_is_flat,
    lag_recovers,
)


def _missed(facts: Facts, alerts: Iterable[bytes]) -> set[str]:
    return {one.incident.id for one in match(facts.incidents, map(decode_alert, alerts)) if one.alert is None}


def _compare(
    name: str, wanted: Mapping[Any, bytes], found: Mapping[Any, set[bytes]], *, must_be_some: bool = False
) -> Verdict:
    """Compare what was wanted under each key with all that was found under it."""
    missing = [key for key in wanted if key not in found]
    surplus = [key for key in found if key not in wanted]
    other = [key for key, value in wanted.items() if key in found and found[key] != {value}]
    parts = [
        f"{len(keys)} {what}: {_some(keys)}"
        for what, keys in (("missing", missing), ("too many", surplus), ("different", other))
        if keys
    ]
    holds = not parts and (bool(wanted) or not must_be_some)
    return Verdict(name, holds, "; ".join([f"{len(wanted)} wanted, {len(found)} found", *parts]))


def _some(things: Iterable[object]) -> str:
    every = list(things)
    shown = ", ".join(str(thing) for thing in every[:_SHOWN])
    return shown + (f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else "")
