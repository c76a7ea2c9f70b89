"""What the core gives back: signals, frames between stages, and alerts.

Everything here is frozen once made. Times are event time in microseconds.
"""

from typing import Literal

import msgspec

#: Raised when the rules that make an `alert_id`, or the meaning of a field, change.
SCHEMA_VERSION = 1

Pattern = Literal[
    "cancel_burst",
    "layering",
    "trade_burst",
    "leverage_spike",
    "thin_book",
    "mark_divergence",
    "leverage_temperature",
    "latency_shock",
    "liquidation_wave",
    "cascade_risk",
    "drift",
    "feed_fault",
    "correlated_stress",
]
Scope = Literal["account", "group", "symbol", "cohort", "market"]
Severity = Literal["info", "warning", "critical"]
Status = Literal["open", "update", "resolved"]


class Refusal(msgspec.Struct, frozen=True):
    """Why an element of a record was not taken: `reason` is the counter's label, `message` is for people."""

    element: int
    reason: str
    message: str


class RefusedRecord(msgspec.Struct, frozen=True):
    """What can be known of a record, or an element of one, that was refused before or after it was decoded.

    `timestamp` is -1 and `symbol` empty where they cannot be read.
    """

    offset: int
    reason: str
    timestamp: int = -1
    symbol: str = ""


class Evidence(msgspec.Struct, frozen=True, order=True):
    """A stretch of a topic partition in which the cause can be read; both ends belong to it."""

    topic: str
    partition: int
    first_offset: int
    last_offset: int


class Contribution(msgspec.Struct, frozen=True):
    """One signal's part in a decision: what was seen, what was expected, and its share (they sum to 1)."""

    signal: str
    observed: float
    expected: float
    unit: str
    p_value: float
    share: float


class Signal(msgspec.Struct, frozen=True, omit_defaults=True):
    """A detector's calibrated score for one entity at the end of one tick.

    `per_day` is how often a score this high comes by chance in the stream of scores it stands in: the p-value times the
    scores a day. Only signals with a `p_value` worth correlating are made.
    """

    timestamp: int
    detector: str
    pattern: Pattern
    scope: Scope
    entity: str
    symbol: str
    p_value: float
    per_day: float
    score: float
    contributions: tuple[Contribution, ...]
    accounts: tuple[str, ...] = ()
    notional: float = 0.0
    evidence: tuple[Evidence, ...] = ()


class Activity(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one account did on one symbol in one tick.

    Counts, age-weighted pressure (Kraken's units), and notional cancelled in hundredths.
    """

    account: str
    symbol: str
    cancels: int
    pressure: int
    fills: int
    notional_cents: int


class LeverageMove(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the accounts of one partition did to their leverage on one symbol in one tick; parts add up over partitions.

    Whole numbers, so that they add up alike in any order: millionths of a doubling of leverage gained, hundredths of
    notional (its change, and that of the part near liquidation).
    """

    symbol: str
    changes: int
    raises: int
    doublings_micro: int
    notional_cents: int
    near_cents: int
    accounts: tuple[str, ...]
    #: Notional put into (or taken out of) buckets of liquidation prices: (side, bucket, hundredths).
    liquidations: tuple[tuple[int, int, int], ...] = ()
    #: Change of the notional that is cross-margined, in hundredths.
    cross_cents: int = 0


class BookProfile(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the book of one symbol takes, and what was liquidated there since the profile before.

    Depth is notional: a basis point on average over the levels sent, and within 50 basis points. Liquidated notional of
    longs and of shorts is in hundredths.
    """

    symbol: str
    mid: float
    bid_per_bp: float
    ask_per_bp: float
    bid_depth_50bp: float
    ask_depth_50bp: float
    long_cents: int = 0
    short_cents: int = 0


class ActivityFrame(msgspec.Struct, frozen=True, array_like=True):
    """Market stage to account stage: the ticks closed since the last frame, and how far time has come at the source.

    `ticks` holds (tick number, evidence, rows) in order. `at_rest` says that the source has no open tick and no input
    left. `interest` holds (tick number, symbol, open interest) where that was told, in order.
    """

    source: str
    closed_us: int
    at_rest: bool
    ticks: tuple[tuple[int, tuple[Evidence, ...], tuple[Activity, ...]], ...]
    interest: tuple[tuple[int, str, float], ...] = ()


class SignalFrame(msgspec.Struct, frozen=True):
    """Market or account stage to correlation stage: what came of the ticks closed since the last frame."""

    source: str
    closed_us: int
    at_rest: bool
    ticks: tuple["SignalTick", ...]
    schema: int = SCHEMA_VERSION


class SignalTick(msgspec.Struct, frozen=True, omit_defaults=True):
    """One closed tick of one source; `evidence` is where its moves and profiles lie."""

    tick: int
    signals: tuple[Signal, ...] = ()
    moves: tuple[LeverageMove, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    profiles: tuple[BookProfile, ...] = ()


class Lean(msgspec.Struct, frozen=True):
    """How much one feature of an alert speaks for a true verdict, in natural log odds; below 0 against it."""

    feature: str
    log_odds: float


class LearnedRank(msgspec.Struct, frozen=True):
    """What operators' verdicts have done to an alert's place in the queue.

    `probability` is that of a true verdict; within its severity the score counts `factor` times; `verdicts` is how many
    that was learned from, `rank_before` the rank by score alone; `because` holds the features that say most.
    """

    probability: float
    factor: float
    verdicts: int
    rank_before: int
    because: tuple[Lean, ...] = ()


class Alert(msgspec.Struct, frozen=True):
    """One revision of an alert, as it goes to the `alerts` topic (design: section 3).

    `rank` is its place among the open alerts, 1 the first to look at; `ranker` is there only while verdicts reorder
    them.
    """

    alert_id: str
    revision: int
    status: Status
    timestamp: int
    pattern: Pattern
    severity: Severity
    score: float
    rank: int
    p_value: float
    symbol: str
    accounts: tuple[str, ...]
    window_start: int
    window_end: int
    title: str
    explanation: tuple[Contribution, ...]
    evidence: tuple[Evidence, ...]
    notional_at_risk: float
    runbook: str
    model_version: str
    schema: int = SCHEMA_VERSION
    ranker: LearnedRank | msgspec.UnsetType = msgspec.UNSET
