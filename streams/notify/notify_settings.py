"""How alerts are delivered."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """What delivers alerts, and where to.

    Parameters
    ----------
    state_dir
        Where what is still to be delivered is kept over restarts.
    """

    state_dir: str = "notify-state"
