"""Recordings that are broken: each line is accounted for, and the good ones give what they give alone."""

import gzip
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.errors import DecodeError
from detectors.events import Trade
from streams.broker import Broker
from streams.codecs import RecordDecoder, encode_event
from streams.files import EventFiles, UnroutableLine, line_of, route
from streams.produce import produce
from streams.replay import Replay
from streams.settings import Settings
from tests.fuzz.corpus import exchange
from tests.fuzz.kinds import files
from tests.fuzz.mutations import mutated_bytes
from tests.streams.worker_bench import reading


@pytest.mark.parametrize("seed", range(1, 7))
def test_every_line_of_a_mutated_recording_is_an_event_or_a_dead_letter(seed: int) -> None:
    assert files(seed)["inputs"] > 900


def test_lines_that_belong_nowhere_change_no_output_but_the_dead_letters(tmp_path: Path) -> None:
    chance = Random(4)
    good = [encode_event(event) for _, event in exchange(4, duration_s=95.0)]
    spoiled = []
    for raw in good:
        spoiled.append(raw)
        if chance.random() < 0.05:
            odd = mutated_bytes(chance, raw).replace(b"\n", b" ")
            spoiled += [odd] if isinstance(route(odd, "f", 1), UnroutableLine) else [b"\xef\xbb\xbf" + raw, b"\x0c"]
    outputs = []
    for name, lines in (("good", good), ("spoiled", spoiled)):
        (tmp_path / f"{name}.ndjson").write_bytes(b"\n".join(lines))
        replay = Replay(Settings(partitions=2))
        replay.run(iter(EventFiles([tmp_path / f"{name}.ndjson"])), tmp_path / name, lambda _: None)
        outputs.append([(tmp_path / name / f"{of}.ndjson").read_bytes() for of in ("alerts", "signals")])
    assert outputs[0] == outputs[1]
    assert outputs[0][1]
    letters = (tmp_path / "spoiled" / "dead-letters.ndjson").read_bytes().splitlines()
    blank = sum(not line.strip(b" \t\r\n") for line in spoiled)
    assert len(letters) == len(spoiled) - len(good) - blank > 100
    assert {msgspec.json.decode(letter)["partition"] for letter in letters} == {-1}


@given(st.binary(max_size=400), st.integers(0, 400))
@settings(deadline=None)
def test_a_file_that_is_no_file_of_events_is_read_or_refused_as_a_whole(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, cut: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "odd.ndjson"
    for found in (content, gzip.compress(content)[:cut], b"\x1f\x8b" + content):
        path.write_bytes(found)
        try:
            read = list(EventFiles([path]))
        except DecodeError as error:
            assert "expected a readable file" in str(error)
        else:
            assert all(isinstance(line, UnroutableLine) for line in read)


@pytest.mark.parametrize("blank", [b"\x0b", b"\x0c\x0c"])
def test_a_line_of_blanks_that_are_not_of_json_is_a_dead_letter(tmp_path: Path, blank: bytes) -> None:
    good = encode_event(Trade(5, "BTC", 100.0, 1.0, "buy"))
    (tmp_path / "a.ndjson").write_bytes(b"\n".join([good, blank, b" \t\r", blank + good]))
    _, *odd = EventFiles([tmp_path / "a.ndjson"])
    assert [line.refused.raw for line in odd if isinstance(line, UnroutableLine)] == [blank, blank + good]


@pytest.mark.broker
@pytest.mark.asyncio
async def test_long_lines_that_are_taken_alone_are_taken_in_frames(
    own_broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    events = [Trade(number, "BTC", 100.0, 1.0, "buy", "i" * 9_000) for number in range(200)]
    lines = [line_of("trades", event) for event in events]
    ours = Settings(broker=own_broker.url, partitions=1)
    produced = await produce(ours, lines, frame=10_000)
    assert produced.records["trades"] == 4
    async with reading(own_broker.url, "trades") as log:
        values = [record.value for record in await log.read()]
    assert max(map(len, values)) <= 524_288
    assert RecordDecoder("trades").decode(values, range(len(values))).events == events
