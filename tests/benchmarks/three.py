"""The core with its three first detectors alone: what all that came later is measured against."""

from collections.abc import Iterator
from contextlib import contextmanager

from detectors import symbol_watch
from detectors.cancel_watch import CancelWatch
from detectors.lockstep_watch import LockstepWatch
from detectors.market_stage import MarketStage
from detectors.results import Signal
from detectors.thin_watch import ThinWatch


class _NoFeeds:
    """Feeds that nobody watches."""

    def nothing(self, *_: object) -> list[Signal]:
        return []

    def hold_back(self, _symbol: str, _tick: int, signals: list[Signal]) -> list[Signal]:
        return signals

    read = refused = close_tick = nothing


class _NoProfiles:
    """Books of which cascades hear nothing."""

    def close_tick(self, *_: object) -> None:
        return None


@contextmanager
def three_detectors() -> Iterator[None]:
    """Within, symbols are watched for cancel bursts and thin books only; leverage and correlation are as ever."""
    every = symbol_watch.WATCHES
    symbol_watch.WATCHES = CancelWatch, ThinWatch, LockstepWatch
    try:
        yield
    finally:
        symbol_watch.WATCHES = every


def strip(market: MarketStage) -> None:
    """Take from a stage what is no watch of a symbol: feeds, and profiles for cascades."""
    market._feeds = _NoFeeds()  # type: ignore[assignment]
    market._profiles = _NoProfiles()  # type: ignore[assignment]
