"""`squall demo`."""

from pathlib import Path
from typing import Annotated

import typer

from streams.commands.options import ConfigOption, text_of
from streams.settings import Settings


def demo(
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed plants the same incidents.")] = 1,
    duration_s: Annotated[
        float, typer.Option("--duration", help="Event time to play, in seconds; half of it is warm-up.")
    ] = 840.0,
    pace_per_s: Annotated[float, typer.Option("--pace", help="Events to send in a second, on average.")] = 7_200.0,
    families: Annotated[
        str | None, typer.Option("--families", help="Which incidents to plant, between commas, or `all`.")
    ] = None,
    record: Annotated[
        Path | None, typer.Option("--record", metavar="FILE", help="Draw the board and the verdict into an SVG file.")
    ] = None,
    console_port: Annotated[
        int, typer.Option("--console-port", min=0, max=65_535, help="Where the console is, if free; 0: anywhere.")
    ] = 8066,
    stay: Annotated[
        bool, typer.Option("--stay", help="Stay up at the end, until Ctrl-C, to be looked at on the console.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Run everything on this machine and watch it: a broker, two workers, an exchange with planted incidents.

    Alerts go to a webhook receiver, to an Alertmanager where one is installed, and to the ops console, whose address
    the board shows. Ends by itself. The exit status is 0 only if every planted incident was found and every alert
    delivered.
    """
    from streams.demo import DemoPlan, run_demo  # noqa: PLC0415 - much is loaded that no other command needs
    from streams.simulator import families_of  # noqa: PLC0415 - as above

    settings = Settings(config=text_of(config))
    plan = DemoPlan(seed=seed, duration_s=duration_s, pace_per_s=pace_per_s, families=families_of(families))
    raise typer.Exit(run_demo(settings, plan, record=record, stay=stay, console_port=console_port))
