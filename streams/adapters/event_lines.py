"""Events as lines, put together from texts, so that numbers keep the digits that were written."""

from collections.abc import Iterable, Mapping
from json.encoder import encode_basestring

from streams.files import Line

#: A number as JSON writes it.
Digits = str
Levels = Iterable[tuple[Digits, Digits]]

_quoted = encode_basestring


def trade_line(
    timestamp: int, symbol: str, price: Digits, amount: Digits, side: str, trade_id: str = "", liquidation: str = ""
) -> Line:
    """A trade; `side` is the taker's."""
    more = (f',"trade_id":{_quoted(trade_id)}' if trade_id else "") + (
        f',"liquidation":{_quoted(liquidation)}' if liquidation else ""
    )
    return _line("trades", "trade", timestamp, symbol, f'"price":{price},"amount":{amount},"side":"{side}"{more}')


def cancel_line(
    timestamp: int,
    symbol: str,
    account: str,
    order_id: str,
    side: str,
    price: Digits,
    amount: Digits,
    order_timestamp: int,
) -> Line:
    """An order taken back, all of it or a part; `order_timestamp` 0: not known."""
    placed = f',"order_timestamp":{order_timestamp}' if order_timestamp else ""
    body = (
        f'"account":{_quoted(account)},"order_id":{_quoted(order_id)},"side":"{side}","price":{price},"amount":{amount}'
    )
    return _line("cancels", "cancel", timestamp, symbol, body + placed)


def book_line(timestamp: int, symbol: str, bids: Levels, asks: Levels) -> Line:
    """The book, best level first on both sides."""
    sides = [",".join(f"[{price},{amount}]" for price, amount in side) for side in (bids, asks)]
    return _line("books", "book_snapshot", timestamp, symbol, f'"bids":[{sides[0]}],"asks":[{sides[1]}]')


def ticker_line(timestamp: int, symbol: str, values: Mapping[str, Digits]) -> Line:
    """Reference prices; what is not among `values` is not known."""
    body = ",".join(f'"{name}":{value}' for name, value in values.items())
    return _line("tickers", "derivative_ticker", timestamp, symbol, body)


def liquidation_line(timestamp: int, symbol: str, side: str, price: Digits, amount: Digits) -> Line:
    """A position closed by force; `side` is that of the order that closed it."""
    body = f'"side":"{side}","price":{price},"amount":{amount}'
    return _line("liquidations", "liquidation", timestamp, symbol, body)


def _line(topic: str, kind: str, timestamp: int, symbol: str, body: str) -> Line:
    comma = "," if body else ""
    text = f'{{"type":"{kind}","timestamp":{timestamp},"symbol":{_quoted(symbol)}{comma}{body}}}'
    # A lone half of a surrogate is what was no UTF-8 in the file: the decoder refuses its bytes.
    return Line(timestamp, topic, symbol, text.encode("utf-8", "surrogateescape"))
