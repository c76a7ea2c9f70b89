"""A story for people: each step as one line that says what happened, and lines below it that say why."""

from collections.abc import Iterator, Sequence

from detectors.decisions import AuditRecord, Override, RateLimit, Trip
from detectors.results import Alert, Contribution, LearnedRank
from streams.story import Step, Story
from streams.times import clock_text

_STATUS = {"open": "opened", "update": "goes on", "resolved": "resolved"}
_MOST_NAMES = 5


def step_lines(step: Step, story: Story) -> list[str]:
    """Write a step: first what happened, then what was seen and expected, what was done, until when, and by whom."""
    match step.record:
        case Alert():
            lines = _alert_lines(step.record)
        case AuditRecord(limit=RateLimit() as limit):
            lines = _limit_lines(limit, step.record, story)
        case AuditRecord(trip=Trip() as trip):
            lines = _trip_lines(trip, step.record)
        case AuditRecord(override=Override() as order):
            taken = "order is over" if step.record.kind == "override_ended" else "order taken up"
            lines = _order_lines(order, taken)
        case Override():
            lines = _order_lines(step.record, "order given, not taken up")
        case RateLimit():
            lines = _limit_lines(step.record, None, story)
        case _:
            lines = iter([f"{step.record.kind}: {step.record.reason}"])
    return list(lines)


def number_text(value: float) -> str:
    """Write a number as short as it says what it has to.

    Examples
    --------
    >>> number_text(1_234_567.8), number_text(0.123456), number_text(57.0)
    ('1,234,568', '0.123', '57')
    """
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def order_text(order: Override) -> str:
    """Write what an order says."""
    if order.action != "pin":
        return f"{order.action} {order.scope}"
    limit = "no limit" if order.limit == "none" else f"{order.limit}, {order.multiplier:g} of the baseline"
    return f"pin {order.scope} to {limit}"


def ranker_text(rank: int, learned: LearnedRank) -> str:
    """Write what verdicts have done to an alert's rank.

    Examples
    --------
    >>> ranker_text(2, LearnedRank(0.231766, 0.689416, 64, 1))
    'rank 2, by score alone 1: 64 verdicts make it 23% likely to be called true, so that its score counts 0.69 times'
    >>> from detectors.results import Lean
    >>> because = Lean("pattern=thin_book", -0.8), Lean("size", 0.5)
    >>> ranker_text(1, LearnedRank(0.5, 1.0, 64, 1, because)).partition("; ")[2]
    'for it speaks size; against it pattern thin book'
    """
    moved = f"rank {rank}, by score alone {learned.rank_before}" if rank != learned.rank_before else f"rank {rank}"
    likely = f"{learned.verdicts} verdicts make it {learned.probability:.0%} likely to be called true"
    pro = ", ".join(_words(one.feature) for one in learned.because if one.log_odds > 0.0)
    contra = ", ".join(_words(one.feature) for one in learned.because if one.log_odds < 0.0)
    why = (f"; for it speaks {pro}" if pro else "") + (f"; against it {contra}" if contra else "")
    return f"{moved}: {likely}, so that its score counts {learned.factor:.2f} times{why}"


def _words(feature: str) -> str:
    return feature.replace("=", " ").replace("_", " ")


def _alert_lines(alert: Alert) -> Iterator[str]:
    yield f"alert {_STATUS[alert.status]}, {alert.severity}, score {alert.score:.1f}: {alert.title}"
    yield from _contribution_lines(alert.explanation)
    yield f"altogether p = {alert.p_value:.2g}, from {clock_text(alert.window_start)} to {clock_text(alert.window_end)}"
    if alert.accounts:
        yield f"accounts: {_names(alert.accounts)}"
    if isinstance(alert.ranker, LearnedRank):
        yield ranker_text(alert.rank, alert.ranker)
    yield f"alert {alert.alert_id}, revision {alert.revision}; by squall {alert.model_version}; {alert.runbook}"


def _limit_lines(limit: RateLimit, record: AuditRecord | None, story: Story) -> Iterator[str]:
    said = f"{limit.action}, {limit.orders_per_second:g} orders/s, burst {limit.burst:g}"
    if record is None:
        yield f"limit of {limit.account} at {limit.multiplier:.3g} of the baseline: {said} [{limit.mode}]"
    elif limit.action == "none":
        yield f"limit of {limit.account} lifted, was {record.previous_multiplier:.3g} of the baseline [{limit.mode}]"
    else:
        way = _way(record.previous_multiplier, limit.multiplier)
        yield f"limit of {limit.account} {way} of the baseline: {said} [{limit.mode}]"
    yield f"because: {limit.reason}"
    if limit.indicator not in ("override", "recovery"):
        yield f"threshold: {limit.indicator} {number_text(limit.value)} against {number_text(limit.trigger)}"
    yield from _contribution_lines(() if record is None else record.explanation)
    if limit.alert_ids:
        yield f"alerts: {_names(limit.alert_ids)}"
    if limit.action != "none":
        following = f"then {limit.next.multiplier:.3g} of the baseline from {clock_text(limit.next.at)}"
        lease = "" if limit.override_id else " unless renewed"
        yield f"until {clock_text(limit.expires_at)}{lease}; {following}"
    author = "squall" if record is None else record.author
    if limit.override_id:
        yield f"by {story.author_of(limit.override_id) or author}, order {limit.override_id}"
    else:
        yield f"by {author}"


def _way(before: float, after: float) -> str:
    word = "tightened" if after < before else "eased" if after > before else "kept"
    return f"{word} from {before:.3g} to {after:.3g}"


def _trip_lines(trip: Trip, record: AuditRecord) -> Iterator[str]:
    what = f"tripped ({trip.level})" if trip.state == "tripped" else "cleared"
    yield f"guardrail {trip.rule} {what} for {trip.entity}: {trip.value:f} {trip.unit}, limit {trip.limit:f}"
    yield f"because: {trip.reason}"
    if trip.state == "tripped":
        yield f"asked of the venue: {trip.action}, until it clears"
    yield f"by {record.author}"


def _order_lines(order: Override, what: str) -> Iterator[str]:
    yield f"{what}: {order_text(order)}"
    yield f"because: {order.reason}"
    yield f"given {clock_text(order.timestamp)}, until {clock_text(order.expires_at)}"
    yield f"by {order.author}, order {order.override_id}"


def _contribution_lines(contributions: Sequence[Contribution]) -> Iterator[str]:
    for one in contributions:
        seen = f"seen {number_text(one.observed)} {one.unit}, expected {number_text(one.expected)} {one.unit}"
        yield f"{one.signal}: {seen}; share {one.share:.0%}; by chance p = {one.p_value:.2g}"


def _names(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
