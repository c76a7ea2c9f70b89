"""What the rate-limit controller remembers of an account."""

from collections.abc import Iterable
from typing import Any

import msgspec

from detectors.limit_settings import Limits
from detectors.limit_state import LimitState
from detectors.limit_targets import Target


class Limited:
    """An account that is or was limited: its state, its last pressure, when to renew, what led to it."""

    __slots__ = ("ratio", "ratio_us", "renew_us", "state", "target", "touched_us")

    def __init__(self, state: LimitState) -> None:
        self.state = state
        self.touched_us = 0
        self.ratio = 0.0
        self.ratio_us = 0
        self.renew_us = 0
        self.target: Target | None = None

    def saved(self) -> list[Any]:
        """All of it, as plain values."""
        return [self.state.state(), self.touched_us, self.ratio, self.ratio_us, self.renew_us, self.target]

    @classmethod
    def of(cls, saved: Iterable[Any], settings: Limits) -> "Limited":
        """Take up what `saved()` gave."""
        state, touched_us, ratio, ratio_us, renew_us, target = saved
        one = cls(LimitState(settings))
        one.state.restore(state)
        one.touched_us, one.ratio, one.ratio_us, one.renew_us = touched_us, ratio, ratio_us, renew_us
        one.target = None if target is None else msgspec.convert(target, Target)
        return one
