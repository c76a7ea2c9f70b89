"""The settings of the core, in small groups; their defaults stand here and nowhere else.

Each group checks its own ranges when it is made. The shell (`streams/settings.py`) fills the same groups from a file, the
environment and flags.
"""

from dataclasses import dataclass, field

from detectors.errors import ConfigError


def _require(ok: bool, what: str, found: object) -> None:
    if not ok:
        raise ConfigError(f"{what}, was {found!r}")


@dataclass(frozen=True, slots=True)
class Timing:
    """Event time: ticks, allowed lateness, and when a silent input stops holding the others back.

    Parameters
    ----------
    tick_ms
        Length of a tick in milliseconds, a divisor of 1,000.
    lateness_ms
        How far an event may stand behind the newest of its input and still be counted in its tick.
    idle_ms
        An input that has been read to its end, and stays there this long by the clock on the wall, no longer holds the watermark.
    source_timeout_ms
        A stage upstream that says nothing this long (its worker died and nobody took over) no longer holds it either.
    future_limit_s
        An event this far ahead of its topic partition is refused.
    future_patience
        After so many events in a row ahead of their topic partition it is time that has moved, not a wrong clock.
    """

    tick_ms: int = 100
    lateness_ms: int = 200
    idle_ms: int = 1_000
    source_timeout_ms: int = 30_000
    future_limit_s: int = 3_600
    future_patience: int = 100

    def __post_init__(self) -> None:
        _require(self.tick_ms > 0 and 1_000 % self.tick_ms == 0, "timing.tick_ms must be a divisor of 1000", self.tick_ms)
        _require(self.lateness_ms >= 0, "timing.lateness_ms must be >= 0", self.lateness_ms)
        _require(self.idle_ms >= self.lateness_ms, "timing.idle_ms must be >= timing.lateness_ms", self.idle_ms)
        _require(self.source_timeout_ms > 0, "timing.source_timeout_ms must be > 0", self.source_timeout_ms)
        _require(self.future_limit_s > 0, "timing.future_limit_s must be > 0", self.future_limit_s)
        _require(self.future_patience > 0, "timing.future_patience must be > 0", self.future_patience)

    @property
    def tick_us(self) -> int:
        """Length of a tick in microseconds."""
        return self.tick_ms * 1_000

    @property
    def lateness_us(self) -> int:
        """Allowed lateness in microseconds."""
        return self.lateness_ms * 1_000

    @property
    def idle_us(self) -> int:
        """Idle time-out in microseconds."""
        return self.idle_ms * 1_000


@dataclass(frozen=True, slots=True)
class CoreSettings:
    """All settings of the core."""

    timing: Timing = field(default_factory=Timing)
