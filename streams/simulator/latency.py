"""How long the components of the exchange take."""

import math
from collections.abc import Callable, Iterable
from random import Random

from detectors.events import Event, Latency
from streams.simulator.incidents import Incident

#: Measurements of one component in a second.
PER_S = 2
_MEDIAN_US, _SIGMA, _MEMORY = 20_000.0, 0.25, 0.95
#: Now and then something takes long by itself.
_HICCUP_SHARE, _HICCUP = 0.005, 3.0
_SHOCK = 10.0


class Latencies:
    """Latencies of the components, log-normal around 20 ms with a memory of ten seconds.

    In a shock a component takes `10 ** intensity` times as long: from 20 to 200 ms.

    Parameters
    ----------
    components
        Their names.
    incidents
        Those of the family `latency_shock` are looked at.
    emit
        Takes each event with its topic.
    rng
        Where its chance comes from.

    Examples
    --------
    >>> told = []
    >>> shock = Incident("1", "latency_shock", "gateway", (), 5, 15)
    >>> latencies = Latencies(("gateway",), [shock], told.append, Random(1))
    >>> latencies.measure(0, 0), latencies.measure(10, 0), latencies.measure(20, 0)
    (None, None, None)
    >>> [event.latency_us > 100_000 for _, event in told]
    [False, True, False]
    """

    def __init__(
        self,
        components: tuple[str, ...],
        incidents: Iterable[Incident],
        emit: Callable[[tuple[str, Event]], None],
        rng: Random,
    ) -> None:
        self._components = components
        self._shocks = [one for one in incidents if one.family == "latency_shock"]
        self._emit = emit
        self._rng = rng
        self._wander = [0.0] * len(components)

    def measure(self, now_us: int, number: int) -> None:
        """Tell how long the component of a number takes now."""
        rng, component = self._rng, self._components[number]
        own = rng.gauss(0.0, _SIGMA * math.sqrt(1.0 - _MEMORY * _MEMORY))
        self._wander[number] = _MEMORY * self._wander[number] + own
        log_factor = self._wander[number] + rng.gauss(0.0, _SIGMA)
        factor = _HICCUP if rng.random() < _HICCUP_SHARE else 1.0
        for one in self._shocks:
            if one.symbol == component and one.start_us <= now_us < one.end_us:
                factor *= _SHOCK**one.intensity
        latency_us = round(_MEDIAN_US * math.exp(log_factor) * factor, 1)
        self._emit(("latency", Latency(now_us, component, latency_us)))
