"""Files through the core without a broker: what `squall replay` writes.

Each event takes the next offset of its topic partition, as `squall produce` would give it on empty topics, so the
evidence of an alert names the same places. What is written depends on the input, the settings of the core and the
number of partitions alone.
"""

import base64
import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from detectors.errors import DecodeError
from detectors.events import EVENT_TYPES
from detectors.pipeline import Pipeline
from streams.codecs import WHOLE_RECORD, RecordDecoder, RefusedElement
from streams.files import NO_PARTITION, Line, UnroutableLine
from streams.mapping.mapping_file import read_mapping
from streams.settings import Settings
from streams.summary import Summary
from streams.timeline import Timeline
from streams.topics import partition_of

#: What a replay writes.
OUTPUTS = ("alerts", "rate-limits", "guardrails", "audit", "signals", "dead-letters")
_LINES_BETWEEN_WRITES = 5_000

_encode = msgspec.json.Encoder(decimal_format="number").encode


class Replay:
    """One run of files through the core.

    Parameters
    ----------
    settings
        The core's settings, the number of partitions, and the limit of a record's size.
    timeline
        Takes what a report shows of the market; None when no report is wanted.
    """

    def __init__(self, settings: Settings, timeline: Timeline | None = None) -> None:
        partitions = settings.partitions
        self.summary = Summary(partitions)
        self._partition_of = partial(partition_of, partitions=partitions)
        self._pipeline = Pipeline(settings.core, partitions, self._partition_of)
        self._mapping = read_mapping(settings.mapping.file)
        self._decoders = {
            topic: RecordDecoder(topic, settings.worker.max_record_bytes, self._mapping.streams.get(topic))
            for topic in EVENT_TYPES
        }
        self._next_offset: Counter[tuple[str, int]] = Counter()
        self._timeline = timeline

    def run(self, lines: Iterable[Line | UnroutableLine], out: Path, on_line: Callable[[int], None]) -> None:
        """Read `lines` and write the outputs into the directory `out`, all of them or none.

        Parameters
        ----------
        lines
            In order of time.
        out
            Made when it is not there.
        on_line
            Called now and then with the number of lines read.

        Raises
        ------
        DecodeError
            An output cannot be written, or the input cannot be read.
        """
        try:
            with written_together(out, [f"{name}.ndjson" for name in OUTPUTS] + ["summary.json"]) as files:
                self._read(lines, files, on_line)
                files["summary.json"].write(self.summary.to_json(self._pipeline.counters))
        except OSError as error:
            raise DecodeError(f"{out}: expected a directory to write to, found: {error}") from error

    def _read(
        self, lines: Iterable[Line | UnroutableLine], files: dict[str, BinaryIO], on_line: Callable[[int], None]
    ) -> None:
        number = 0
        for number, line in enumerate(lines, 1):
            refused = self._take(line) if isinstance(line, Line) else (line.file, NO_PARTITION, line.refused)
            if refused is not None:
                self.summary.see_refused(refused[2].reason)
                files["dead-letters.ndjson"].write(_encode(_dead_letter(*refused)) + b"\n")
            if number % _LINES_BETWEEN_WRITES == 0:
                self._write_results(files)
                on_line(number)
        self._pipeline.flush()
        self._write_results(files)
        on_line(number)

    def _take(self, line: Line) -> tuple[str, int, RefusedElement] | None:
        topic, raw = line.topic, line.raw
        partition = self._partition_of(line.key)
        offset = self._next_offset[topic, partition]
        self._next_offset[topic, partition] += 1
        decoded = self._decoders[topic].decode([raw], [offset])
        if decoded.refused:
            self._pipeline.refuse(topic, partition, self._decoders[topic].place(decoded.refused[0]))
            return self._mapping.source_of(topic), partition, decoded.refused[0]
        (event,) = decoded.events
        refusal = self._pipeline.push(topic, offset, event)
        if refusal is not None:
            refused = RefusedElement(offset, WHOLE_RECORD, refusal.reason, refusal.message, raw)
            return self._mapping.source_of(topic), partition, refused
        self.summary.see_event(topic, event.timestamp)
        if self._timeline is not None:
            self._timeline.see(event)
        return None

    def _write_results(self, files: dict[str, BinaryIO]) -> None:
        results = self._pipeline.results()
        _write(files["alerts.ndjson"], [self._mapping.as_on_broker(alert) for alert in results.alerts])
        _write(files["signals.ndjson"], results.signals)
        _write(files["rate-limits.ndjson"], results.limits)
        _write(files["guardrails.ndjson"], results.trips)
        _write(files["audit.ndjson"], results.audit)
        self.summary.see_decisions(results.limits, results.trips)
        self.summary.see_alerts(results.alerts)
        self.summary.signals += len(results.signals)


def _write(file: BinaryIO, results: Sequence[msgspec.Struct]) -> None:
    file.writelines(_encode(result) + b"\n" for result in results)


def _dead_letter(topic: str, partition: int, refused: RefusedElement) -> dict[str, Any]:
    """What the record of `dead-letters` would say, as a line; a value that is no UTF-8 is given in base64."""
    letter = {"topic": topic, "partition": partition, **refused._asdict()}
    raw: bytes = letter.pop("raw")
    try:
        letter["value"] = raw.decode()
    except UnicodeDecodeError:
        letter["value_base64"] = base64.b64encode(raw).decode()
    return letter


@contextlib.contextmanager
def written_together(directory: Path, names: Sequence[str]) -> Iterator[dict[str, BinaryIO]]:
    """Open files to write; they take their names when the block ends well, and leave no trace when it does not."""
    directory.mkdir(parents=True, exist_ok=True)
    temporary = {name: directory / f".{name}.{os.getpid()}" for name in names}
    try:
        with contextlib.ExitStack() as stack:
            yield {name: stack.enter_context(path.open("wb")) for name, path in temporary.items()}
        for name, path in temporary.items():
            path.replace(directory / name)
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)
