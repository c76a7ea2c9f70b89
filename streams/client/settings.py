"""What an engine decides for itself: what accounts may do without limits, and how far it trusts clocks and the feed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

_US_PER_S = 1_000_000


@dataclass(frozen=True, slots=True)
class Baseline:
    """What an account may do when nothing limits it: the most that it may ever do.

    Parameters
    ----------
    orders_per_second
        New orders a second in the long run, > 0.
    burst
        New orders at once, >= 1.

    Raises
    ------
    ValueError
        One of them is out of its range.
    """

    orders_per_second: float
    burst: float

    def __post_init__(self) -> None:
        if not 0.0 < self.orders_per_second < float("inf"):
            raise ValueError(f"baseline: expected orders_per_second > 0, found {self.orders_per_second!r}")
        if not 1.0 <= self.burst < float("inf"):
            raise ValueError(f"baseline: expected a burst >= 1, found {self.burst!r}")


#: The baselines of accounts that have another than the default; a callable answers None for all others.
Baselines = Mapping[str, Baseline] | Callable[[str], Baseline | None]


@dataclass(frozen=True, slots=True)
class Trust:
    """How far clocks and the feed are trusted.

    Parameters
    ----------
    clock_tolerance_s
        How far Squall's clock and the engine's may be apart, >= 0.
    silence_s
        The feed counts as silent when nothing was heard of it for so long, > 0. A live one is heard of about twice a
        second: less than some seconds takes a hiccup for silence.
    longest_lease_s, longest_order_s
        The longest lease (`expires_at` - `issued_at`) that is believed: of a limit that Squall made, and of one that an
        operator ordered; > 0.

    Raises
    ------
    ValueError
        One of them is out of its range.
    """

    clock_tolerance_s: float = 2.0
    silence_s: float = 10.0
    longest_lease_s: float = 3_600.0
    longest_order_s: float = 86_400.0

    def __post_init__(self) -> None:
        for name in ("clock_tolerance_s", "silence_s", "longest_lease_s", "longest_order_s"):
            found = getattr(self, name)
            if not 0.0 <= found < 1e9 or (not found and name != "clock_tolerance_s"):
                raise ValueError(f"trust: expected {name} > 0 (a tolerance may be 0) and in seconds, found {found!r}")

    @property
    def tolerance_us(self) -> int:
        """`clock_tolerance_s` in microseconds."""
        return round(self.clock_tolerance_s * _US_PER_S)

    @property
    def silence_us(self) -> int:
        """`silence_s` in microseconds."""
        return round(self.silence_s * _US_PER_S)

    def longest_us(self, ordered: bool) -> int:
        """Tell the longest lease that is believed, in microseconds."""
        return round((self.longest_order_s if ordered else self.longest_lease_s) * _US_PER_S)
