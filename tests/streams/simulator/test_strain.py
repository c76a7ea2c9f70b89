"""Planted incidents of marks, latencies, trades, layers and liquidations: that they can be seen in the flow."""

from statistics import median

import pytest

from detectors.errors import ConfigError
from detectors.events import Cancel, DerivativeTicker, Event, Latency, Liquidation, Trade
from streams.simulator import ALL_FAMILIES, COMPONENTS, FAMILIES, Exchange, ExchangeSettings, families_of, plant
from streams.simulator.incidents import Incident
from tests.streams.simulator.recording import Recording

FURTHER = tuple(family for family in ALL_FAMILIES if family not in FAMILIES)


@pytest.fixture(scope="module")
def strained() -> Recording:
    wanted = ExchangeSettings(seed=3, events_per_s=300, duration_s=160, components=COMPONENTS)
    incidents = plant(3, wanted, warmup_s=10, families=FURTHER)
    return Recording(wanted, incidents, list(Exchange(wanted, incidents).events()))


def during(recording: Recording, topic: str, incident: Incident) -> list[Event]:
    return recording.between(topic, incident.symbol, incident.start_us, incident.end_us)


def before(recording: Recording, topic: str, incident: Incident) -> list[Event]:
    length_us = incident.end_us - incident.start_us
    return recording.between(topic, incident.symbol, incident.start_us - length_us, incident.start_us)


def test_the_usual_agenda_is_what_it_was() -> None:
    assert FAMILIES == ("cancel_burst", "cancel_ring", "leverage_spike", "thin_book", "correlated")
    assert {incident.family for incident in plant(1, ExchangeSettings())} == set(FAMILIES)


def test_a_mark_that_diverges_leaves_the_index_and_comes_back(strained: Recording) -> None:
    incident = strained.incident("mark_divergence")

    def gaps(events: list[Event]) -> list[float]:
        tickers = [event for event in events if isinstance(event, DerivativeTicker)]
        return [abs(one.mark_price / one.index_price - 1) for one in tickers if one.mark_price and one.index_price]

    after_us = incident.end_us + 3_000_000
    after = strained.between("tickers", incident.symbol, after_us, after_us + 5_000_000)
    assert max(gaps(during(strained, "tickers", incident))) == pytest.approx(0.004, rel=0.3)
    assert max(gaps(before(strained, "tickers", incident))) < 0.001
    assert max(gaps(after)) < 0.001


def test_latencies_come_by_the_clock_and_a_shock_is_of_one_component(strained: Recording) -> None:
    incident = strained.incident("latency_shock")
    told = [event for _, event in strained.events if isinstance(event, Latency)]
    assert len(told) == 2 * len(COMPONENTS) * strained.settings.duration_s

    def level_us(component: str) -> float:
        inside = [one for one in told if incident.start_us <= one.timestamp < incident.end_us]
        return median(one.latency_us for one in inside if one.component == component)

    other = next(component for component in COMPONENTS if component != incident.symbol)
    assert level_us(incident.symbol) > 4 * level_us(other)


def test_a_burst_of_trades_is_on_one_side_and_of_two_accounts(strained: Recording) -> None:
    incident = strained.incident("trade_burst")
    trades = [event for event in during(strained, "trades", incident) if isinstance(event, Trade)]
    own = [event for event in trades if event.taker_account in incident.accounts]
    usual = [event for event in before(strained, "trades", incident) if isinstance(event, Trade)]
    assert len(own) > len(usual)
    assert len({event.side for event in own}) == 1


def test_layers_are_cancelled_together_and_the_other_side_is_traded(strained: Recording) -> None:
    incident = strained.incident("layering")
    (account,) = incident.accounts
    cancels = [e for e in during(strained, "cancels", incident) if isinstance(e, Cancel) and e.account == account]
    trades = [e for e in during(strained, "trades", incident) if isinstance(e, Trade) and e.taker_account == account]
    (side,) = {event.side for event in cancels if event.amount == max(one.amount for one in cancels)}
    layers = [event for event in cancels if event.side == side]
    assert len({event.price for event in layers}) >= 4
    assert {event.side for event in trades} == {"sell" if side == "buy" else "buy"}


def test_a_wave_closes_positions_of_its_accounts(strained: Recording) -> None:
    incident = strained.incident("liquidation_wave")
    found = [event for event in during(strained, "liquidations", incident) if isinstance(event, Liquidation)]
    own = {event.account for event in found}.intersection(incident.accounts)
    assert len(own) > 8
    assert len(found) > 4 * (len(before(strained, "liquidations", incident)) + 1)


def test_a_shock_of_latency_needs_a_component_that_tells_its_latency() -> None:
    with pytest.raises(ConfigError, match=r"components must name at least one for a latency_shock"):
        plant(1, ExchangeSettings(), families=("latency_shock",))
    unknown = Incident("a", "latency_shock", "BTC-PERP", (), 5, 6)
    with pytest.raises(ConfigError, match=r"must have a component out of gateway, matching-engine, has 'BTC-PERP'"):
        Exchange(ExchangeSettings(components=COMPONENTS), [unknown])
    with pytest.raises(ConfigError, match="components must differ"):
        ExchangeSettings(components=("a", "a"))


def test_families_that_do_not_exist_are_named() -> None:
    with pytest.raises(ConfigError, match=r"families must be out of .* found 'flood, layering'"):
        families_of("flood, layering")
