"""The whole exchange: all symbols, their common weather, and the planted incidents, as one stream in order of time."""

from collections.abc import Callable, Iterator, Sequence
from random import Random

import numpy as np
from numpy.random import Generator

from detectors.events import Event
from streams.simulator.agenda import Agenda
from streams.simulator.build_ups import plan
from streams.simulator.clearing import Clearing, Forced
from streams.simulator.crowd import Crowd
from streams.simulator.flow import Flow
from streams.simulator.holdings import LEVERAGE_SHARES, LEVERAGES, Holdings
from streams.simulator.incidents import FAMILIES, Incident, check
from streams.simulator.latency import PER_S, Latencies
from streams.simulator.market import Admission, Market, Venue
from streams.simulator.regimes import Weather
from streams.simulator.settings import TICKERS_PER_S, ExchangeSettings, contract_of
from streams.simulator.strain import Strain
from streams.simulator.trouble import Trouble

#: Orders are drawn for several steps at once: drawing costs much a call and little an order.
_STEPS_A_PLAN = 5


class Exchange:
    """A simulated derivatives exchange: a seeded stream of events.

    It shows what an exchange tells of itself: trades, cancels, leverage changes, book snapshots of 20 levels, tickers,
    liquidations and (where components are named) latencies, all from one book a symbol, so that what is traded or taken
    back is gone from the next snapshot.

    Parameters
    ----------
    settings
        Size, rate and length; see `ExchangeSettings`.
    incidents
        What goes wrong, and when; see `plant`.
    admission
        Asked before any order of an account enters, as (account, symbol, now_us); None admits all.
    log
        With cascades, told of each liquidation and whether it fed on others; None: nobody is.

    Raises
    ------
    ConfigError
        An incident names a symbol or an account that this exchange does not have.

    Examples
    --------
    >>> settings = ExchangeSettings(seed=7, symbols=("BTC-PERP",), events_per_s=100, duration_s=1)
    >>> topic, event = next(Exchange(settings).events())
    >>> event.timestamp >= settings.start_us
    True
    """

    def __init__(
        self,
        settings: ExchangeSettings,
        incidents: Sequence[Incident] = (),
        admission: Admission | None = None,
        log: Callable[[Forced], None] | None = None,
    ) -> None:
        check(incidents, settings)
        self.settings = settings
        self.incidents = tuple(incidents)
        self._admission = admission
        self._log = log

    def events(self) -> Iterator[tuple[str, Event]]:
        """Yield (topic, event) in order of time; each call begins anew and yields the same."""
        run = _Run(self.settings, self.incidents, self._admission, self._log)
        return run.events()


class _Run:
    """One run of an exchange."""

    def __init__(
        self,
        settings: ExchangeSettings,
        incidents: Sequence[Incident],
        admission: Admission | None,
        log: Callable[[Forced], None] | None,
    ) -> None:
        self._settings = settings
        self._step_us = 1_000_000 // settings.books_per_s
        self._steps_a_ticker = settings.books_per_s // TICKERS_PER_S
        self._out: list[tuple[str, Event]] = []
        self._agenda = Agenda(self._step_us)
        # Streams of chance of their own: an incident does not change what the others draw.
        seeds = iter(np.random.SeedSequence(settings.seed).spawn(2 + 3 * len(settings.symbols)))
        contracts = [contract_of(symbol) for symbol in settings.symbols]
        self._weather = Weather(contracts, self._step_us / 1e6, Generator(np.random.PCG64(next(seeds))))
        self._rng = Generator(np.random.PCG64(next(seeds)))
        self._flows: list[Flow] = []
        self._clearings: list[Clearing] = []
        self._crowds: list[Crowd] = []
        venue = Venue(settings, self._agenda, self._out.append, admission)
        for contract in contracts:
            holdings = Holdings(contract, settings, Generator(np.random.PCG64(next(seeds))))
            chance = Random(int(next(seeds).generate_state(1)[0]))
            market = Market(contract, venue, holdings, chance)
            self._clearings.append(Clearing(market, holdings, chance))
            self._flows.append(Flow(market, settings, Generator(np.random.PCG64(next(seeds)))))
            if settings.cascades is not None:
                planned = plan(contract.symbol, settings, settings.cascades)
                chance = Random(f"crowds {settings.seed} {contract.symbol}")
                usual_lots = self._flows[-1].usual_side_lots
                self._crowds.append(Crowd(self._clearings[-1], settings, usual_lots, planned, chance))
                self._clearings[-1].log = log
        chance = Random(f"latencies {settings.seed}")
        latencies = Latencies(settings.components, incidents, self._out.append, chance)
        self._measuring = self._agenda.action(latencies.measure)
        for number, incident in enumerate(incidents):
            if incident.family == "latency_shock":
                continue
            clearing = self._clearings[settings.symbols.index(incident.symbol)]
            kind = Trouble if incident.family in FAMILIES else Strain
            trouble = kind(incident, clearing, settings, Random(settings.seed * 1_000 + number))
            self._agenda.add(max(incident.start_us, settings.start_us), trouble.beginning, None)

    def events(self) -> Iterator[tuple[str, Event]]:
        start_us, end_us, step_us = self._settings.start_us, self._settings.end_us, self._step_us
        for flow in self._flows:
            flow.open_book(start_us)
        for slot in range(start_us // step_us, -(-end_us // step_us)):
            self._plan(max(slot * step_us, start_us), (slot + 1) * step_us)
            self._agenda.run(slot)
            if (slot + 1) * step_us <= end_us:
                yield from self._out
            else:
                yield from (found for found in self._out if found[1].timestamp < end_us)
            self._out.clear()

    def _plan(self, begin_us: int, end_us: int) -> None:
        """Put on the agenda what comes by itself between two times."""
        self._weather.step()
        step_us, plan_us = self._step_us, _STEPS_A_PLAN * self._step_us
        for index, flow in enumerate(self._flows):
            market, fair_price = flow.market, self._weather.fair_prices[index]
            if self._crowds:
                fair_price = self._crowds[index].step(begin_us, fair_price)
            market.move(begin_us, fair_price, self._weather.regimes[index])
            if begin_us % plan_us == 0 or begin_us == self._settings.start_us:
                flow.plan(begin_us, plan_us - begin_us % plan_us, self._weather.rates[index])
            # Symbols take turns within the step, as feeds do.
            phase_us = index * step_us // len(self._flows)
            at_us = max(begin_us, end_us - step_us + phase_us)
            self._agenda.add(at_us, market.showing, None)
            if begin_us // step_us % self._steps_a_ticker == index % self._steps_a_ticker:
                self._agenda.add(at_us, self._clearings[index].ticking, None)
        self._plan_leverage(begin_us, end_us - begin_us)
        self._plan_latencies(begin_us, end_us)

    def _plan_leverage(self, begin_us: int, step_us: int) -> None:
        settings, rng = self._settings, self._rng
        for _ in range(rng.poisson(settings.leverage_per_s * step_us / 1e6)):
            account = int(rng.integers(settings.makers, settings.accounts))
            clearing = self._clearings[int(rng.integers(len(self._clearings)))]
            wanted = LEVERAGES[int(rng.integers(len(LEVERAGES)))]
            if settings.cascades is not None:
                # Where leverage has consequences for hours, it must not drift away from what is usual.
                wanted = float(rng.choice(LEVERAGES, p=LEVERAGE_SHARES))
            at_us = int(rng.integers(begin_us, begin_us + step_us))
            self._agenda.add(at_us, clearing.changing, (account, wanted))

    def _plan_latencies(self, begin_us: int, end_us: int) -> None:
        count = len(self._settings.components)
        gap_us = 1_000_000 // PER_S
        for number in range(count):
            # Components take turns too.
            phase_us = number * gap_us // count
            first_us = begin_us + (phase_us - begin_us) % gap_us
            for at_us in range(first_us, end_us, gap_us):
                self._agenda.add(at_us, self._measuring, number)
