"""The limit of one account over time: down by halves, up by small steps after a hold, held longer for who returns."""

from typing import Any

from detectors.limit_settings import Limits

_NEVER_US = -1


class LimitState:
    """Where the limit of one account stands.

    Additive increase, multiplicative decrease: a step down takes the multiplier to `max(target, multiplier *
    decrease)`, at most each `decrease_every_ms`. It is eased by `increase` each `increase_every_s` once `hold_s`
    have passed since the last step down. Each relapse (a step down after one up, or a new episode within
    `longest_hold_s` of the one before) holds `hold_growth` times as long, up to `longest_hold_s`: what comes back again
    and again is not let go again and again.

    Parameters
    ----------
    settings
        The controller's settings.

    Examples
    --------
    >>> state = LimitState(Limits(decrease=0.5, hold_s=60.0))
    >>> state.tighten(0.3, now_us=0), state.multiplier, state.tighten(0.3, now_us=100_000)
    (True, 0.5, False)
    >>> state.tighten(0.3, now_us=500_000), state.multiplier, state.ease_at_us / 1e6
    (True, 0.3, 60.5)
    >>> state.ease(now_us=60_500_000), state.multiplier, state.ease_at_us / 1e6
    (True, 0.4, 70.5)
    """

    __slots__ = ("_settings", "changed_us", "ease_at_us", "eased", "ended_us", "hold_s", "multiplier")

    def __init__(self, settings: Limits) -> None:
        self._settings = settings
        self.multiplier = 1.0
        #: When it was last tightened; when the next step up is due; when the last episode was over.
        self.changed_us = _NEVER_US
        self.ease_at_us = 0
        self.ended_us = _NEVER_US
        self.hold_s = 0.0
        #: Whether it was eased since it was last tightened.
        self.eased = False

    @property
    def in_force(self) -> bool:
        """Whether there is a limit."""
        return self.multiplier < 1.0

    def tighten(self, target: float, now_us: int) -> bool:
        """Take a step towards a lower target; whether the multiplier has changed."""
        settings = self._settings
        if target >= self.multiplier:
            return False
        if not self.in_force:
            self._begin(now_us)
        elif now_us - self.changed_us < settings.decrease_every_ms * 1_000:
            return False
        elif self.eased:
            self.hold_s = self._longer_s()
        self.eased = False
        self.multiplier = round(max(target, self.multiplier * settings.decrease), 9)
        self.changed_us = now_us
        self.ease_at_us = now_us + round(self.hold_s * 1e6)
        return True

    def ease(self, now_us: int) -> bool:
        """Take a step up, if one is due; whether the multiplier has changed."""
        if not self.in_force or now_us < self.ease_at_us:
            return False
        self.multiplier = self.next_multiplier
        self.eased = True
        self.postpone(now_us)
        if not self.in_force:
            self.ended_us = now_us
        return True

    def postpone(self, now_us: int) -> None:
        """No step up before the usual time between two has passed again."""
        self.ease_at_us = now_us + round(self._settings.increase_every_s * 1e6)

    def release(self, now_us: int) -> None:
        """End the limit at once."""
        self.multiplier = 1.0
        self.ended_us = now_us

    @property
    def next_multiplier(self) -> float:
        """What the multiplier will be after the next step up."""
        return min(round(self.multiplier + self._settings.increase, 9), 1.0)

    def is_forgotten(self, now_us: int) -> bool:
        """Whether a new episode would be treated as the first."""
        return not self.in_force and now_us - self.ended_us > self._settings.longest_hold_s * 1e6

    def _begin(self, now_us: int) -> None:
        settings = self._settings
        returns = self.ended_us != _NEVER_US and not self.is_forgotten(now_us)
        self.hold_s = self._longer_s() if returns else settings.hold_s

    def _longer_s(self) -> float:
        return min(self.hold_s * self._settings.hold_growth, self._settings.longest_hold_s)

    def state(self) -> list[Any]:
        """All of it."""
        return [self.multiplier, self.changed_us, self.ease_at_us, self.ended_us, self.hold_s, self.eased]

    def restore(self, state: list[Any]) -> None:
        """Take up where `state()` was made."""
        self.multiplier, self.changed_us, self.ease_at_us, self.ended_us, self.hold_s, self.eased = state
