"""What a cascade is, and where positions are liquidated."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from detectors.errors import ConfigError
from detectors.liquidation_price import MaintenanceTiers

_DEFAULT_TIERS = MappingProxyType({"0": 0.005})


@dataclass(frozen=True, slots=True)
class Cascade:
    """The definition of a cascade, and of maintenance margins.

    A cascade begins on a symbol when, within `window_s`, positions worth at least `depth_share` of the usual depth
    within 50 basis points of the price were liquidated on one side, and the price moved at least `move` the same way.

    Parameters
    ----------
    window_s
        In seconds, a multiple of 5, in [5, 600].
    depth_share
        Share of the usual depth within 50 basis points on the side that is eaten, > 0.
    move
        Move of the mid price as a share of it, in (0, 1).
    quiet_s
        Seconds without those conditions after which a next cascade is another one, >= 0.
    maintenance_tiers
        Maintenance margin by notional of a position: notional from which on it holds -> share of notional; "0" is
        needed. A venue's own numbers; by default half a per cent of any position.
    """

    window_s: int = 60
    depth_share: float = 0.5
    move: float = 0.01
    quiet_s: int = 600
    maintenance_tiers: dict[str, float] = field(default_factory=lambda: dict(_DEFAULT_TIERS))

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not (5 <= self.window_s <= 600 and self.window_s % 5 == 0):
            raise ConfigError(f"cascade.window_s must be a multiple of 5 in [5, 600], was {self.window_s!r}")
        if not self.depth_share > 0.0:
            raise ConfigError(f"cascade.depth_share must be > 0, was {self.depth_share!r}")
        if not 0.0 < self.move < 1.0:
            raise ConfigError(f"cascade.move must be in (0, 1), was {self.move!r}")
        if self.quiet_s < 0:
            raise ConfigError(f"cascade.quiet_s must be >= 0, was {self.quiet_s!r}")
        _tiers(self.maintenance_tiers)

    @property
    def tiers(self) -> MaintenanceTiers:
        """Maintenance tiers in order of notional."""
        return _tiers(self.maintenance_tiers)


def _tiers(given: Mapping[str, float]) -> list[tuple[float, float]]:
    try:
        tiers = sorted((float(notional), float(share)) for notional, share in given.items())
    except ValueError as error:
        raise ConfigError(f"cascade.maintenance_tiers: expected notionals as names, found {sorted(given)}") from error
    if not tiers or tiers[0][0] != 0.0:
        raise ConfigError('cascade.maintenance_tiers: expected a tier "0", the smallest positions, and found none')
    for notional, share in tiers:
        if not 0.0 <= share < 1.0:
            raise ConfigError(f"cascade.maintenance_tiers.{notional:g} must be in [0, 1), was {share!r}")
    return tiers
