"""What the rate-limit controller is told of a tick."""

import msgspec

from detectors.limit_targets import ORDINARY_PER_DAY


class Candidate(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An account that pressed in a tick: how much, where most, and its rarest signal of late."""

    account: str
    ratio: float
    is_newcomer: bool
    symbol: str
    pattern: str = ""
    per_day: float = ORDINARY_PER_DAY
    p_value: float = 1.0


class PressedTick(msgspec.Struct, frozen=True, array_like=True):
    """A tick that waits for what the correlation stage has to say."""

    time_us: int
    collective: float
    candidates: tuple[Candidate, ...]
