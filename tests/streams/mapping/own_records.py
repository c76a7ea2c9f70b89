"""An exchange with records and topics of its own, and the mapping that tells us of them."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from detectors.events import BookSnapshot, Cancel, Event, LeverageChange, Trade
from streams.topics import bootstrap_servers
from tests.streams.worker_bench import until

SOURCES = {"trades": "md.trades.v2", "cancels": "oms.cancels", "books": "md.depth", "leverage": "risk.leverage"}
MAPPING = """
[trades]
source = "md.trades.v2"
match = { e = "t" }
[trades.fields]
timestamp = "d.T"
symbol = "d.s"
price = { from = "d.p", scale = 0.01 }
amount = "d.q"
side = { from = "d.m", values = { true = "sell", false = "buy" } }
trade_id = "d.i"
taker_account = "d.ta"
maker_account = "d.ma"

[cancels]
source = "oms.cancels"
match = { e = "c" }
[cancels.fields]
timestamp = { from = "ns", unit = "ns" }
symbol = "s"
account = "user"
order_id = "oid"
side = { from = "side", values = { B = "buy", S = "sell" } }
price = "px"
amount = "left"
order_timestamp = { from = "placed", unit = "ns" }

[books]
source = "md.depth"
match = { e = "b" }
[books.fields]
timestamp = "T"
symbol = "s"
bids = { from = "b", price = "p", amount = "q" }
asks = "a"

[leverage]
source = "risk.leverage"
match = { e = "l" }
[leverage.fields]
timestamp = "T"
account = "user"
symbol = "s"
leverage = "lev.now"
prev_leverage = "lev.was"
position = "pos"
entry_price = "entry"
"""


@pytest.fixture
def mapping_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The mapping, in force for every command and worker that the test starts."""
    path = tmp_path / "mapping.toml"
    path.write_text(MAPPING, encoding="utf-8")
    monkeypatch.setenv("SQUALL_MAPPING__FILE", str(path))
    return path


def own_record(event: Event) -> bytes:
    """An event as the exchange writes it."""
    return json.dumps(_own(event)).encode()


def _own(event: Event) -> dict[str, object]:
    match event:
        case Trade():
            names = {"i": event.trade_id, "ta": event.taker_account, "ma": event.maker_account}
            # In hundredths, with all digits of the float.
            price = f"{event.price * 100:.6f}"
            told = {"T": event.timestamp, "s": event.symbol, "p": price, "q": event.amount, "m": event.side == "sell"}
            return {"e": "t", "d": told | names}
        case Cancel():
            told = {"ns": event.timestamp * 1_000, "s": event.symbol, "user": event.account, "oid": event.order_id}
            side = "B" if event.side == "buy" else "S"
            order = {"side": side, "px": str(event.price), "left": event.amount}
            return {"e": "c", **told, **order, "placed": event.order_timestamp * 1_000}
        case BookSnapshot():
            bids = [{"p": price, "q": amount} for price, amount in event.bids]
            return {"e": "b", "T": event.timestamp, "s": event.symbol, "b": bids, "a": event.asks}
        case LeverageChange():
            levels = {"now": event.leverage, "was": event.prev_leverage}
            held = {"pos": event.position, "entry": event.entry_price}
            return {"e": "l", "T": event.timestamp, "user": event.account, "s": event.symbol, "lev": levels, **held}
    raise AssertionError(event)


async def create_topics(url: str, names: Iterable[str], partitions: int) -> None:
    """Make topics, as the exchange would have."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers(url))
    await admin.start()
    try:
        wanted = set(names)
        await admin.create_topics([NewTopic(name, partitions, 1) for name in sorted(wanted)])

        async def all_there() -> bool:
            return wanted <= {topic["topic"] for topic in await admin.describe_topics() if topic["partitions"]}

        await until(all_there, 20.0)
    finally:
        await admin.close()
