"""What operators' verdicts may do to the order of alerts."""

from dataclasses import dataclass

from detectors.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Ranker:
    """When verdicts on alerts begin to reorder the queue, and how far.

    Parameters
    ----------
    min_verdicts
        Alerts that must have been judged before anything is reordered, >= 1.
    min_each
        Of these, at least so many true ones, and as many that were not, >= 1.
    max_factor
        A score counts at most so many times itself within its severity, and at least its reciprocal; in [1, 2]. 1:
        verdicts are learned and measured, and reorder nothing.
    settle_s
        Seconds of event time after a verdict was given before it counts, >= 1: until then it must have been read.
    max_alerts
        Alerts that can be judged: of more, those last said longest ago are forgotten, >= 1.
    """

    min_verdicts: int = 30
    min_each: int = 5
    max_factor: float = 2.0
    settle_s: int = 60
    max_alerts: int = 10_000

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        for name in ("min_verdicts", "min_each", "settle_s", "max_alerts"):
            if getattr(self, name) < 1:
                raise ConfigError(f"ranker.{name} must be >= 1, was {getattr(self, name)!r}")
        if not 1.0 <= self.max_factor <= 2.0:
            raise ConfigError(f"ranker.max_factor must be in [1, 2], was {self.max_factor!r}")
