"""Numbers that a stage has about itself and its market, for whoever wants to show them; nothing is decided by them."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from detectors.entities import Entities

Quantity = Literal[
    "entities",
    "entities_fill",
    "calibrations",
    "cancels",
    "trades",
    "spread_bp",
    "depth_10bp",
    "imbalance",
    "open_interest",
    "alerts_open",
    "limits_in_force",
    "orders_in_force",
    "trips_in_force",
    "cascade_probability",
    "cascade_gain",
    "cascade_distance_bp",
    "cascade_base_rate",
    "cascade_brier",
    "contagion_radius",
    "contagion_expected",
    "ground_moved",
    "effective_spread_bp",
    "slippage_bp",
    "fill_degradation",
    "ranker_verdicts",
    "ranker_state",
    "ranker_log_loss",
]


class Measure(NamedTuple):
    """One number, with what tells it from others of its quantity; those that are equal in both add up.

    =================  ====================  =======================================================================
    quantity           labels                value
    =================  ====================  =======================================================================
    `entities`         kind                  how many are remembered
    `entities_fill`    kind                  the same, of those that may be, in [0, 1]
    `calibrations`     detector, state       streams of scores whose calibration is `warming` or `warm`
    `cancels`          symbol                since the stage began to watch it; starts again when it was forgotten
    `trades`           symbol                as above
    `spread_bp`        symbol                of the newest book, in basis points of the mid price
    `depth_10bp`       symbol, side          notional within ten basis points of the mid price, by the newest book
    `imbalance`        symbol                of the newest book, bid over ask within 25 basis points, in [-1, 1]
    `open_interest`    symbol                as last told
    `alerts_open`      pattern, sev., sym.   how many are open
    `limits_in_force`  action                accounts with a limit now
    `orders_in_force`  action                operators' orders now; the first partition has those about all accounts
    `trips_in_force`   rule, level, symbol   entities that are tripped now; symbol is empty where the rule has none
    =================  ====================  =======================================================================

    Of cascades: `cascade_probability` by symbol and horizon in seconds; `cascade_gain`, the largest, and
    `cascade_distance_bp` to the nearest self-feeding interval by symbol (none: absent); by horizon `cascade_base_rate`
    and `cascade_brier`, of the `forecast` and of the `base_rate`, once forecasts were judged; `contagion_radius` and
    `contagion_expected` of the graph of symbols.

    Of a symbol's inputs and models, by name: `ground_moved`, 1 while what it stands on has drifted lately, else 0. Of
    its fills: `effective_spread_bp` of trades, `slippage_bp` of the standard order, and by cost `fill_degradation`, the
    factor by which it grows when volatility doubles.

    Of operators' verdicts: `ranker_verdicts` by verdict, `ranker_state`, 1 for `on` or `off`, and
    `ranker_log_loss`, of the `ranker` and of the `base_rate`, once there are any.
    """

    quantity: Quantity
    labels: tuple[str, ...]
    value: float


def entity_measures(kept: Mapping[str, Entities[Any]]) -> Iterator[Measure]:
    """How many entities of each kind are remembered, and how near that is to the most.

    Examples
    --------
    >>> accounts = Entities[int](4, save=int, load=lambda name, state, notes: state, turn=int)
    >>> _ = accounts.add("a", 1)
    >>> [tuple(measure) for measure in entity_measures({"account": accounts})]
    [('entities', ('account',), 1), ('entities_fill', ('account',), 0.25)]
    """
    for kind, entities in kept.items():
        yield Measure("entities", (kind,), len(entities))
        if entities.most:
            yield Measure("entities_fill", (kind,), len(entities) / entities.most)


def calibration_measure(detector: str, *, is_warm: bool) -> Measure:
    """One stream of scores, by whether its calibration has seen enough."""
    return Measure("calibrations", (detector, "warm" if is_warm else "warming"), 1)
