"""The graph over which stress of one symbol becomes stress of others, and its gauges."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from detectors.base import State
from detectors.contagion import debt_rank, spectral_radius

#: Symbols in the graph: those that were there first; it grows with their square.
MOST_SYMBOLS = 32
_HALF_LIFE_S = 3_600.0


class Node(NamedTuple):
    """What the graph has to know of a symbol: its price, near cascade gain, cross-margined share, and notional."""

    mid: float
    gain: float
    cross_share: float
    notional: float


class Contagion(NamedTuple):
    """Gauges of the graph: growth of stress a round, and the share of notional that a shock of one symbol reaches.

    `expected` is the mean over the symbols, each weighted by its notional, of the DebtRank of a full shock there;
    `worst` the symbol with the largest, and `worst_reach` its.
    """

    spectral_radius: float
    expected: float
    worst: str
    worst_reach: float


class ContagionGraph:
    """Edges between symbols: `w(i, j) = gain(j) * max(correlation(i, j), cross(i) * cross(j), i == j)`.

    A shock of `i` moves the price of `j` as far as their returns go together (only together: a market that falls when
    another rises is no contagion), or takes the margin from accounts that hold both under cross margin; what it forces
    there, against what the book takes, is the gain of `j` near its price. Holdings of single accounts are not known
    here: the product of cross-margined shares is what chance overlap would have, and an account that holds all of both
    makes it too small.

    Examples
    --------
    >>> graph = ContagionGraph()
    >>> for minute in range(60):
    ...     price = 100.0 + minute % 7
    ...     nodes = {name: Node(price, 0.8, 0.5, 1e6) for name in ("A", "B")}
    ...     found = graph.step(60.0 * minute, nodes)
    >>> round(found.spectral_radius, 2), round(found.expected, 2)
    (1.6, 0.5)
    """

    def __init__(self) -> None:
        self._time_s = -1.0
        self._names: list[str] = []
        self._mids: list[float] = []
        self._products = np.zeros((MOST_SYMBOLS, MOST_SYMBOLS))

    def step(self, time_s: float, nodes: Mapping[str, Node]) -> Contagion:
        """Take the symbols as they are now in, and measure."""
        self._learn(time_s, nodes)
        known = [(index, name) for index, name in enumerate(self._names) if name in nodes]
        weights = np.zeros((len(known), len(known)))
        for row, (i, one) in enumerate(known):
            for column, (j, other) in enumerate(known):
                together = 1.0 if i == j else max(self._correlation(i, j), _crossed(nodes[one], nodes[other]))
                weights[row, column] = min(nodes[other].gain, 1e6) * together
        values = [max(nodes[name].notional, 0.0) for _, name in known]
        reaches = [self._reach(weights, values, at) for at in range(len(known))]
        whole = math.fsum(values)
        weighted = math.fsum(reach * value for reach, value in zip(reaches, values, strict=True))
        worst = max(range(len(known)), key=lambda at: (reaches[at], -at), default=None)
        name, reach = ("", 0.0) if worst is None else (known[worst][1], reaches[worst])
        return Contagion(spectral_radius(weights), weighted / whole if whole else 0.0, name, reach)

    @staticmethod
    def _reach(weights: np.ndarray, values: list[float], at: int) -> float:
        shock = [float(index == at) for index in range(len(values))]
        return debt_rank(weights, shock, values)

    def _learn(self, time_s: float, nodes: Mapping[str, Node]) -> None:
        for name in sorted(nodes):
            if name not in self._names and len(self._names) < MOST_SYMBOLS:
                self._names.append(name)
                self._mids.append(0.0)
        returns = np.zeros(MOST_SYMBOLS)
        for index, name in enumerate(self._names):
            mid = nodes[name].mid if name in nodes else 0.0
            if mid > 0.0 and self._mids[index] > 0.0:
                returns[index] = math.log(mid / self._mids[index])
            self._mids[index] = mid or self._mids[index]
        elapsed_s = max(time_s - self._time_s, 0.0) if self._time_s >= 0.0 else 0.0
        self._products = 0.5 ** (elapsed_s / _HALF_LIFE_S) * self._products + returns[:, None] * returns[None, :]
        self._time_s = max(self._time_s, time_s)

    def _correlation(self, i: int, j: int) -> float:
        both = float(self._products[i, i]) * float(self._products[j, j])
        return max(float(self._products[i, j]) / math.sqrt(both), 0.0) if both > 0.0 else 0.0

    def state(self) -> State:
        """Names, prices and products of returns."""
        size = len(self._names)
        return {
            "time_s": self._time_s,
            "names": list(self._names),
            "mids": list(self._mids),
            "products": [[float(value) for value in row[:size]] for row in self._products[:size]],
        }

    def restore(self, state: State) -> None:
        """Take up where `state()` was made."""
        self._time_s, self._names, self._mids = state["time_s"], list(state["names"]), list(state["mids"])
        self._products = np.zeros((MOST_SYMBOLS, MOST_SYMBOLS))
        for row, saved in enumerate(state["products"]):
            self._products[row, : len(saved)] = saved


def _crossed(one: Node, other: Node) -> float:
    return one.cross_share * other.cross_share
