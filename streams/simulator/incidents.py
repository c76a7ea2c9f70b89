"""Planted incidents and their labels: what goes wrong, where, when, and who takes part."""

from collections.abc import Iterable, Sequence
from random import Random
from typing import Literal, get_args

import msgspec

from detectors.errors import ConfigError
from streams.simulator.settings import ExchangeSettings

Family = Literal["cancel_burst", "cancel_ring", "leverage_spike", "thin_book", "correlated"]
FAMILIES: tuple[Family, ...] = get_args(Family)

#: How long an incident lasts when there is room for it, in seconds.
_USUAL_S: dict[Family, float] = {
    "cancel_burst": 8.0,
    "cancel_ring": 12.0,
    "leverage_spike": 25.0,
    "thin_book": 10.0,
    "correlated": 15.0,
}
_SHORTEST_SLOT_S = 6.0
_RING = range(6, 13)
_SPIKE_ACCOUNTS = 80


class Incident(msgspec.Struct, frozen=True):
    """The label of a planted incident.

    Parameters
    ----------
    id
        Its name.
    family
        `cancel_burst`: one account places and takes back. `cancel_ring`: several do, each moderately, in step.
        `leverage_spike`: many accounts raise their leverage. `thin_book`: makers withdraw. `correlated`: all at once.
    symbol
        Where it happens.
    accounts
        Who takes part. In a `correlated` one: the bursting account, then a ring of eight, then who raises leverage;
        makers may stand anywhere.
    start_us, end_us
        From when until when, microseconds since the epoch; the end is later.
    intensity
        How strong; > 0, 1 is usual. It multiplies the rate of cancels, the number of accounts that `plant` has raise
        leverage, and the depth withdrawn (at most 95 %).
    """

    id: str
    family: Family
    symbol: str
    accounts: tuple[str, ...]
    start_us: int
    end_us: int
    intensity: float = 1.0


def check(incidents: Iterable[Incident], settings: ExchangeSettings) -> None:
    """Raise ConfigError unless every incident can happen on the exchange of these settings."""
    known = set(settings.account_names())
    for incident in incidents:
        unknown = sorted(set(incident.accounts) - known)
        checks = (
            (incident.family in FAMILIES, f"a family out of {', '.join(FAMILIES)}", incident.family),
            (incident.symbol in settings.symbols, f"a symbol out of {', '.join(settings.symbols)}", incident.symbol),
            (bool(incident.accounts), "at least one account", incident.accounts),
            (not unknown, "accounts of this exchange", unknown[:3]),
            (incident.start_us < incident.end_us, "an end after its start", (incident.start_us, incident.end_us)),
            (incident.intensity > 0, "an intensity > 0", incident.intensity),
        )
        for ok, what, found in checks:
            if not ok:
                raise ConfigError(f"incident {incident.id} must have {what}, has {found!r}")


def plant(
    seed: int,
    settings: ExchangeSettings,
    *,
    warmup_s: float = 60.0,
    intensity: float = 1.0,
    families: Sequence[Family] = FAMILIES,
) -> list[Incident]:
    """Plan one incident of each family, in turn after the warm-up, apart from each other, on varying symbols.

    Parameters
    ----------
    seed
        Decides order, places, times and accounts.
    settings
        The exchange they are for.
    warmup_s
        How long nothing happens at the beginning, in seconds; >= 0.
    intensity
        Of all of them; > 0.
    families
        Which ones.

    Raises
    ------
    ConfigError
        The time after the warm-up is too short: each incident takes a slot of at least 6 s.

    Examples
    --------
    >>> [(found.family, found.symbol) for found in plant(1, ExchangeSettings(), families=("thin_book",))]
    [('thin_book', 'SOL-PERP')]
    """
    rng = Random(seed)
    slot_s = (settings.duration_s - warmup_s) / max(1, len(families))
    if families and slot_s < _SHORTEST_SLOT_S:
        least_s = warmup_s + _SHORTEST_SLOT_S * len(families)
        what = f"for {len(families)} incidents after {warmup_s} s"
        raise ConfigError(f"exchange.duration_s must be >= {least_s} {what}, was {settings.duration_s}")
    symbols: list[str] = []
    incidents = []
    for number, family in enumerate(rng.sample(families, len(families))):
        symbols = symbols or rng.sample(settings.symbols, len(settings.symbols))
        # At most half of its slot, and not at its end: time for things to settle before the next.
        length_s = min(_USUAL_S[family], slot_s / 2)
        start_s = warmup_s + slot_s * number + rng.uniform(0, slot_s / 2 - length_s / 2)
        start_us = settings.start_us + round(start_s * 1e6)
        incident = Incident(
            f"{number + 1:02d}-{family}",
            family,
            symbols.pop(),
            _cast(rng, family, settings, intensity),
            start_us,
            start_us + round(length_s * 1e6),
            intensity,
        )
        incidents.append(incident)
    check(incidents, settings)
    return incidents


def _cast(rng: Random, family: Family, settings: ExchangeSettings, intensity: float) -> tuple[str, ...]:
    """Choose who takes part."""
    names = settings.account_names()
    makers, traders = names[: settings.makers], names[settings.makers :]
    # Machines of middling activity: not so busy that a burst is their daily bread.
    machines = rng.sample(traders[len(traders) // 40 : len(traders) // 4], _RING.stop)
    spikers = rng.sample(traders, min(len(traders) // 4, max(5, round(spike_size(settings) * intensity))))
    match family:
        case "cancel_burst":
            return tuple(machines[:1])
        case "cancel_ring":
            return tuple(machines[: rng.choice(_RING)])
        case "leverage_spike":
            return tuple(spikers)
        case "thin_book":
            return tuple(makers)
        case "correlated":
            return (*machines[:9], *(name for name in spikers if name not in machines[:9]), *makers)


def spike_size(settings: ExchangeSettings) -> float:
    """Return how many accounts raise leverage in a spike of usual intensity: well above what is usual on a symbol."""
    usual_per_s = settings.leverage_per_s / len(settings.symbols)
    return _SPIKE_ACCOUNTS + 4 * usual_per_s * _USUAL_S["leverage_spike"]


def labels_json(incidents: Iterable[Incident]) -> bytes:
    """Return the labels as NDJSON, one a line.

    Examples
    --------
    >>> print(labels_json([Incident("a", "thin_book", "X", ("maker-000",), 1, 2)]).decode().strip())
    {"id":"a","family":"thin_book","symbol":"X","accounts":["maker-000"],"start_us":1,"end_us":2,"intensity":1.0}
    """
    return msgspec.json.Encoder().encode_lines(list(incidents))
