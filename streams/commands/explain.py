"""`squall explain`."""

from collections.abc import Callable
from typing import Annotated, TypeVar

import typer
import uvloop
from rich.console import Console
from rich.text import Text

from detectors.decisions import AuditRecord, RateLimit
from streams.codecs import decode_alert
from streams.commands.options import BrokerOption, ConfigOption, JsonOption, text_of
from streams.commands.shown import print_json, tell_unreadable
from streams.orders import decode_order
from streams.settings import Settings
from streams.story import Story, Subject
from streams.story_text import step_lines
from streams.summary import printable
from streams.times import clock_text
from streams.topic_reading import decoder_of, read_values
from streams.topics import ALERTS, AUDIT, OVERRIDES, RATE_LIMITS

#: The audit of more than a year may have to be read.
_DEADLINE_S = 600.0
_INDENT = " " * 26
_STYLES = {ALERTS: "bold yellow", AUDIT: "bold", RATE_LIMITS: "bold", OVERRIDES: "bold cyan"}

_Value = TypeVar("_Value")


def explain(
    asked: Annotated[str, typer.Argument(metavar="ALERT_ID|ACCOUNT", help="The beginning of an alert's id is enough.")],
    as_json: JsonOption = False,
    broker: BrokerOption = None,
    config: ConfigOption = None,
) -> None:
    """Tell the story of an alert or an account: what was seen and expected, what was done, until when, and by whom.

    It is read from the topics alerts, audit, rate-limits and overrides.
    """
    story = Story(asked)
    unreadable = uvloop.run(_read(Settings(broker=broker, config=text_of(config)), story))
    for topic, records in unreadable.items():
        tell_unreadable(topic, records)
    subject, steps = story.subject(), story.steps()
    if as_json:
        document = [{"at": step.at, "topic": step.source, "record": step.record} for step in steps]
        print_json({subject.kind: subject.name, "story": document})
        return
    console = Console()
    console.print(_heading(subject, len(steps)), soft_wrap=True, highlight=False)
    for step in steps:
        first, *others = step_lines(step, story)
        line = Text.assemble((f"{clock_text(step.at)}  ", "dim"), (printable(first).plain, _STYLES[step.source]))
        console.print(line, soft_wrap=True, highlight=False)
        for other in others:
            console.print(Text(_INDENT) + printable(other), soft_wrap=True, highlight=False)


def _heading(subject: Subject, steps: int) -> Text:
    return printable(f"{subject.kind} {subject.name}: {steps} steps, the oldest first; times are the exchange's")


async def _read(settings: Settings, story: Story) -> dict[str, int]:
    """Let a story take all that the topics have; gives the number of unreadable records of each."""

    async def read(topic: str, decode: Callable[[bytes], _Value], take: Callable[[_Value], None]) -> int:
        def take_there(_key: bytes, value: _Value | None) -> None:
            if value is not None:
                take(value)

        return await read_values(settings, topic, decode, take_there, deadline_s=_DEADLINE_S)

    return {
        ALERTS: await read(ALERTS, decode_alert, story.take_alert),
        OVERRIDES: await read(OVERRIDES, decode_order, story.take_order),
        RATE_LIMITS: await read(RATE_LIMITS, decoder_of(RateLimit, RATE_LIMITS), story.take_limit),
        AUDIT: await read(AUDIT, decoder_of(AuditRecord, AUDIT), story.take_audit),
    }
