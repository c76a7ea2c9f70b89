"""Single values of an exchange's records, in our units: exact, or refused.

Values come as JSON has them, except that a number with a point or an exponent is its text: nothing is rounded before
somebody asks for a float.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow

import msgspec

#: What is read for a field: text, or a value that JSON has.
Value = object

#: Units of time, in microseconds; what is finer than those is cut off.
UNITS_US = {"s": Decimal(1_000_000), "ms": Decimal(1_000), "us": Decimal(1), "ns": Decimal("0.001")}
_WHOLE_UNITS_US = {"s": 1_000_000, "ms": 1_000, "us": 1}
ISO = "iso"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: More digits than any price times any factor; a product that needs more is refused, not rounded.
_EXACT = Context(prec=120, traps=[Inexact, InvalidOperation, Overflow])
#: Microseconds of no time that we take have more digits.
_MOST_DIGITS = 25
_LONGEST_SHOWN = 80


def shown(value: Value) -> str:
    """Give a value as a message quotes it."""
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def scaled_by(factor: Decimal, path: str) -> Callable[[Value], Value]:
    """Make what multiplies a number, exactly.

    Examples
    --------
    >>> scaled_by(Decimal("0.001"), "q")("12345678901234567.5"), scaled_by(Decimal(100), "q")(3)
    ('12345678901234.5675', '300')
    """

    def scale(value: Value) -> Value:
        number = _decimal(value, path)
        try:
            product = _EXACT.multiply(number, factor)
        except DecimalException:
            raise msgspec.ValidationError(
                f"Expected a number of fewer digits, got {shown(value)} {_at(path)}"
            ) from None
        # Plain digits as long as there are not many.
        return format(product, "f") if -_MOST_DIGITS < product.adjusted() < _MOST_DIGITS else str(product)

    return scale


def time_in(unit: str, path: str) -> Callable[[Value], Value]:
    """Make what reads a time: a number of units since the epoch, or text in ISO 8601 that says its offset.

    Examples
    --------
    >>> time_in("ms", "E")(1700000000123), time_in("s", "t")("1700000000.1234567")
    (1700000000123000, 1700000000123456)
    >>> time_in("iso", "t")("2023-11-14T22:13:20.123Z")
    1700000000123000
    """
    if unit == ISO:
        return lambda value: _iso_us(value, path)
    factor, whole_factor = UNITS_US[unit], _WHOLE_UNITS_US.get(unit)

    def read(value: Value) -> Value:
        if whole_factor is not None and type(value) is int:
            return value * whole_factor
        number = _decimal(value, path)
        if number.adjusted() > _MOST_DIGITS:
            raise msgspec.ValidationError(f"Expected a time in {unit}, got {shown(value)} {_at(path)}")
        return int((number * factor).to_integral_value("ROUND_FLOOR"))

    return read


def one_of(known: Mapping[str, Value], path: str) -> Callable[[Value], Value]:
    """Make what translates a value by its text, as JSON writes it: `true`, `1`, `SELL`.

    Examples
    --------
    >>> one_of({"true": "sell", "false": "buy"}, "m")(True)
    'sell'
    """

    def translate(value: Value) -> Value:
        text = _text(value)
        found = None if text is None else known.get(text)
        if found is None:
            raise msgspec.ValidationError(f"Expected one of {', '.join(known)}, got {shown(value)} {_at(path)}")
        return found

    return translate


def as_name(value: Value) -> Value:
    """Give a whole number as text: accounts are often numbered."""
    return str(value) if type(value) is int else value


def _text(value: Value) -> str | None:
    if type(value) is bool:
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int) else None


def _decimal(value: Value, path: str) -> Decimal:
    if type(value) is int or (type(value) is str and value.isascii() and "_" not in value):
        try:
            number = Decimal(value)
        except (InvalidOperation, ValueError):
            number = Decimal("NaN")
        if number.is_finite():
            return number
    raise msgspec.ValidationError(f"Expected a number, got {shown(value)} {_at(path)}")


def _iso_us(value: Value, path: str) -> int:
    try:
        when = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        when = None
    if when is None or when.tzinfo is None:
        raise msgspec.ValidationError(f"Expected a time in ISO 8601 with its offset, got {shown(value)} {_at(path)}")
    return (when - _EPOCH) // timedelta(microseconds=1)


def _at(path: str) -> str:
    return f"- at `{path}` of the record"
