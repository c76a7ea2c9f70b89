"""Shapes of windows that a series has shown, and how far a new one is from the nearest of them."""

import math

import numpy as np
from numpy.typing import NDArray

from detectors.base import State

Floats = NDArray[np.float64]


class ShapeMemory:
    """A bounded memory of shapes; the oldest is forgotten first.

    The distance of a shape is that to the `nearest`-th nearest one kept, so that what came once or twice is still new.

    Parameters
    ----------
    size
        Numbers in a shape.
    capacity
        Shapes kept.
    nearest
        How many shapes must be near, at least 1.
    """

    __slots__ = ("_capacity", "_nearest", "_next", "_shapes", "used")

    def __init__(self, size: int, capacity: int, nearest: int) -> None:
        self._capacity = capacity
        self._nearest = nearest
        self._shapes = np.zeros((size, capacity))
        self._next = 0
        #: Shapes in the memory.
        self.used = 0

    def distance(self, shape: Floats) -> float:
        """Euclidean distance; 0 while there is too little to compare with."""
        if self.used <= self._nearest:
            return 0.0
        gaps = self._shapes[:, : self.used] - shape[:, None]
        gaps *= gaps
        # Down the first axis numpy adds row by row: the same on every processor.
        squares = gaps.sum(axis=0)
        return math.sqrt(np.partition(squares, self._nearest - 1)[self._nearest - 1])

    def keep(self, shape: Floats) -> None:
        """Add a shape."""
        self._shapes[:, self._next] = shape
        self._next = (self._next + 1) % self._capacity
        self.used = min(self.used + 1, self._capacity)

    def clear(self) -> None:
        """Forget all."""
        self._shapes[:] = 0.0
        self.used = self._next = 0

    def state(self) -> State:
        """Everything kept, as plain values; always as many of them."""
        return {"shapes": self._shapes.ravel().tolist(), "next": self._next, "used": self.used}

    def restore(self, state: State) -> None:
        """Take up where `state()` was made."""
        self.used, self._next = state["used"], state["next"]
        self._shapes = np.array(state["shapes"]).reshape(self._shapes.shape)
