"""The rules of the guardrails: what each measures, what the venue is asked to do, and limits ready to compare."""

from decimal import Decimal
from typing import NamedTuple

from detectors.decisions import Level
from detectors.exact import EXACT
from detectors.guardrail_settings import Guardrails

#: How far a float may be from the exact value: as a share of the limit, and for limits near 0.
_DOUBT_SHARE = 1e-9
_LEAST_DOUBT = 1e-12


class GuardrailRule(NamedTuple):
    """A rule: its name, what its value is and in which unit, and what the venue is asked to do at each level."""

    name: str
    what: str
    unit: str
    soft_action: str
    hard_action: str

    def action(self, level: Level) -> str:
        """What the venue is asked to do."""
        return self.soft_action if level == "soft" else self.hard_action


PRICE_MOVE = GuardrailRule("price_move", "move of the last price within the window", "share", "reduce_only", "halt")
MARK_INDEX = GuardrailRule("mark_index", "distance of mark from index", "share", "reduce_only", "halt")
STALE_MARK = GuardrailRule("stale_mark", "age of the mark price", "s", "reduce_only", "halt")
STALE_INDEX = GuardrailRule("stale_index", "age of the index price", "s", "reduce_only", "halt")
DEPTH_FLOOR = GuardrailRule(
    "depth_floor", "notional within 50 basis points on the thinner side", "quote", "reduce_only", "halt"
)
LIQUIDATIONS = GuardrailRule("liquidations", "notional liquidated within the window", "quote", "reduce_only", "halt")
COMPONENT_LATENCY = GuardrailRule("component_latency", "latency of the component", "us", "throttle", "reduce_only")
LEVERAGE_CAP = GuardrailRule("leverage_cap", "leverage of the position", "x", "reduce_only", "reduce_only")
ACCOUNT_EXPOSURE = GuardrailRule("account_exposure", "notional of all positions", "quote", "warn", "reduce_only")
OPEN_INTEREST_SHARE = GuardrailRule("open_interest_share", "share of open interest", "share", "warn", "reduce_only")
RULES = (
    PRICE_MOVE,
    MARK_INDEX,
    STALE_MARK,
    STALE_INDEX,
    DEPTH_FLOOR,
    LIQUIDATIONS,
    COMPONENT_LATENCY,
    LEVERAGE_CAP,
    ACCOUNT_EXPOSURE,
    OPEN_INTEREST_SHARE,
)


class Bounds(NamedTuple):
    """The limits of one entity: when it trips, when it may clear, and floats that tell when neither is possible.

    `below`: lower is worse. The floats are signed so that higher is worse, whichever way the rule looks; they err on
    the side of asking once more.
    """

    soft: Decimal
    hard: Decimal
    soft_clear: Decimal
    hard_clear: Decimal
    hold_us: int
    below: bool
    near_soft: float
    near_hard: float
    near_soft_clear: float
    near_hard_clear: float

    def beyond(self, value: Decimal, limit: Decimal) -> bool:
        """Whether a value is worse than a limit; equal to it is not."""
        return value < limit if self.below else value > limit

    def level(self, value: Decimal) -> Level | None:
        """The worst limit that a value is beyond."""
        if self.beyond(value, self.hard):
            return "hard"
        return "soft" if self.beyond(value, self.soft) else None


def bounds_of(pair: tuple[Decimal, Decimal], limits: Guardrails, *, below: bool = False) -> Bounds:
    """Bounds from a (soft, hard) pair, and from the clear share and the hold that go with it.

    A level may clear at `limit * clear_share`, or at `limit / clear_share` where lower is worse.

    Examples
    --------
    >>> bounds = bounds_of((Decimal(10_000), Decimal(1_000)), Guardrails(), below=True)
    >>> bounds.soft_clear, bounds.hard_clear, bounds.level(Decimal(900)), bounds.level(Decimal(10_000))
    (Decimal('12500'), Decimal('1250'), 'hard', None)
    """
    soft, hard = pair
    adjust = EXACT.divide if below else EXACT.multiply
    soft_clear, hard_clear = (Decimal(f"{adjust(limit, limits.clear_share):f}") for limit in pair)
    return Bounds(
        soft,
        hard,
        soft_clear,
        hard_clear,
        limits.min_hold_s * 1_000_000,
        below,
        _signed(soft, below) - _doubt(soft),
        _signed(hard, below) - _doubt(hard),
        _signed(soft_clear, below) + _doubt(soft_clear),
        _signed(hard_clear, below) + _doubt(hard_clear),
    )


def _signed(limit: Decimal, below: bool) -> float:
    return -float(limit) if below else float(limit)


def _doubt(limit: Decimal) -> float:
    return float(limit) * _DOUBT_SHARE + _LEAST_DOUBT
