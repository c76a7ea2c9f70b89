"""River's half-space trees as a part of our detectors: seeded, fed with deviations, with explicit state."""

import math

from river.anomaly import HalfSpaceTrees

from detectors.base import Features, State
from detectors.errors import StateError
from detectors.guarded_gaussian import GuardedGaussian

_INVERSE_SQRT_2 = math.sqrt(0.5)


class HalfSpaceSurprise:
    """How sparse the corner is in which a whole vector of z-scores lies, in deviations of the trees' own score.

    River's trees need inputs in [0, 1] (z-scores are squashed by the normal distribution function), are silent for
    their first window, and answer in a narrow band: so the answer is read against its own level. A corroborating part,
    never a trigger alone.

    Parameters
    ----------
    seed
        Seed of the random cuts.
    n_trees, height, window_size
        As in `river.anomaly.HalfSpaceTrees`.
    half_life_s
        Memory of the trees' score level, in seconds.

    References
    ----------
    Tan, S. C., Ting, K. M. and Liu, T. F. (2011). Fast anomaly detection for streaming data. IJCAI.
    """

    def __init__(
        self, seed: int, n_trees: int = 8, height: int = 5, window_size: int = 250, half_life_s: float = 600.0
    ) -> None:
        self._parameters = [seed, n_trees, height, window_size]
        self._trees = HalfSpaceTrees(n_trees=n_trees, height=height, window_size=window_size, seed=seed)
        self._level = GuardedGaussian(half_life_s, floor=0.01)
        self._names: list[str] = []

    def surprise(self, z_scores: Features) -> float:
        """Deviations above the usual score of the trees, from 0 to 8."""
        if not self._names:
            return 0.0
        return min(max(self._level.z(self._trees.score_one(_squash(z_scores))), 0.0), 8.0)

    def learn(self, z_scores: Features, time_s: float) -> None:
        """Take a vector in."""
        if not self._names:
            self._names = sorted(z_scores)
        inputs = _squash(z_scores)
        score = self._trees.score_one(inputs)
        if score > 0.0:
            self._level.learn(score, time_s)
        self._trees.learn_one(inputs)

    def state(self) -> State:
        """Masses of the nodes in depth-first order; the cuts follow from seed and names."""
        trees = self._trees
        masses = [[[node.l_mass, node.r_mass] for node in nodes] for nodes in trees._tree_nodes]  # noqa: SLF001 - river has no public state
        return {
            "parameters": self._parameters,
            "names": self._names,
            "masses": masses,
            "counter": trees.counter,
            "first_window": trees._first_window,  # noqa: SLF001
            "level": self._level.state(),
        }

    def restore(self, state: State) -> None:
        """Take up where `state()` was made; raises StateError when seed or size differ."""
        if state.get("parameters") != self._parameters:
            msg = f"half-space trees state: expected parameters {self._parameters}, found {state.get('parameters')}"
            raise StateError(msg)
        self._names = list(state["names"])
        self._level.restore(state["level"])
        if not self._names:
            return
        seed, n_trees, height, window_size = self._parameters
        self._trees = HalfSpaceTrees(n_trees=n_trees, height=height, window_size=window_size, seed=seed)
        self._trees.learn_one(dict.fromkeys(self._names, 0.5))
        for nodes, masses in zip(self._trees._tree_nodes, state["masses"], strict=True):  # noqa: SLF001
            for node, (left, reference) in zip(nodes, masses, strict=True):
                node.l_mass, node.r_mass = left, reference
        self._trees.counter = state["counter"]
        self._trees._first_window = state["first_window"]  # noqa: SLF001


def _squash(z_scores: Features) -> Features:
    return {name: 0.5 * math.erfc(-z * _INVERSE_SQRT_2) for name, z in z_scores.items()}
