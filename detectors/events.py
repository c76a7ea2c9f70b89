"""Input events: what an exchange tells us, as frozen structs.

Every time is integer microseconds since the epoch, UTC, venue time. Prices and amounts are finite; a price is above
zero. The bounds stand in the types, so that one decoder checks them while it parses.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

#: 2100-01-01T00:00:00Z: a timestamp above it is in the wrong unit, not in the far future.
LATEST_TIMESTAMP_US = 4_102_444_800_000_000
#: The largest price, amount or rate taken: above it, sums would lose whole units in a float.
LARGEST_NUMBER = 1e15

Timestamp = Annotated[int, Meta(ge=0, le=LATEST_TIMESTAMP_US)]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
OptionalName = Annotated[str, Meta(max_length=128)]
Price = Annotated[float, Meta(gt=0, le=LARGEST_NUMBER)]
Amount = Annotated[float, Meta(ge=0, le=LARGEST_NUMBER)]
#: A factor: below a thousandth or above a million it is another quantity.
Leverage = Annotated[float, Meta(ge=1e-3, le=1e6)]
Number = Annotated[float, Meta(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]
Level = tuple[Price, Amount]
Side = Literal["buy", "sell"]


class Trade(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="trade"):
    """A trade; `side` is the taker's."""

    timestamp: Timestamp
    symbol: Name
    price: Price
    amount: Amount
    side: Side
    trade_id: str | int = ""
    taker_account: OptionalName = ""
    maker_account: OptionalName = ""
    liquidation: bool | str = False


class Cancel(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="cancel"):
    """An order taken back; `amount` is what was left of it, `order_timestamp` when it was placed (0: not known)."""

    timestamp: Timestamp
    symbol: Name
    account: Name
    order_id: str | int
    side: Side
    price: Price
    amount: Amount
    order_timestamp: Timestamp = 0


class LeverageChange(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="leverage"):
    """An account's leverage on a symbol was set; `position` is signed and stands after the change."""

    timestamp: Timestamp
    account: Name
    symbol: Name
    leverage: Leverage
    prev_leverage: Leverage | None = None
    position: Number = 0.0
    entry_price: Price | None = None
    margin_mode: Literal["cross", "isolated"] = "cross"
    collateral: Number = 0.0


class BookSnapshot(msgspec.Struct, frozen=True, tag_field="type", tag="book_snapshot"):
    """The order book, best level first on both sides."""

    timestamp: Timestamp
    symbol: Name
    bids: list[Level]
    asks: list[Level]


class DerivativeTicker(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="derivative_ticker"):
    """Reference prices and open interest of a contract; what the venue did not send is None."""

    timestamp: Timestamp
    symbol: Name
    last_price: Price | None = None
    mark_price: Price | None = None
    index_price: Price | None = None
    open_interest: Amount | None = None
    funding_rate: Number | None = None


class Liquidation(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="liquidation"):
    """A position closed by force."""

    timestamp: Timestamp
    symbol: Name
    side: Side
    price: Price
    amount: Amount
    account: OptionalName = ""


class Latency(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="latency"):
    """How long a component took."""

    timestamp: Timestamp
    component: Name
    latency_us: Amount


Event = Trade | Cancel | LeverageChange | BookSnapshot | DerivativeTicker | Liquidation | Latency

#: Topic -> the one type it carries. The first four are the main streams.
EVENT_TYPES: dict[str, type[Event]] = {
    "trades": Trade,
    "cancels": Cancel,
    "leverage": LeverageChange,
    "books": BookSnapshot,
    "tickers": DerivativeTicker,
    "liquidations": Liquidation,
    "latency": Latency,
}
#: `type` -> topic, to route the lines of a replay file.
TOPIC_OF_TYPE: dict[str, str] = {str(kind.__struct_config__.tag): topic for topic, kind in EVENT_TYPES.items()}
#: Topic -> the field that is its Kafka key.
KEY_FIELD: dict[str, str] = {
    "trades": "symbol",
    "cancels": "symbol",
    "leverage": "account",
    "books": "symbol",
    "tickers": "symbol",
    "liquidations": "symbol",
    "latency": "component",
}


def key_of(topic: str, event: Event) -> str:
    """The Kafka key of an event: the entity whose order must be kept."""
    return str(getattr(event, KEY_FIELD[topic]))
