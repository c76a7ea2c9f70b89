"""The life of alerts: opened once an episode, updated when it grows, resolved when it is over."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from detectors.base import State
from detectors.config import Alerts
from detectors.feedback_ranker import FeedbackRanker
from detectors.findings import Finding
from detectors.ledger import merge_evidence
from detectors.measures import Measure
from detectors.ranking import Queued, by_learned_score, by_score, ranking_score
from detectors.results import Alert, Evidence, LearnedRank, Pattern, Severity, Status
from detectors.verdict_model import Traits

#: Part of every alert id: raised when the rules that open alerts change.
RULE_VERSION = 1
_ORDER: dict[Severity, int] = {"info": 0, "warning": 1, "critical": 2}
_MOST_ACCOUNTS = 20
_GROWTH = 1.2
#: Patterns and symbols whose openings are remembered; those opened longest ago go first.
_MOST_REMEMBERED = 10_000
_HOUR_US = 3_600_000_000


#: An alert's rank, and what verdicts have to do with it.
_Place = tuple[int, LearnedRank | msgspec.UnsetType]


class _Open:
    """An alert that is open: its worst finding so far, and what was last said of it."""

    __slots__ = (
        "accounts",
        "alert_id",
        "evidence",
        "finding",
        "last_us",
        "revision",
        "said",
        "said_us",
        "score",
        "start_us",
    )

    def __init__(self, alert_id: str, finding: Finding, score: float) -> None:
        self.alert_id = alert_id
        self.start_us = finding.window_start
        self.finding = finding
        self.score = score
        self.accounts = finding.accounts
        self.evidence = finding.evidence
        self.last_us = finding.timestamp
        self.said_us = finding.timestamp
        self.said: tuple[Severity, float, tuple[str, ...]] = (finding.severity, score, finding.accounts)
        self.revision = 1

    def state(self) -> list[Any]:
        times = [self.start_us, self.last_us, self.said_us]
        return [self.alert_id, self.finding, self.score, self.accounts, self.evidence, times, self.said, self.revision]

    @classmethod
    def of(cls, state: list[Any]) -> "_Open":
        alert_id, finding, score, accounts, evidence, times, said, revision = state
        one = cls(alert_id, msgspec.convert(finding, Finding), score)
        one.accounts = tuple(accounts)
        one.evidence = msgspec.convert(evidence, tuple[Evidence, ...])
        one.start_us, one.last_us, one.said_us = times
        one.said = (said[0], said[1], tuple(said[2]))
        one.revision = revision
        return one


class AlertBook:
    """Open alerts by pattern and symbol.

    A finding on a pattern and symbol without an open alert opens one; further ones belong to it until `resolve_after_s`
    have passed without any. An update is sent when severity rises, or, at most each `update_every_s`, when the score
    has grown by a fifth or accounts have joined. Severity, score and explanation are the worst of the episode. The id
    is a hash of pattern, symbol, opening window and rule version: the same input gives the same id.

    Parameters
    ----------
    settings
        Budget and life of alerts.
    model_version
        Written into every alert.
    runbook
        Address of the runbook; the pattern is its section.
    counters
        Where `alerts_over_max_open` is counted.
    ranker
        What verdicts have taught; every alert that is said is shown to it.
    """

    def __init__(
        self, settings: Alerts, model_version: str, runbook: str, counters: Counter[str], ranker: FeedbackRanker
    ) -> None:
        self._settings = settings
        self._model_version = model_version
        self._runbook = runbook
        self._counters = counters
        self._ranker = ranker
        self._open: dict[tuple[Pattern, str], _Open] = {}
        self._opened: dict[tuple[Pattern, str], list[int]] = {}
        self._ended: dict[tuple[Pattern, str], int] = {}

    def __len__(self) -> int:
        return len(self._open)

    def measures(self) -> Iterator[Measure]:
        """Give the alerts that are open, by pattern, severity and symbol."""
        for one in self._open.values():
            finding = one.finding
            yield Measure("alerts_open", (finding.pattern, finding.severity, finding.symbol), 1)

    def take(self, findings: list[Finding], now_us: int) -> list[Alert]:
        """Findings of one tick that ends at `now_us`; the alerts to send, worst first."""
        due: list[tuple[_Open, Status]] = []
        for finding in sorted(findings, key=lambda one: (one.pattern, one.symbol, one.per_day, one.title)):
            key = (finding.pattern, finding.symbol)
            known = self._open.get(key)
            if known is not None:
                self._worsen(known, finding)
            elif len(self._open) >= self._settings.max_open:
                self._counters["alerts_over_max_open"] += 1
            else:
                due.append((self._begin(key, finding), "open"))
        begun = {id(opened) for opened, _ in due}
        due += [(one, "update") for one in self._open.values() if id(one) not in begun and self._has_grown(one, now_us)]
        places = self._places() if due else {}
        alerts = [self._say(opened, status, now_us, places) for opened, status in due]
        return sorted(alerts, key=lambda alert: (alert.rank, alert.alert_id))

    def resolve(self, now_us: int) -> list[Alert]:
        """Resolve what has been silent for `resolve_after_s` at `now_us`."""
        over = [
            key for key, one in self._open.items() if now_us - one.last_us >= self._settings.resolve_after_s * 1_000_000
        ]
        resolved = []
        places = self._places() if over else {}
        for key in sorted(over):
            one = self._open[key]
            one.revision += 1
            resolved.append(self._alert(one, "resolved", now_us, places))
        for key in over:
            self._ended[key] = self._open.pop(key).last_us
        return resolved

    def resolve_due_us(self) -> int | None:
        """When the next alert may have to be resolved; None when none is open."""
        if not self._open:
            return None
        return min(one.last_us for one in self._open.values()) + self._settings.resolve_after_s * 1_000_000

    def state(self) -> State:
        """Open alerts, and when alerts of each pattern and symbol opened and ended, in order of forgetting."""
        return {
            "open": [one.state() for one in self._open.values()],
            "opened": [[*key, starts] for key, starts in self._opened.items()],
            "ended": [[*key, last_us] for key, last_us in self._ended.items()],
        }

    def restore(self, state: State) -> None:
        """Take up where `state()` was made."""
        opened = [_Open.of(one) for one in state["open"]]
        self._open = {(one.finding.pattern, one.finding.symbol): one for one in opened}
        self._opened = {(pattern, symbol): list(starts) for pattern, symbol, starts in state["opened"]}
        self._ended = {(pattern, symbol): last_us for pattern, symbol, last_us in state["ended"]}

    def _begin(self, key: tuple[Pattern, str], finding: Finding) -> _Open:
        # What belonged to the episode before cannot open this one: its window would give the same id again.
        start_us = max(finding.window_start, self._ended.get(key, -1) + 1)
        finding = msgspec.structs.replace(finding, window_start=start_us)
        recent = [start for start in self._opened.get(key, []) if finding.timestamp - start < _HOUR_US]
        name = f"{finding.pattern}|{finding.symbol}|{finding.window_start}|{RULE_VERSION}"
        alert_id = hashlib.blake2b(name.encode(), digest_size=16).hexdigest()
        opened = _Open(alert_id, finding, self._score(finding, len(recent)))
        self._open[key] = opened
        self._opened.pop(key, None)
        self._opened[key] = [*recent, finding.timestamp]
        if len(self._opened) > _MOST_REMEMBERED:
            oldest = next(iter(self._opened))
            del self._opened[oldest]
            self._ended.pop(oldest, None)
        return opened

    def _worsen(self, known: _Open, finding: Finding) -> None:
        known.last_us = max(known.last_us, finding.timestamp)
        joined = tuple(account for account in finding.accounts if account not in known.accounts)
        known.accounts = (known.accounts + joined)[:_MOST_ACCOUNTS]
        known.evidence = merge_evidence(known.evidence + finding.evidence)
        score = self._score(finding, self._repeats(finding))
        worse = _ORDER[finding.severity], score
        if worse > (_ORDER[known.finding.severity], known.score):
            known.finding, known.score = finding, score

    def _has_grown(self, one: _Open, now_us: int) -> bool:
        severity, score, accounts = one.said
        if _ORDER[one.finding.severity] > _ORDER[severity]:
            return True
        if now_us - one.said_us < self._settings.update_every_s * 1_000_000:
            return False
        return one.score >= score * _GROWTH or len(one.accounts) > len(accounts)

    def _repeats(self, finding: Finding) -> int:
        """Alerts of its pattern and symbol in the hour before it was opened."""
        return max(len(self._opened.get((finding.pattern, finding.symbol), ())) - 1, 0)

    def _places(self) -> Mapping[str, _Place]:
        """The place of every open alert."""
        if not self._ranker.is_on:
            queue = by_score(Queued(one.alert_id, one.finding.severity, one.score) for one in self._open.values())
            return {queued.alert_id: (rank, msgspec.UNSET) for rank, queued in enumerate(queue, 1)}
        opinions = {one.alert_id: self._ranker.opinion(self._traits(one)) for one in self._open.values()}
        queue = by_score(
            Queued(one.alert_id, one.finding.severity, one.score, opinions[one.alert_id][1])
            for one in self._open.values()
        )
        before = {queued.alert_id: rank for rank, queued in enumerate(queue, 1)}
        return {
            name: (rank, LearnedRank(*opinions[name], self._ranker.verdicts, before[name]))
            for rank, (name, *_) in enumerate(by_learned_score(queue), 1)
        }

    def _traits(self, one: _Open) -> Traits:
        finding = one.finding
        return Traits(
            finding.pattern,
            finding.symbol,
            finding.severity,
            finding.p_value,
            finding.notional,
            one.last_us - one.start_us,
            finding.families,
            self._repeats(finding),
        )

    def _say(self, one: _Open, status: Status, now_us: int, places: Mapping[str, _Place]) -> Alert:
        if status == "update":
            one.revision += 1
        one.said = (one.finding.severity, one.score, one.accounts)
        one.said_us = now_us
        return self._alert(one, status, now_us, places)

    def _alert(self, one: _Open, status: Status, now_us: int, places: Mapping[str, _Place]) -> Alert:
        finding = one.finding
        rank, learned = places[one.alert_id]
        traits = self._traits(one)
        if isinstance(learned, LearnedRank):
            learned = msgspec.structs.replace(learned, because=self._ranker.because(traits))
        self._ranker.remember(one.alert_id, traits)
        return Alert(
            alert_id=one.alert_id,
            revision=one.revision,
            status=status,
            timestamp=now_us,
            pattern=finding.pattern,
            severity=finding.severity,
            score=one.score,
            rank=rank,
            p_value=finding.p_value,
            symbol=finding.symbol,
            accounts=one.accounts,
            window_start=one.start_us,
            window_end=one.last_us,
            title=finding.title,
            explanation=finding.contributions,
            evidence=one.evidence,
            notional_at_risk=finding.notional,
            runbook=f"{self._runbook}#{finding.pattern}",
            model_version=self._model_version,
            ranker=learned,
        )

    @staticmethod
    def _score(finding: Finding, repeats: int) -> float:
        return ranking_score(finding.severity, finding.per_day, finding.notional, finding.families, repeats)
