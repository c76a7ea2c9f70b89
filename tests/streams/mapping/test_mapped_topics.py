"""An exchange's own topics and records through workers, files and the doctor."""

import asyncio
import json
import signal
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from detectors.errors import BrokerError
from detectors.events import Trade
from streams.broker import Broker
from streams.cli import app
from streams.codecs import decode_alert, encode_event
from streams.simulator import Exchange, ExchangeSettings, plant
from streams.topics import TOPICS, ensure_topics
from tests.helpers import Flow
from tests.streams.counting_worker import PARTITIONS
from tests.streams.mapping.own_records import MAPPING, SOURCES, create_topics, mapping_file, own_record
from tests.streams.test_file_and_broker import SOON, alerts_of_file
from tests.streams.worker_bench import Worker, producing, reading, taken_offsets, until, watching_commits

__all__ = ["mapping_file"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def trade(number: int) -> bytes:
    return own_record(Trade(1_700_000_000_000_000 + number, "BTC", 100.5, 1.0, "buy", number))


def recording(path: Path, *, own: bool) -> Path:
    """A short flow, in the exchange's records or in ours."""
    events = [event for _, event in Flow(3, 20.0).arrivals()]
    write = own_record if own else encode_event
    path.write_bytes(b"".join(write(event) + b"\n" for event in events))
    return path


def test_a_worker_reads_own_records_from_own_topics_and_names_them_in_dead_letters(
    own_broker: Broker, mapping_file: Path
) -> None:
    bad = {3: b"{", 5: b'{"e":"x"}', 8: trade(8).replace(b'"d"', b'"D"')}

    async def scenario() -> None:
        url, source = own_broker.url, SOURCES["trades"]
        await create_topics(url, SOURCES.values(), PARTITIONS)
        await ensure_topics(url, PARTITIONS, sources=SOURCES)
        with Worker(url) as worker:
            await worker.ready()
            async with (
                producing(url) as producer,
                reading(url, "signals") as signals,
                reading(url, "dead-letters") as dead,
            ):
                for number in range(40):
                    await producer.send(source, bad.get(number, trade(number)), partition=1)
                await producer.flush()

                async def all_taken() -> bool:
                    taken = taken_offsets(await signals.read())["trades", 1]
                    return set(taken) >= set(range(40)) - set(bad)

                await until(all_taken, 30.0)
                letters = await dead.read()
            async with watching_commits(url) as committed:

                async def all_committed() -> bool:
                    return sum((await committed([source])).values()) == 40

                await until(all_committed, 30.0)
                assert sum((await committed(["trades"])).values()) == 0
            worker.process.send_signal(signal.SIGTERM)
            status, _ = await worker.ended(20.0)
            assert status == 0
        assert [letter.value for letter in letters] == list(bad.values())
        headers = [dict(letter.headers) for letter in letters]
        assert {one["__connect.errors.topic"] for one in headers} == {source.encode()}
        assert [one["__connect.errors.offset"] for one in headers] == [b"3", b"5", b"8"]
        assert headers[2]["__connect.errors.exception.message"] == (
            b"Object missing required field `timestamp` - at `d.T` of the record"
        )

    asyncio.run(scenario())


@pytest.mark.slow
def test_another_source_is_read_from_its_beginning_by_a_stage_that_learns_anew(
    own_broker: Broker, mapping_file: Path
) -> None:
    async def work(source: str, records: int, wanted: int) -> str:
        url = own_broker.url
        with Worker(url) as worker:
            await worker.ready()
            async with (
                producing(url) as producer,
                reading(url, "signals") as signals,
                watching_commits(url) as committed,
            ):
                for number in range(records):
                    await producer.send(source, trade(number), partition=0)
                await producer.flush()

                async def all_taken() -> bool:
                    taken = taken_offsets(await signals.read())["trades", 0]
                    return sum(taken.values()) >= wanted

                async def all_committed() -> bool:
                    return sum((await committed([source])).values()) == records

                await until(all_taken, 30.0)
                await until(all_committed, 30.0)
            worker.process.send_signal(signal.SIGTERM)
            return (await worker.ended(20.0))[1]

    other = "md.trades.v3"
    asyncio.run(create_topics(own_broker.url, [*SOURCES.values(), other], PARTITIONS))
    asyncio.run(work(SOURCES["trades"], 30, 30))
    mapping_file.write_text(MAPPING.replace(SOURCES["trades"], other), encoding="utf-8")
    # Its offsets lie below those that the old one's state has seen.
    assert "found some of md.trades.v2 too" in asyncio.run(work(other, 10, 40))


def test_topics_of_the_exchange_are_checked_and_never_made(own_broker: Broker, mapping_file: Path) -> None:
    url = own_broker.url
    with pytest.raises(
        BrokerError, match=r"these are missing: md\.trades\.v2, .* correct `source` in the mapping file"
    ):
        asyncio.run(ensure_topics(url, 2, sources=SOURCES))
    asyncio.run(create_topics(url, SOURCES.values(), 3))
    result = run("topics", "--broker", url, "--partitions", "2")
    assert result.exit_code == 1
    assert "md.trades.v2: expected 2, found 3" in result.output
    result = run("topics", "--broker", url, "--partitions", "3")
    assert result.exit_code == 0
    assert result.output.count("exists") == len(SOURCES)
    assert result.output.count("created") == len(TOPICS) - len(SOURCES)


def test_documents_name_the_topics_of_the_exchange_and_make_none_of_them(mapping_file: Path) -> None:
    document = json.loads(run("topics", "--asyncapi").stdout)
    channel = document["channels"]["trades"]
    assert channel["address"] == channel["bindings"]["kafka"]["topic"] == "md.trades.v2"
    assert str(mapping_file) in document["components"]["messages"]["trades"]["payload"]["description"]
    assert document["channels"]["tickers"]["address"] == "tickers"
    resources = run("topics", "--strimzi", "exchange").stdout
    assert resources.count("kind: KafkaTopic") == len(TOPICS) - len(SOURCES)
    assert "md.trades.v2" not in resources


def test_the_doctor_tells_of_the_mapping_and_checks_the_topics_that_it_names(
    own_broker: Broker, mapping_file: Path
) -> None:
    def doctor() -> dict[str, dict[str, str]]:
        result = run("doctor", "--broker", own_broker.url, "--partitions", "2", "--json")
        return {line["check"]: line for line in json.loads(result.stdout)["lines"]}

    async def fill() -> None:
        await create_topics(own_broker.url, SOURCES.values(), 2)
        await ensure_topics(own_broker.url, 2, sources=SOURCES)
        async with producing(own_broker.url) as producer:
            await producer.send_and_wait(SOURCES["trades"], trade(0), partition=0)
            await producer.send_and_wait(SOURCES["cancels"], b'{"e":"c","ns":"soon"}', partition=1)

    lines = doctor()
    assert lines["topics of the exchange"]["mark"] == "FAIL"
    assert "md.trades.v2" in lines["topics of the exchange"]["found"]
    asyncio.run(fill())
    lines = doctor()
    assert lines["mapping"]["mark"] == "OK"
    assert f"{mapping_file}, in force for trades from md.trades.v2, cancels" in lines["mapping"]["found"]
    assert (lines["topics"]["mark"], lines["co-partitioning"]["mark"]) == ("OK", "OK")
    # It could read when the trade happened.
    assert "event time of md.trades.v2" in lines
    assert "records of md.trades.v2" not in lines
    unfit = lines["records of oms.cancels"]
    assert unfit["mark"] == "WARN"
    assert "partition 1 is refused: Expected a number, got 'soon' - at `ns` of the record" in unfit["found"]


def test_replay_of_own_records_is_replay_of_the_same_events(mapping_file: Path, tmp_path: Path) -> None:
    own = recording(tmp_path / "own.ndjson", own=True)
    bad = b'{"e":"t","d":{"T":1700000003141593,"s":"BTC-PERP","p":"0","q":1,"m":true}}'
    own.write_bytes(own.read_bytes() + b'{"e":"kline"}\n' + bad + b"\n")
    assert run("replay", str(own), "--out", "out-own").exit_code == 0
    letters = [json.loads(line) for line in Path("out-own/dead-letters.ndjson").read_bytes().splitlines()]
    assert [letter["topic"] for letter in letters] == ["own.ndjson", "md.trades.v2"]
    assert [letter["value"] for letter in letters] == ['{"e":"kline"}', bad.decode()]
    assert run("import", str(own), "--out", "ours.ndjson", "--skip-bad", "2").exit_code == 0
    mapping_file.write_text("", encoding="utf-8")
    ours = recording(tmp_path / "plain.ndjson", own=False)
    for name in ("ours.ndjson", ours.name):
        assert run("replay", name, "--out", f"out-{name}").exit_code == 0
    outputs = ("rate-limits", "guardrails", "signals")
    for name in ("out-own", "out-ours.ndjson"):
        for output in outputs:
            assert (tmp_path / name / f"{output}.ndjson").read_bytes() == (
                tmp_path / "out-plain.ndjson" / f"{output}.ndjson"
            ).read_bytes()
    found = json.loads(Path("out-own/summary.json").read_bytes())
    assert found["events"] == json.loads(Path("out-plain.ndjson/summary.json").read_bytes())["events"]


def test_try_shows_what_each_record_becomes_and_ends_with_1_if_one_is_refused(mapping_file: Path) -> None:
    Path("records.ndjson").write_bytes(trade(0) + b'\n{"e":"kline"}\n' + own_record_of_latency() + b"\n")
    result = run("import", "--try", "records.ndjson")
    assert result.exit_code == 1
    first, second, third = result.output.splitlines()
    assert first.startswith('records.ndjson:1: trades: {"type":"trade","timestamp":1700000000000000,"symbol":"BTC"')
    assert '"price":100.50000000' in first
    assert second.startswith("records.ndjson:2: refused: Expected a record that meets the `match` of trades, cancels")
    assert third.startswith("records.ndjson:3: latency: ")
    Path("records.ndjson").write_bytes(trade(0))
    assert run("import", "--try", "records.ndjson").exit_code == 0


def own_record_of_latency() -> bytes:
    """A stream without a mapping comes in our own records."""
    return b'{"type":"latency","timestamp":1700000000000000,"component":"gateway","latency_us":5}'


def test_wrong_use_of_a_mapping_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("records.ndjson").write_bytes(trade(0))
    for arguments in (("--try",), ("--kind", "mapped")):
        result = run("import", "records.ndjson", *arguments)
        assert (result.exit_code, "expected a mapping of fields" in result.output) == (2, True)
    Path("m.toml").write_text(MAPPING, encoding="utf-8")
    result = run("import", "records.ndjson", "--mapping", "m.toml", "--kafka")
    assert (result.exit_code, "`squall produce` sends records as they are" in result.output) == (2, True)
    monkeypatch.setenv("SQUALL_MAPPING__FILE", "absent.toml")
    result = run("replay", "records.ndjson", "--out", "out")
    assert (result.exit_code, "absent.toml: expected a mapping file" in result.output) == (2, True)


@pytest.mark.slow
def test_own_records_through_a_worker_give_the_alerts_of_our_own_through_a_file(
    own_broker: Broker, tmp_path: Path, mapping_file: Path
) -> None:
    from tests.streams.test_file_and_broker import alerts_of_broker  # noqa: PLC0415

    settings = ExchangeSettings(seed=3, symbols=("BTC-PERP",), accounts=200, events_per_s=100, duration_s=80)
    exchange = Exchange(settings, plant(3, settings, families=("correlated",), warmup_s=40))
    main = [event for topic, event in exchange.events() if topic in SOURCES]
    ours, own = tmp_path / "ours.ndjson", tmp_path / "own.ndjson"
    ours.write_bytes(b"".join(encode_event(event) + b"\n" for event in main))
    own.write_bytes(b"".join(own_record(event) + b"\n" for event in main))
    unmapped = SOON | {"SQUALL_MAPPING__FILE": ""}
    expected = [decode_alert(line) for line in alerts_of_file(ours, tmp_path / "out", unmapped)]
    assert expected
    asyncio.run(create_topics(own_broker.url, SOURCES.values(), 4))
    asyncio.run(ensure_topics(own_broker.url, 4, sources=SOURCES))
    (tmp_path / "squall.toml").touch()
    found = asyncio.run(alerts_of_broker(own_broker, own, 1, len(expected), SOON))
    renamed = {source: topic for topic, source in SOURCES.items()}
    back = [
        msgspec.structs.replace(
            alert,
            evidence=tuple(
                msgspec.structs.replace(one, topic=renamed.get(one.topic, one.topic)) for one in alert.evidence
            ),
        )
        for alert in map(decode_alert, found)
    ]
    assert back == expected
    assert {one.topic for alert in map(decode_alert, found) for one in alert.evidence} & set(SOURCES.values())
