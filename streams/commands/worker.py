"""`squall worker`."""

import logging
from typing import Annotated

import typer

from streams.commands.options import BrokerOption, ConfigOption, PartitionsOption, text_of
from streams.settings import Settings


def worker(
    broker: BrokerOption = None,
    web_port: Annotated[
        int | None, typer.Option("--web-port", min=0, max=65_535, help="Where /metrics, /livez and /readyz are served.")
    ] = None,
    partitions: PartitionsOption = None,
    config: ConfigOption = None,
) -> None:
    """Run one worker until it is asked to stop (SIGTERM or Ctrl-C). Start more of them to share the partitions."""
    from streams.worker import run_worker  # noqa: PLC0415 - Faust and the models load slowly

    group = None if web_port is None else {"web_port": web_port}
    settings = Settings(broker=broker, partitions=partitions, worker=group, config=text_of(config))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    raise typer.Exit(run_worker(settings))
