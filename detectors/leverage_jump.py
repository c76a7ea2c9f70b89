"""Leverage jump: one account raises its leverage far more than it, or others, do."""

import math

from detectors.base import Detector, Features, State
from detectors.results import Contribution

#: What is believed of an account never seen: changes of log leverage spread by a factor of 1.5, worth four
#: observations.
_PRIOR_VARIANCE = math.log(1.5) ** 2
_PRIOR_WEIGHT = 4.0
_FADE = 0.97


class LeverageJump(Detector):
    """The change of an account's log leverage against its own history, drawn to the cohort's while there is little.

    Only raises score: `z = d / s`, with s² the exponentially weighted mean of d² over the account's changes, shrunk to
    the prior. A jump is learned as at most three deviations. It fails on accounts that raise in many small steps; the
    cohort detector (`LeverageSpike`) adds those up.

    Notes
    -----
    Features: `log_change` (natural log of new over previous leverage), `leverage`.

    Examples
    --------
    >>> jump = LeverageJump()
    >>> for change in (0.1, -0.1, 0.2, -0.2, 0.1):
    ...     jump.learn_one({"log_change": change})
    >>> jump.score_one({"log_change": 0.2}) < 1 < 5 < jump.score_one({"log_change": math.log(10)})
    True
    >>> jump.score_one({"log_change": -2.0})
    0.0
    """

    name = "leverage_jump"

    def __init__(self) -> None:
        self._weight = 0.0
        self._squares = 0.0

    @property
    def ready(self) -> bool:
        """Always: the prior stands in for a missing history."""
        return True

    def score_one(self, x: Features) -> float:
        """Deviations of the raise; 0 for a reduction."""
        return max(_bounded(x), 0.0) / self._deviation()

    def learn_one(self, x: Features) -> None:
        """Take the change into the account's spread."""
        reach = 3.0 * self._deviation()
        change = min(max(_bounded(x), -reach), reach)
        self._weight = self._weight * _FADE + 1.0
        self._squares = self._squares * _FADE + change * change

    def explain_one(self, x: Features) -> tuple[Contribution, ...]:
        """The factor of the raise against the usual factor of a change."""
        score = self.score_one(x)
        p_value = max(0.5 * math.erfc(score * math.sqrt(0.5)), 1e-300)
        usual = math.exp(self._deviation())
        return (Contribution("leverage raised by", math.exp(_bounded(x)), round(usual, 4), "times", p_value, 1.0),)

    def _deviation(self) -> float:
        variance = (self._squares + _PRIOR_WEIGHT * _PRIOR_VARIANCE) / (self._weight + _PRIOR_WEIGHT)
        return math.sqrt(max(variance, 1e-4))

    def state(self) -> State:
        """Weight and sum of squares."""
        return {"weight": self._weight, "squares": self._squares}

    def restore(self, state: State) -> None:
        """Take up where `state()` was made."""
        self._weight, self._squares = state["weight"], state["squares"]


def _bounded(x: Features) -> float:
    change = x.get("log_change", 0.0)
    return 0.0 if math.isnan(change) else min(max(change, -20.0), 20.0)
