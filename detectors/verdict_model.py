"""How likely an operator is to call an alert true, learned from the verdicts on those before."""

import math
from typing import get_args

import msgspec
from river.linear_model import LogisticRegression
from river.optim import AdaGrad
from river.utils import VectorDict

from detectors.base import Features, State
from detectors.errors import StateError
from detectors.results import Pattern, Severity
from detectors.verdict_history import VerdictHistory

_SEVERITY: dict[Severity, float] = {"info": -1.0, "warning": 0.0, "critical": 1.0}
_MOST_DECADES, _MOST_SIZE, _MOST_LASTING = 20.0, 12.0, 6.0
#: A probability is never more certain than this: operators err, too.
_LEAST, _MOST = 0.01, 0.99
_STEP, _SHRINKAGE, _INTERCEPT_STEP = 0.1, 1e-3, 0.1
#: Verdicts after which what one cost weighs half.
_HALF_LIFE = 200.0
#: Always present, in this order: sums of floats depend on it.
FEATURES = (
    *("rarity", "size", "persistence", "families", "severity", "repeats", "pattern_history", "symbol_history"),
    *(f"pattern={pattern}" for pattern in get_args(Pattern)),
)
_NOTHING: Features = dict.fromkeys(FEATURES, 0.0)


class Traits(msgspec.Struct, frozen=True, array_like=True):
    """What an alert was when it was last said, as far as verdicts are learned from it."""

    pattern: Pattern
    symbol: str
    severity: Severity
    p_value: float
    notional: float
    lasted_us: int
    families: int
    repeats: int


class VerdictModel:
    """Logistic regression on verdicts: river's, a step a verdict, each verdict predicted before it is learned.

    `P(true) = sigmoid(intercept + sum(w_i * x_i))`, in [0.01, 0.99]; the steps are AdaGrad's, with a little shrinkage.
    The features have fixed scales, such that most lie within one or two of 0, so that there is nothing to warm up:

    ===================================  ======================================================================
    `rarity`                             `(-log10(p) - 6) / 4`, p not below 1e-20
    `size`                               `(log10(1 + notional) - 4) / 2`, notional not above 1e12
    `persistence`                        `log10(1 + seconds from first to last signal) - 1`, not above 5
    `families`                           families of signals behind it beyond the first, at most 3
    `severity`                           -1 info, 0 warning, 1 critical
    `repeats`                            `log2(1 + n)`, n alerts of its pattern and symbol in the hour before; at most 4
    `pattern_history`, `symbol_history`  4 times: share of true verdicts of its pattern, or symbol, less that of all
    `pattern=NAME`                       1 for its pattern, 0 for the others
    ===================================  ======================================================================

    It catches what operators agree on: patterns or symbols that are noise here, sizes that never matter. It fails on
    what none of its features tells, and where operators contradict each other; `log_loss` says so.

    Examples
    --------
    >>> model = VerdictModel()
    >>> burst = Traits("cancel_burst", "X", "warning", 1e-9, 1e6, 10_000_000, families=1, repeats=0)
    >>> thin = Traits("thin_book", "X", "warning", 1e-9, 1e6, 10_000_000, families=1, repeats=0)
    >>> for _ in range(20):
    ...     model.learn(burst, was_true=True)
    ...     model.learn(thin, was_true=False)
    >>> model.probability(burst) > 0.8 > 0.2 > model.probability(thin)
    True
    >>> ours, of_base_rate = model.log_loss
    >>> ours < of_base_rate
    True

    References
    ----------
    Duchi, J., Hazan, E. and Singer, Y. (2011). Adaptive subgradient methods for online learning. JMLR 12.
    """

    def __init__(self) -> None:
        self._history = VerdictHistory()
        self._regression = _regression()
        #: Fading sums: verdicts, what they cost us, and what they cost the base rate.
        self._seen = self._loss = self._base_loss = 0.0

    @property
    def log_loss(self) -> tuple[float, float] | None:
        """Mean of `-ln P(verdict)`, ours and of the base rate, each made before the verdict; None: there was none."""
        return (self._loss / self._seen, self._base_loss / self._seen) if self._seen else None

    def probability(self, traits: Traits) -> float:
        """How likely a verdict on such an alert is to be `true`, in [0.01, 0.99]."""
        found: float = self._regression.predict_proba_one(self._features(traits))[True]
        return min(max(found, _LEAST), _MOST)

    def leans(self, traits: Traits) -> list[tuple[str, float]]:
        """Features with what each adds to the log odds of a true verdict, those that say most first."""
        weights = self._regression.weights
        parts = [(name, weights.get(name, 0.0) * value) for name, value in self._features(traits).items()]
        return sorted(parts, key=lambda part: (-abs(part[1]), part[0]))

    def learn(self, traits: Traits, was_true: bool) -> None:
        """Predict a verdict, then take it in."""
        fade = 0.5 ** (1.0 / _HALF_LIFE)
        self._seen = fade * self._seen + 1.0
        self._loss = fade * self._loss + _cost(self.probability(traits), was_true)
        self._base_loss = fade * self._base_loss + _cost(self._history.base_rate, was_true)
        self._step(traits, was_true)
        self._history.add(traits, was_true, 1)

    def correct(self, traits: Traits, before: bool | None, now: bool | None) -> None:
        """Put a verdict in the place of the one before; None is no verdict.

        In the history the one takes the other's place. The regression takes a step towards the new one if it differs,
        and does not forget the old one. It is no second verdict: what it costs is not counted.
        """
        if before == now:
            return
        if before is not None:
            self._history.add(traits, before, -1)
        if now is not None:
            self._step(traits, now)
            self._history.add(traits, now, 1)

    def state(self) -> State:
        """Weights, the sums of AdaGrad, history, and losses."""
        regression, optimizer = self._regression, self._regression.optimizer
        weights = regression.weights
        return {
            "weights": {name: [weights[name], optimizer.g2[name]] for name in FEATURES if name in weights},
            "intercept": [regression.intercept, optimizer.n_iterations],
            "history": self._history.state(),
            "losses": [self._seen, self._loss, self._base_loss],
        }

    def restore(self, state: State) -> None:
        """Take up where `state()` was made; raises StateError when it holds what is no number."""
        regression = _regression()
        found = state["weights"]
        numbers = [*state["intercept"], *state["losses"], *(part for parts in found.values() for part in parts)]
        if not all(map(math.isfinite, numbers)):
            raise StateError("state of verdicts: expected finite numbers, found others")
        if found:
            # A pattern that is new since then has learned nothing.
            learned = {name: found.get(name, (0.0, 0.0)) for name in FEATURES}
            regression._weights = VectorDict({name: weight for name, (weight, _) in learned.items()})  # noqa: SLF001 - river has no public state
            regression.optimizer.g2.update({name: squares for name, (_, squares) in learned.items()})
        regression.intercept, regression.optimizer.n_iterations = state["intercept"]
        self._regression = regression
        self._history.restore(state["history"])
        self._seen, self._loss, self._base_loss = state["losses"]

    def _step(self, traits: Traits, was_true: bool) -> None:
        self._regression.learn_one(self._features(traits), was_true)

    def _features(self, traits: Traits) -> Features:
        by_pattern, by_symbol = self._history.lean(traits)
        # Of what is no number, `max` gives the bound.
        decades = min(max(-math.log10(max(1e-300, traits.p_value)), 0.0), _MOST_DECADES)
        x = _NOTHING.copy()
        x["rarity"] = (decades - 6.0) / 4.0
        x["size"] = (min(math.log10(1.0 + max(0.0, traits.notional)), _MOST_SIZE) - 4.0) / 2.0
        x["persistence"] = min(math.log10(1.0 + max(traits.lasted_us, 0) / 1e6), _MOST_LASTING) - 1.0
        x["families"] = min(traits.families - 1.0, 3.0)
        x["severity"] = _SEVERITY[traits.severity]
        x["repeats"] = min(math.log2(1.0 + traits.repeats), 4.0)
        x["pattern_history"], x["symbol_history"] = 4.0 * by_pattern, 4.0 * by_symbol
        x[f"pattern={traits.pattern}"] = 1.0
        return x


def _regression() -> LogisticRegression:
    return LogisticRegression(AdaGrad(_STEP), l2=_SHRINKAGE, intercept_lr=_INTERCEPT_STEP)


def _cost(probability: float, was_true: bool) -> float:
    return -math.log(probability if was_true else 1.0 - probability)
