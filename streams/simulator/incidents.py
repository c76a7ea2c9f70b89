"""Planted incidents and their labels: what goes wrong, where, when, and who takes part."""

from collections.abc import Iterable, Sequence
from random import Random
from typing import Literal, get_args

import msgspec

from detectors.errors import ConfigError
from streams.simulator.settings import ExchangeSettings

Family = Literal[
    "cancel_burst",
    "cancel_ring",
    "leverage_spike",
    "thin_book",
    "correlated",
    "mark_divergence",
    "latency_shock",
    "trade_burst",
    "layering",
    "liquidation_wave",
]
ALL_FAMILIES: tuple[Family, ...] = get_args(Family)
#: What is planted unless told otherwise.
FAMILIES: tuple[Family, ...] = ALL_FAMILIES[:5]
#: Families in which no account takes part.
_OF_NOBODY = frozenset(("mark_divergence", "latency_shock"))

#: How long an incident lasts when there is room for it, in seconds.
_USUAL_S: dict[Family, float] = {
    "cancel_burst": 8.0,
    "cancel_ring": 12.0,
    "leverage_spike": 25.0,
    "thin_book": 10.0,
    "correlated": 15.0,
    "mark_divergence": 20.0,
    "latency_shock": 15.0,
    "trade_burst": 12.0,
    "layering": 30.0,
    "liquidation_wave": 25.0,
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
        `leverage_spike`: many accounts raise their leverage. `thin_book`: makers withdraw. `correlated`: all of them at
        once. `mark_divergence`: the mark price leaves the index. `latency_shock`: a component takes ten times as long.
        `trade_burst`: two accounts trade on one side, again and again. `layering`: one account places several levels on
        one side, trades on the other, and takes the levels back. `liquidation_wave`: accounts are closed out, each of
        which brings about others (a Hawkes process of branching 0.8).
    symbol
        Where it happens: a symbol; of a `latency_shock`, a component.
    accounts
        Who takes part. In a `correlated` one: the bursting account, then a ring of eight, then who raises leverage;
        makers may stand anywhere. In a `mark_divergence` and a `latency_shock`: nobody.
    start_us, end_us
        From when until when, microseconds since the epoch; the end is later.
    intensity
        How strong; > 0, 1 is usual. It multiplies the rate of cancels, trades and liquidations, the size of layers, the
        gap of the mark, the number of accounts that `plant` has raise leverage, and the depth withdrawn (at most 95 %);
        of the factor on latencies it is the power.
    """

    id: str
    family: Family
    symbol: str
    accounts: tuple[str, ...]
    start_us: int
    end_us: int
    intensity: float = 1.0


def families_of(names: str | None) -> tuple[Family, ...]:
    """Read the names of families, between commas, or `all`; None means those that are planted unless told otherwise.

    Raises
    ------
    ConfigError
        There is no such family.

    Examples
    --------
    >>> families_of("layering, trade_burst"), families_of(None) == FAMILIES, families_of("all") == ALL_FAMILIES
    (('trade_burst', 'layering'), True, True)
    """
    if names is None:
        return FAMILIES
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if wanted == ["all"]:
        return ALL_FAMILIES
    unknown = sorted(set(wanted).difference(ALL_FAMILIES))
    if unknown or not wanted:
        raise ConfigError(f"families must be out of {', '.join(ALL_FAMILIES)}, or all; found {names!r}")
    return tuple(family for family in ALL_FAMILIES if family in wanted)


def check(incidents: Iterable[Incident], settings: ExchangeSettings) -> None:
    """Raise ConfigError unless every incident can happen on the exchange of these settings."""
    known = set(settings.account_names())
    for incident in incidents:
        unknown = sorted(set(incident.accounts) - known)
        places = settings.components if incident.family == "latency_shock" else settings.symbols
        of_what = "component" if incident.family == "latency_shock" else "symbol"
        checks = (
            (incident.family in ALL_FAMILIES, f"a family out of {', '.join(ALL_FAMILIES)}", incident.family),
            (incident.symbol in places, f"a {of_what} out of {', '.join(places) or 'none'}", incident.symbol),
            (bool(incident.accounts) or incident.family in _OF_NOBODY, "at least one account", incident.accounts),
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
        The time after the warm-up is too short: each incident takes a slot of at least 6 s. Or there is no component
        that tells its latency, and a `latency_shock` is wanted.

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
            _place(rng, family, settings, symbols),
            _cast(rng, family, settings, intensity),
            start_us,
            start_us + round(length_s * 1e6),
            intensity,
        )
        incidents.append(incident)
    check(incidents, settings)
    return incidents


def _place(rng: Random, family: Family, settings: ExchangeSettings, symbols: list[str]) -> str:
    """Choose where: the next of the symbols, or any component."""
    if family != "latency_shock":
        return symbols.pop()
    if not settings.components:
        raise ConfigError("exchange.components must name at least one for a latency_shock, was ()")
    return rng.choice(settings.components)


def _cast(rng: Random, family: Family, settings: ExchangeSettings, intensity: float) -> tuple[str, ...]:
    """Choose who takes part."""
    names = settings.account_names()
    makers, traders = names[: settings.makers], names[settings.makers :]
    # Machines of middling activity: not so busy that a burst is their daily bread.
    machines = rng.sample(traders[len(traders) // 40 : len(traders) // 4], _RING.stop)
    spikers = rng.sample(traders, min(len(traders) // 4, max(5, round(spike_size(settings) * intensity))))
    cast: dict[Family, Sequence[str]] = {
        "cancel_burst": machines[:1],
        # The size of a ring is drawn for a ring alone: other families draw nothing after this.
        "cancel_ring": machines[: rng.choice(_RING)] if family == "cancel_ring" else (),
        "leverage_spike": spikers,
        "thin_book": makers,
        "correlated": (*machines[:9], *(name for name in spikers if name not in machines[:9]), *makers),
        "trade_burst": machines[:2],
        "layering": machines[:1],
        "liquidation_wave": spikers,
    }
    return tuple(cast.get(family, ()))


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
