"""The families of incidents: what each is, how it is planted, what counts as finding it, what baselines look at.

A new family is a new entry. One whose pattern no detector gives yet stands here all the same: it is reported as silent.
"""

import msgspec

from detectors.results import Pattern
from tests.benchmarks.detection.flows import SECOND_US
from tests.benchmarks.detection.planted_orders import (
    ignition,
    layering,
    leverage_ramp,
    liquidations,
    ring,
    storm,
    stuffing,
)
from tests.benchmarks.detection.planted_prices import (
    cascade,
    correlated,
    feed_fault,
    mark_gap,
    slow_component,
    thin_book,
)
from tests.benchmarks.detection.planting import Label, Planter

#: What baselines look at: names of features (see `seconds`) with +1 where more is worse, -1 where less is. The first is
#: the one that a static limit, and a single Gaussian, watch.
Watched = dict[str, float]
FEATURES: dict[str, Watched] = {
    "cancels": {
        "cancels_1s": 1, "cancels_10s": 1, "pressure_10s": 1, "top_cancels_1s": 1, "top_cancels_10s": 1, "in_step": 1,
    },
    "book": {
        "depth_25bp": -1, "depth_10bp": -1, "depth_50bp": -1, "slope": -1, "slippage_bp": 1, "spread_bp": 1,
    },
    "leverage": {"raises_60s": 1, "raises_1s": 1, "raises_10s": 1, "doublings_60s": 1},
    "trades": {"trades_1s": 1, "trades_10s": 1, "volume_10s": 1, "one_sided_10s": 1, "rush": 1},
    "references": {"mark_index_bp": 1, "mark_last_bp": 1, "last_index_bp": 1},
    "latency": {"latency_ms": 1, "latency_10s_ms": 1},
    "liquidations": {"liquidations_10s": 1, "liquidations_1s": 1, "liquidations_60s": 1, "liquidated_60s": 1},
    "layers": {"top_level": 1, "one_sided_book": 1, "cancelled_1s": 1, "cancels_1s": 1},
    "feed": {"book_age_s": 1, "silence_s": 1, "same_book": 1, "trades_1s": 1, "cancels_1s": 1},
    "all": {
        "cancels_10s": 1, "top_cancels_10s": 1, "in_step": 1, "raises_60s": 1, "depth_25bp": -1, "spread_bp": 1,
        "trades_10s": 1,
    },
}  # fmt: skip


#: Cancels are found at far less than what their recipes say.
_GENTLE = (0.0625, 0.125, 0.25, 0.5, 1.0)


class Family(msgspec.Struct, frozen=True):
    """One family of incidents.

    Parameters
    ----------
    name
        Of the family.
    patterns
        An alert of one of these, on the incident's entity, finds it.
    plant
        Puts it into a flow.
    features
        A key of `FEATURES`.
    seconds
        It lasts between so many and so many seconds.
    needs
        Topics without which it cannot be planted.
    recipe
        What intensity 1 is, in a line.
    by_alerts
        Its pattern is judged over all partitions together, so that it stands in alerts and not in signals: the swept
        score is the alert's p-value, and what is too common for an alert is not seen.
    is_market
        Whether it is stress of the market; if not, market patterns must keep silent.
    ladder
        Intensities at which it is planted; 1 is among them.
    warn_s
        For what builds up before a crisis: so many seconds before its end the crisis comes. 0: there is none.
    """

    name: str
    patterns: tuple[Pattern, ...]
    plant: Planter
    features: str
    seconds: tuple[float, float]
    needs: tuple[str, ...]
    recipe: str
    by_alerts: bool = False
    is_market: bool = True
    ladder: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0)
    warn_s: float = 0.0

    def label(self, entity: str, start_us: int, intensity: float, seed: int) -> Label:
        """The label of an incident; how long it lasts depends on the seed and not on the intensity."""
        probe = Label(self.name, entity, start_us, start_us, intensity, seed)
        seconds = probe.chance("length").uniform(*self.seconds)
        end_us = start_us + round(seconds * SECOND_US)
        crisis_us = end_us - round(self.warn_s * SECOND_US) if self.warn_s else 0
        return msgspec.structs.replace(probe, end_us=end_us, crisis_us=crisis_us)


FAMILIES: tuple[Family, ...] = (
    Family("cancel_burst", ("cancel_burst",), stuffing, "cancels", (3.0, 10.0), ("cancels",),
           "one account cancels at 5 times the symbol's trailing p99 rate, orders live 1 to 50 ms",
           ladder=_GENTLE),
    Family("cancel_ring", ("cancel_burst",), ring, "cancels", (8.0, 12.0), ("cancels",),
           "5 accounts cancel in step, together at 2 times the trailing p99 rate",
           ladder=_GENTLE),
    Family("cancel_storm", ("cancel_burst",), storm, "cancels", (1.0, 1.0), ("cancels",),
           "the account with most resting orders cancels 90 % of them within a second",
           ladder=_GENTLE),
    Family("thin_book", ("thin_book",), thin_book, "book", (10.0, 20.0), ("books",),
           "80 % of the depth leaves within 0.5 s, the spread is 3 times as wide"),
    Family("leverage_spike", ("leverage_spike",), leverage_ramp, "leverage", (60.0, 60.0), ("leverage",),
           "5 times the usual number of accounts (at least 20) raise leverage to 50 within a minute",
           by_alerts=True),
    Family("correlated_stress", ("correlated_stress",), correlated, "all", (15.0, 15.0), ("cancels", "books"),
           "burst, ring, thin book and (where there is leverage) leverage at once, each at this intensity",
           by_alerts=True, ladder=_GENTLE),
    Family("mark_divergence", ("mark_divergence",), mark_gap, "references", (20.0, 20.0), ("tickers",),
           "the mark leaves the index by 10 times the trailing p99 of their gap"),
    Family("latency_shock", ("latency_shock",), slow_component, "latency", (10.0, 20.0), ("latency",),
           "a component takes 10 times as long: 20 to 200 ms"),
    Family("trade_burst", ("trade_burst",), ignition, "trades", (10.0, 30.0), ("trades", "books"),
           "one-sided orders at 3 times the trailing p99 rate, in rushes, move the price 10 bp and back"),
    Family("liquidation_wave", ("liquidation_wave",), liquidations, "liquidations", (20.0, 30.0), ("liquidations",),
           "Hawkes process, branching 0.8, first orders at 10 times the usual rate (at least 0.5/s)"),
    Family("layering", ("layering",), layering, "layers", (20.0, 40.0), ("cancels", "books"),
           "3 to 6 levels of 10 times the median size within 10 bp, held 3 to 8 s, cancelled within 0.2 s"),
    Family("cascade", ("cascade_risk",), cascade, "all", (90.0, 120.0), ("books", "leverage", "liquidations"),
           "leverage rises and depth erodes to half for 60 to 90 s; then liquidations, -3 % in 20 s, an empty book",
           by_alerts=True, warn_s=30.0),
    Family("feed_fault", ("feed_fault",), feed_fault, "feed", (20.0, 20.0), ("books",),
           "stall, duplicates, frozen books or a clock 5 s behind, for 20 s: no stress of the market",
           is_market=False),
)  # fmt: skip
