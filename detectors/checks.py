"""Checks that every detector passes, whoever wrote it, in the manner of river's `check_estimator`."""

import copy
import importlib
import inspect
import math
import pkgutil
import random
from collections.abc import Callable, Iterator
from itertools import islice
from types import ModuleType
from typing import Any

import msgspec

from detectors.base import Detector, Features
from detectors.errors import ConfigError, StateError
from detectors.toy_streams import TOY_STREAMS, Label

MakeDetector = Callable[[], Detector]
Check = Callable[[MakeDetector], None]

#: Points of a toy stream after which a detector is believed to know it.
_KNOWN = 1_100
_NEXT = 200
_EXTREMES = (1e308, -1e308, 1e15, 0.0, -1.0, math.nan, math.inf, -math.inf)


def detector_classes(package: ModuleType) -> list[type[Detector]]:
    """Every concrete detector defined in a package, in order of name.

    Raises
    ------
    ConfigError
        When one of them has no toy stream: it could not be checked.
    """
    found: dict[str, type[Detector]] = {}
    for entry in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(entry.name)
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, Detector) and not inspect.isabstract(kind) and kind.__module__ == entry.name:
                found[kind.__qualname__] = kind
    for kind in found.values():
        if getattr(kind, "name", None) not in TOY_STREAMS:
            where = f"{kind.__module__}.{kind.__qualname__}"
            raise ConfigError(f"expected a toy stream in TOY_STREAMS for {where}, found {sorted(TOY_STREAMS)}")
    return [found[name] for name in sorted(found)]


def yield_checks(make: MakeDetector) -> Iterator[Check]:
    """The checks that concern a detector; each takes `make` and raises AssertionError when it fails.

    Parameters
    ----------
    make
        Makes a new detector that has learned nothing, the same each time: a class, for example.

    Examples
    --------
    >>> from detectors.leverage_jump import LeverageJump
    >>> for check in yield_checks(LeverageJump):
    ...     check(LeverageJump)
    """
    yield check_scoring_changes_nothing
    yield check_scores_are_finite_on_any_input
    yield check_garbage_learned_does_no_lasting_harm
    yield check_the_order_of_features_does_not_matter
    yield check_the_same_stream_gives_the_same_scores
    yield check_memory_is_bounded
    yield check_state_survives_a_round_trip
    if _parameters(make):
        yield check_state_of_other_parameters_is_refused
    yield check_ready_comes_and_stays
    yield check_planted_points_rank_above_normal_ones
    yield check_explanations_add_up
    yield check_clones_have_learned_nothing


def check_scoring_changes_nothing(make: MakeDetector) -> None:
    """`score_one` and `explain_one` change neither the detector nor their input."""
    detector = _taught(make, _KNOWN)
    for x, _ in islice(_stream(make, seed=2), 50):
        before, given = copy.deepcopy(detector.state()), dict(x)
        score = detector.score_one(x)
        detector.explain_one(x)
        _require(detector.state() == before, "expected scoring to leave the state alone")
        _require(x == given, f"expected scoring to leave its input alone: {given}, found {x}")
        _require(detector.score_one(x) == score, f"expected the same score again, {score}")


def check_scores_are_finite_on_any_input(make: MakeDetector) -> None:
    """Extreme, missing and not even finite features give a finite score of at least 0."""
    for detector in (make(), _taught(make, _KNOWN)):
        for x in _odd_inputs(make):
            _require_score(detector.score_one(x), x)


def check_garbage_learned_does_no_lasting_harm(make: MakeDetector) -> None:
    """Whatever is learned, later scores are finite."""
    for garbage in _odd_inputs(make):
        detector = _taught(make, 50)
        detector.learn_one(garbage)
        for x, _ in islice(_stream(make, seed=2), 50, 55):
            _require_score(detector.score_one(x), garbage)
            detector.learn_one(x)


def check_the_order_of_features_does_not_matter(make: MakeDetector) -> None:
    """Features in another order give the same scores."""
    one, other = make(), make()
    for x, _ in islice(_stream(make), _KNOWN):
        turned = dict(reversed(x.items()))
        _require(one.score_one(x) == other.score_one(turned), f"expected the same score in any order of {list(x)}")
        one.learn_one(x)
        other.learn_one(turned)


def check_the_same_stream_gives_the_same_scores(make: MakeDetector) -> None:
    """Two detectors made alike agree on every point."""
    _require(_prequential(make(), make, _KNOWN) == _prequential(make(), make, _KNOWN), "expected the same scores twice")


def check_memory_is_bounded(make: MakeDetector) -> None:
    """A stream ten times longer takes no more memory."""
    short, long = _size(_taught(make, _KNOWN // 2).state()), _size(_taught(make, 5 * _KNOWN).state())
    _require(
        long <= 1.2 * short + 16,
        f"expected about {short} values in the state, found {long} after ten times as many points",
    )


def check_state_survives_a_round_trip(make: MakeDetector) -> None:
    """A detector restored from msgpack scores the next points as the original does."""
    original, restored = _taught(make, _KNOWN), make()
    # One that has scored before it is restored must not remember it.
    first = next(islice(_stream(make), _KNOWN, None))[0]
    restored.score_one(first)
    restored.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(original.state())))
    _require(restored.ready == original.ready, f"expected ready to be {original.ready} after restoring")
    for x, _ in islice(_stream(make), _KNOWN, _KNOWN + _NEXT):
        expected, found = original.score_one(x), restored.score_one(x)
        _require(found == expected, f"expected the score {expected} after restoring, found {found}")
        original.learn_one(x)
        restored.learn_one(x)
    _require(_as_bytes(restored) == _as_bytes(original), "expected the same state after restoring and learning on")


def check_state_of_other_parameters_is_refused(make: MakeDetector) -> None:
    """State made with other parameters raises StateError."""
    other = type(make())(**{name: value * 2 + 1 for name, value in _parameters(make).items()})
    try:
        other.restore(_taught(make, 50).state())
    except StateError:
        return
    raise AssertionError(f"expected StateError from parameters other than {_parameters(make)}")


def check_ready_comes_and_stays(make: MakeDetector) -> None:
    """`ready` turns true within the quiet part of the toy stream, and never turns back."""
    detector, was = make(), False
    for x, _ in islice(_stream(make), _KNOWN):
        detector.learn_one(x)
        _require(detector.ready or not was, "expected ready to stay true")
        was = detector.ready
    _require(was, f"expected ready after {_KNOWN} points")


def check_planted_points_rank_above_normal_ones(make: MakeDetector) -> None:
    """Scored before they are learned, planted points stand above 99 of 100 normal ones."""
    scores: dict[Label, list[float]] = {"normal": [], "planted": [], "episode": []}
    detector = make()
    for x, label in islice(_stream(make), 2 * _KNOWN):
        if detector.ready:
            scores[label].append(detector.score_one(x))
        detector.learn_one(x)
    _require(len(scores["planted"]) >= 5, f"expected five planted points, found {len(scores['planted'])}")
    high = sorted(scores["normal"])[int(0.99 * len(scores["normal"]))]
    _require(min(scores["planted"]) > high, f"expected planted scores above {high}, found {min(scores['planted'])}")


def check_explanations_add_up(make: MakeDetector) -> None:
    """Shares sum to 1, p-values are in (0, 1], and what stands out is explained."""
    detector = _taught(make, _KNOWN)
    for x, label in islice(_stream(make), _KNOWN, 2 * _KNOWN):
        parts, score = detector.explain_one(x), detector.score_one(x)
        _require(bool(parts) or score == 0.0 or label != "planted", f"expected a reason for the score {score}")
        _require(not parts or math.isclose(sum(part.share for part in parts), 1.0, abs_tol=1e-9), f"shares of {parts}")
        for part in parts:
            _require(0.0 < part.p_value <= 1.0, f"expected a p-value in (0, 1], found {part}")
            _require(0.0 <= part.share <= 1.0 + 1e-12, f"expected a share in [0, 1], found {part}")
            _require(math.isfinite(part.observed) and math.isfinite(part.expected), f"expected finite numbers: {part}")
        detector.learn_one(x)


def check_clones_have_learned_nothing(make: MakeDetector) -> None:
    """River's `clone` gives a detector with the same parameters that has learned nothing."""
    clone = _taught(make, 100).clone()
    _require(type(clone) is type(make()), f"expected a {type(make()).__name__}, found {type(clone).__name__}")
    _require(_as_bytes(clone) == _as_bytes(make()), "expected a clone without memory")


def _require(ok: bool, message: str) -> None:
    if not ok:
        raise AssertionError(message)


def _require_score(score: float, x: Features) -> None:
    _require(math.isfinite(score) and score >= 0.0, f"expected a finite score of at least 0, found {score} for {x}")


def _stream(make: MakeDetector, seed: int = 1) -> Iterator[tuple[Features, Label]]:
    return TOY_STREAMS[make().name](random.Random(seed))


def _taught(make: MakeDetector, points: int) -> Detector:
    detector = make()
    for x, _ in islice(_stream(make), points):
        detector.learn_one(x)
    return detector


def _prequential(detector: Detector, make: MakeDetector, points: int) -> list[float]:
    scores = []
    for x, _ in islice(_stream(make), points):
        scores.append(detector.score_one(x))
        detector.learn_one(x)
    return scores


def _odd_inputs(make: MakeDetector) -> Iterator[Features]:
    """A point of the toy stream with a feature, or all of them, missing or extreme; and with time that goes back."""
    x = next(islice(_stream(make), 60, None))[0]
    names = [name for name in x if name != "time_s"]
    yield {}
    for name in x:
        yield {other: value for other, value in x.items() if other != name}
    for extreme in _EXTREMES:
        yield x | dict.fromkeys(names, extreme)
        for name in names:
            yield x | {name: extreme}
    if "time_s" in x:
        yield x | {"time_s": x["time_s"] - 5.0}
        yield x | {"time_s": 1e12}


def _parameters(make: MakeDetector) -> dict[str, Any]:
    return {name: getattr(make(), name) for name in inspect.signature(type(make())).parameters}


def _size(value: object) -> int:
    """How many plain values a state holds."""
    if isinstance(value, dict):
        return len(value) + sum(_size(part) for part in value.values())
    if isinstance(value, (list, tuple)):
        return sum(_size(part) for part in value)
    return 1


def _as_bytes(detector: Detector) -> bytes:
    return msgspec.msgpack.encode(detector.state())
