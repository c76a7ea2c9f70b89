"""How the ops console is served."""

from dataclasses import dataclass

from detectors.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """Where the console listens.

    Parameters
    ----------
    host, port
        The address it is served at.
    """

    host: str = "127.0.0.1"
    port: int = 8066

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not 0 <= self.port < 65_536:
            raise ConfigError(f"console.port must be in [0, 65536), was {self.port!r}")
