"""`squall replay`."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from streams.commands.options import ConfigOption, FilesArgument, PartitionsOption, text_of
from streams.commands.progress import reading
from streams.files import EventFiles
from streams.mapping.mapping_file import read_mapping
from streams.mapping.routing import router_of
from streams.settings import Settings


def replay(
    files: FilesArgument,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the outputs go; made when it is not there.")],
    report: Annotated[bool, typer.Option("--report", help="Also write report.html, which opens offline.")] = False,
    partitions: PartitionsOption = None,
    config: ConfigOption = None,
) -> None:
    """Run recorded events through the detectors, without a broker.

    Several files are merged by time. Writes alerts, rate-limits, guardrails, audit, signals and dead-letters as NDJSON,
    and summary.json. Of operators it knows nothing: no orders are followed, and no verdicts reorder alerts.
    """
    from streams.replay import Replay  # noqa: PLC0415 - the models load slowly, and `squall --help` should not
    from streams.report import require_drawing, write_report  # noqa: PLC0415
    from streams.timeline import Timeline  # noqa: PLC0415

    settings = Settings(partitions=partitions, config=text_of(config))
    if report:
        require_drawing()
    timeline = Timeline() if report else None
    run = Replay(settings, timeline)
    lines = EventFiles(files, router_of(read_mapping(settings.mapping.file)))
    began_s = time.perf_counter()
    with reading(lines, "replay") as on_line:
        run.run(lines, out, on_line)
    elapsed_s = time.perf_counter() - began_s
    if timeline is not None:
        write_report(out / "report.html", run.summary, timeline, [path.name for path in files])
    console = Console()
    console.print(run.summary.to_table(elapsed_s))
    console.print(f"written to {out}", style="dim", highlight=False, soft_wrap=True, markup=False)
