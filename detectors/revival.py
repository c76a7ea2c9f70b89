"""Taking up saved state, part by part: what cannot be taken up begins afresh, and says so."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from detectors.base import Detector
from detectors.errors import MISSHAPEN, StateError
from detectors.scorer import Scorer

#: Raised when what a stage saves, or what it means, changes: state of another version is not taken up.
STATE_VERSION = 4


class Restorable(Protocol):
    """A model with explicit state."""

    def restore(self, state: Any) -> None:  # noqa: ANN401 - each has a state of its own
        """Take up where `state()` was made; raises StateError for other parameters."""
        ...


Model = TypeVar("Model", bound=Restorable)


def revived(make: Callable[[], Model], state: object, part: str, notes: list[str]) -> Model:
    """Make a model and let it take up its state; one that cannot is new, and a note says why.

    Parameters
    ----------
    make
        Makes the model as new; called again when its state did not fit, since half of it may have been taken up.
    state
        What the model's `state()` gave.
    part
        What the model is, for the note.
    notes
        Where the note goes.

    Examples
    --------
    >>> from detectors.gamma_poisson import DecayedRate
    >>> notes = []
    >>> revived(DecayedRate, [1.0, 2.0, 3.0], "rate", notes).state(), notes
    ([1.0, 2.0, 3.0], [])
    >>> revived(DecayedRate, [1.0], "rate", notes).state(), notes
    ([0.0, 0.0, -1.0], ['rate begins afresh: ValueError: not enough values to unpack (expected 3, got 1)'])
    """
    model = make()
    try:
        model.restore(state)
    except MISSHAPEN as error:
        why = str(error) if isinstance(error, StateError) else f"{type(error).__name__}: {error}"
        notes.append(f"{part} begins afresh: {why}")
        return make()
    return model


D = TypeVar("D", bound=Detector)


def revived_pair(
    make: Callable[[], D], make_scorer: Callable[[], Scorer], states: object, part: str, notes: list[str]
) -> tuple[D, Scorer]:
    """A detector and the calibration of its scores: without the one, what the other knows means nothing.

    `states` is what both gave, in this order; the other parameters are those of `revived`.
    """
    fresh: list[str] = []
    detector_state, scorer_state = states if isinstance(states, list | tuple) and len(states) == 2 else (None, None)
    detector = revived(make, detector_state, part, fresh)
    scorer = make_scorer() if fresh else revived(make_scorer, scorer_state, f"calibration of {part}", fresh)
    notes += fresh
    return detector, scorer
