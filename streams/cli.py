"""The command `squall`: what it can be asked, and how it ends. Exit status: 0 done, 1 failed, 2 wrong use."""

import logging
import os
import sys
from importlib.metadata import version
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from detectors.errors import ConfigError, SquallError
from streams.commands import (
    alerts,
    config,
    console,
    demo,
    doctor,
    explain,
    guardrails,
    import_,
    limits,
    notify,
    override,
    produce,
    replay,
    simulate,
    topics,
    worker,
)

FAILED, WRONG_USE = 1, 2


class _ErrorsAsMessages(TyperGroup):
    """Errors that we raise on purpose are told in one message; any other is a fault of ours and keeps its traceback."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - typer's own type for it is private
        try:
            return super().invoke(ctx)
        except SquallError as error:
            message = Text.assemble(("error: ", "bold red"), str(error))
            Console(stderr=True).print(message, soft_wrap=True, highlight=False)
            raise typer.Exit(WRONG_USE if isinstance(error, ConfigError) else FAILED) from None
        except BrokenPipeError:
            # Whoever read our output has enough; Python must not complain when it closes stdout.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(FAILED) from None


app = typer.Typer(
    name="squall",
    cls=_ErrorsAsMessages,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Warns while stress builds up on a derivatives exchange, before it becomes an outage or a cascade.",
    epilog="First look: squall demo. Settings: squall config.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"squall {version('squall')}")
        raise typer.Exit


@app.callback()
def _common(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """Options before the command."""
    # Its errors reach us as exceptions and are told once; a command that wants its log adds a handler of its own.
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())


app.command(epilog="Example: squall demo --seed 7")(demo.demo)
app.command(epilog="Example: squall replay monday.ndjson.gz tuesday.ndjson.gz --out out --report")(replay.replay)
app.command(epilog="Example: squall worker --broker localhost:9092 --web-port 6066")(worker.worker)
app.command("produce", epilog="Example: squall produce monday.ndjson.gz --broker localhost:9092 --speed 10")(
    produce.produce_files
)
app.command("import", epilog="Example: squall import BTCUSDT-*-2024-01-31.zip --out 2024-01-31.ndjson.gz")(
    import_.import_files
)
app.command(epilog="Example: squall simulate --duration 120 --labels planted.ndjson > events.ndjson")(simulate.simulate)
app.command(epilog="Example: squall topics --broker localhost:9092; squall topics --asyncapi > asyncapi.json")(
    topics.topics
)
app.add_typer(alerts.alerts, name="alerts")
app.command(epilog="Example: squall limits acct-7; squall limits --all --json")(limits.limits)
app.command(epilog="Example: squall guardrails --all")(guardrails.guardrails)
app.command(epilog="Example: squall explain acct-7; squall explain 3f9a")(explain.explain)
app.command(epilog="Example: squall notify --test; squall notify --broker localhost:9092")(notify.notify)
app.add_typer(override.override, name="override")
app.command(epilog="Example: squall console --port 8066 --worker http://localhost:6066 --token-file token")(
    console.console
)
app.command(epilog="Example: squall doctor --broker localhost:9092")(doctor.doctor)
app.command("config", epilog="Example: SQUALL_TIMING__TICK_MS=50 squall config")(config.config_command)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
