"""`squall simulate`."""

import sys
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console

from detectors.errors import ConfigError
from streams.codecs import encode_event
from streams.commands.options import BrokerOption, ConfigOption, PartitionsOption, SpeedOption, text_of
from streams.commands.produce import produced_table
from streams.files import line_of
from streams.produce import produce
from streams.settings import Settings
from streams.simulator import COMPONENTS, Cascades, Exchange, ExchangeSettings, families_of, labels_json, plant

_USUAL = ExchangeSettings()


def simulate(
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same events.")] = _USUAL.seed,
    duration_s: Annotated[
        float, typer.Option("--duration", help="Event time to make, in seconds.")
    ] = _USUAL.duration_s,
    events_per_s: Annotated[float, typer.Option("--rate", help="Events a second of event time.")] = _USUAL.events_per_s,
    symbols: Annotated[str, typer.Option("--symbols", help="What is traded, between commas.")] = ",".join(
        _USUAL.symbols
    ),
    accounts: Annotated[int, typer.Option("--accounts", help="How many accounts trade.")] = _USUAL.accounts,
    warmup_s: Annotated[float, typer.Option("--warm-up", help="Seconds before the first incident.")] = 60.0,
    incidents: Annotated[bool, typer.Option(help="Plant one incident of each family.")] = True,
    families: Annotated[
        str | None, typer.Option("--families", help="Which families to plant, between commas, or `all`.")
    ] = None,
    cascades: Annotated[
        bool, typer.Option("--cascades", help="Let crowds build up leverage, and liquidations feed liquidations.")
    ] = False,
    labels: Annotated[
        Path | None, typer.Option("--labels", metavar="FILE", help="Write what was planted there, as NDJSON.")
    ] = None,
    kafka: Annotated[bool, typer.Option("--kafka", help="Send the events to Kafka instead of printing them.")] = False,
    broker: BrokerOption = None,
    speed: SpeedOption = None,
    partitions: PartitionsOption = None,
    config: ConfigOption = None,
) -> None:
    """Make the events of a simulated exchange, with planted incidents, as NDJSON on stdout or into Kafka."""
    settings = Settings(broker=broker, partitions=partitions, config=text_of(config))
    named = tuple(name.strip() for name in symbols.split(",") if name.strip())
    wanted = families_of(families) if incidents else ()
    simulated = ExchangeSettings(
        seed=seed,
        symbols=named,
        accounts=accounts,
        events_per_s=events_per_s,
        duration_s=duration_s,
        components=COMPONENTS if "latency_shock" in wanted else (),
        cascades=Cascades() if cascades else None,
    )
    planted = plant(seed, simulated, warmup_s=warmup_s, families=wanted)
    if labels is not None:
        try:
            labels.write_bytes(labels_json(planted))
        except OSError as error:
            raise ConfigError(f"--labels: expected a file to write, found: {error}") from error
    events = Exchange(simulated, planted).events()
    if kafka:
        lines = (line_of(topic, event) for topic, event in events)
        Console().print(produced_table(uvloop.run(produce(settings, lines, speed=speed))))
    else:
        sys.stdout.buffer.writelines(encode_event(event) + b"\n" for _, event in events)
        sys.stdout.flush()
