"""How stress spreads over symbols: the spectral radius of the graph, and DebtRank."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 200
_CLOSE = 1e-12

Matrix = NDArray[np.float64]


def spectral_radius(weights: Matrix) -> float:
    """The largest growth of stress a round: below 1 a shock dies out, above it grows by itself.

    By power iteration on `weights + 1`, since a ring of symbols has no single dominant direction.

    Parameters
    ----------
    weights
        Square, >= 0, finite: `weights[i, j]` is the stress of `j` a unit of stress of `i` adds.

    Examples
    --------
    >>> round(spectral_radius(np.array([[0.0, 0.5], [0.5, 0.0]])), 6), spectral_radius(np.zeros((0, 0)))
    (0.5, 0.0)
    """
    size = len(weights)
    if size == 0:
        return 0.0
    shifted, direction, radius = weights + np.eye(size), np.full(size, 1.0), 1.0
    for _ in range(_ROUNDS):
        moved = _product(direction, shifted)
        grown = float(moved.max())
        direction = moved / grown
        if abs(grown - radius) <= _CLOSE * grown:
            radius = grown
            break
        radius = grown
    return max(radius - 1.0, 0.0)


def debt_rank(weights: Matrix, shock: Sequence[float], values: Sequence[float]) -> float:
    """Expected contagion: the share of all value that is stressed in the end, beyond the shock itself.

    `h_j(t+1) = min(1, h_j(t) + sum_i weights[i, j] * (h_i(t) - h_i(t-1)))`, from the shock until nothing moves.

    Parameters
    ----------
    weights
        As in `spectral_radius`.
    shock
        Stress in [0, 1] of each symbol at the beginning.
    values
        What each symbol weighs, >= 0.

    Examples
    --------
    >>> chain = np.array([[0.0, 0.5, 0.0], [0.0, 0.0, 0.5], [0.0, 0.0, 0.0]])
    >>> debt_rank(chain, [1.0, 0.0, 0.0], [1.0, 1.0, 2.0])
    0.25

    References
    ----------
    Bardoscia, M. et al. (2015). DebtRank: a microscopic foundation for shock propagation. PLOS ONE 10(6), e0130406.
    """
    whole = math.fsum(values)
    if not len(weights) or whole <= 0.0:
        return 0.0
    stress = np.minimum(np.array(shock, dtype=float), 1.0)
    added = stress.copy()
    for _ in range(_ROUNDS):
        reached = np.minimum(stress + _product(added, weights), 1.0)
        added, stress = reached - stress, reached
        if float(added.max()) <= _CLOSE:
            break
    return math.fsum((stress - np.minimum(shock, 1.0)) * np.array(values)) / whole


def _product(row: Matrix, weights: Matrix) -> Matrix:
    """A row times a matrix, added up in order: a library's product may differ in its last digit between processors."""
    total = np.zeros(len(row))
    for value, out in zip(row, weights, strict=True):
        total = total + value * out
    return total
