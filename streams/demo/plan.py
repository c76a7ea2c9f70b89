"""What a demo plays: how much event time, how dense, how fast, and which incidents."""

from dataclasses import dataclass

from detectors.errors import ConfigError
from streams.simulator import COMPONENTS, FAMILIES, ExchangeSettings, Family, Incident, plant


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """A simulated exchange, played faster than its own time.

    The first half warms the models up; the incidents stand in the second.

    Parameters
    ----------
    seed
        The same seed gives the same events and plants the same incidents; >= 0.
    duration_s
        Event time, in seconds; at least 60.
    events_per_s
        Events in a second of event time, on average.
    pace_per_s
        Events in a second of the clock on the wall, on average; > 0.
    families
        Which incidents are planted, one of each.

    Raises
    ------
    ConfigError
        A value is out of its range.

    Examples
    --------
    >>> plan = DemoPlan(duration_s=900, events_per_s=600, pace_per_s=7_200)
    >>> plan.speed, plan.wall_s, len(plan.incidents())
    (12.0, 75.0, 5)
    """

    seed: int = 1
    duration_s: float = 840.0
    events_per_s: float = 600.0
    pace_per_s: float = 7_200.0
    families: tuple[Family, ...] = FAMILIES

    def __post_init__(self) -> None:
        """Refuse what cannot be played."""
        if self.duration_s < 60:
            raise ConfigError(f"duration must be >= 60 s, for half of it is warm-up; was {self.duration_s!r}")
        if self.pace_per_s <= 0:
            raise ConfigError(f"pace must be > 0 events/s, was {self.pace_per_s!r}")

    @property
    def speed(self) -> float:
        """How many times faster than event time it is played."""
        return self.pace_per_s / self.events_per_s

    @property
    def wall_s(self) -> float:
        """How long it takes to play, in seconds, when the machine keeps up."""
        return self.duration_s / self.speed

    def exchange(self) -> ExchangeSettings:
        """Make the settings of the exchange."""
        return ExchangeSettings(
            seed=self.seed,
            duration_s=self.duration_s,
            events_per_s=self.events_per_s,
            components=COMPONENTS if "latency_shock" in self.families else (),
        )

    def incidents(self) -> list[Incident]:
        """Plan the incidents: one of each of the families, in the second half."""
        return plant(self.seed, self.exchange(), warmup_s=self.duration_s / 2, families=self.families)


def clock(seconds: float) -> str:
    """Write seconds as minutes and seconds.

    Examples
    --------
    >>> clock(65.9)
    '01:05'
    """
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes:02d}:{rest:02d}"
