"""Logistic regression that learns one outcome at a time, and knows how sure it is of each weight."""

import math
from collections.abc import Sequence

from detectors.base import State
from detectors.errors import StateError

_MOST_LOGIT = 30.0


class OnlineLogistic:
    """`P = sigmoid(w . x)`, the weights normal, their covariance kept whole.

    An outcome `y` of weight `k` moves them by one step of a Laplace approximation: with `v = P (1 - P)`,
    `C -= k v (C x) (C x)' / (1 + k v x' C x)` and then `w += k (y - P) C x`. What is well known moves little, so that
    it needs no rate of learning, and a few outcomes teach it what a gradient learns from hundreds. Forgetting lets `C`
    grow again, up to what it was at first.

    Parameters
    ----------
    prior
        Weights before anything was learned.
    variances
        How sure of them it is, > 0, as many.
    half_life
        Weight of outcomes after which `C` has doubled, were nothing learned, > 0.

    Examples
    --------
    >>> model = OnlineLogistic((0.0, 0.0), (4.0, 4.0))
    >>> for number in range(200):
    ...     model.learn((1.0, float(number % 2)), float(number % 2))
    >>> model.probability((1.0, 0.0)) < 0.05, model.probability((1.0, 1.0)) > 0.95
    (True, True)

    References
    ----------
    Spiegelhalter, D. and Lauritzen, S. (1990). Sequential updating of conditional probabilities on directed graphical
    structures. Networks 20(5). Murphy, K. (2012). Machine learning, section 8.5: online learning.
    """

    def __init__(self, prior: Sequence[float], variances: Sequence[float], half_life: float = 20_000.0) -> None:
        self._prior, self._variances = tuple(prior), tuple(variances)
        self._growth = 2.0 ** (1.0 / half_life)
        self.weights = list(prior)
        self._covariance = [
            [variance if row == column else 0.0 for column in range(len(prior))]
            for row, variance in enumerate(variances)
        ]

    def probability(self, x: Sequence[float]) -> float:
        """Of the outcome, in (0, 1)."""
        at = math.fsum(weight * value for weight, value in zip(self.weights, x, strict=True))
        return 1.0 / (1.0 + math.exp(-min(max(at, -_MOST_LOGIT), _MOST_LOGIT)))

    def learn(self, x: Sequence[float], outcome: float, weight: float = 1.0) -> None:
        """Learn that the outcome was 0 or 1; one of weight below 1 counts as so much of an outcome."""
        chance = self.probability(x)
        moved = [math.fsum(one * value for one, value in zip(row, x, strict=True)) for row in self._covariance]
        spread = math.fsum(one * value for one, value in zip(moved, x, strict=True))
        known = weight * chance * (1.0 - chance)
        shrink = known / (1.0 + known * spread)
        step = weight * (outcome - chance) / (1.0 + known * spread)
        # Growing by scaling keeps it a covariance; what exceeds its first variance is scaled back, row and column.
        grown = self._growth**weight
        for row, one in enumerate(moved):
            for column, other in enumerate(moved):
                self._covariance[row][column] = (self._covariance[row][column] - shrink * one * other) * grown
        for row, most in enumerate(self._variances):
            found = self._covariance[row][row]
            if found > most:
                self._scale(row, math.sqrt(most / found))
        self.weights = [old + step * one for old, one in zip(self.weights, moved, strict=True)]

    def _scale(self, row: int, factor: float) -> None:
        for column in range(len(self.weights)):
            self._covariance[row][column] *= factor
            self._covariance[column][row] *= factor

    def state(self) -> State:
        """Weights and covariance."""
        return {
            "prior": [list(self._prior), list(self._variances), self._growth],
            "weights": list(self.weights),
            "covariance": [list(row) for row in self._covariance],
        }

    def restore(self, state: State) -> None:
        """Take up where `state()` was made; raises StateError for another prior."""
        expected = [list(self._prior), list(self._variances), self._growth]
        if state.get("prior") != expected:
            raise StateError(f"online logistic: expected prior {expected}, found {state.get('prior')}")
        self.weights = list(state["weights"])
        self._covariance = [list(row) for row in state["covariance"]]
