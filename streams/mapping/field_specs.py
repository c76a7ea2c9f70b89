"""What a mapping says of one field, made into a reader of records."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from detectors.errors import ConfigError
from streams.mapping.values import ISO, UNITS_US, as_name, one_of, scaled_by, shown, time_in

TIMES = frozenset({"timestamp", "order_timestamp"})
SIDES = frozenset({"bids", "asks"})
TEXTS = frozenset(
    {
        *("symbol", "account", "taker_account", "maker_account", "component"),
        *("side", "margin_mode", "trade_id", "order_id", "liquidation"),
    }
)
_NAMES = frozenset({"symbol", "account", "taker_account", "maker_account", "component"})


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


#: Stands for a value that a record does not have, or has as null.
MISSING: Final = _Missing()
Reader = Callable[[Any], Any]


def reader_of(field: str, spec: object) -> tuple[Reader, str]:
    """Make a reader of one field, and tell the path it reads.

    Parameters
    ----------
    field
        A field of our events.
    spec
        A path (`"data.p"`), or a table: `from` with a path (or a list of its steps), or `value` with a constant; `unit`
        of a time; `scale` of a number; `values` to translate by; of bids and asks, `price` and `amount` within a level.

    Raises
    ------
    ConfigError
        The table makes no sense for this field.

    Examples
    --------
    >>> read, path = reader_of("side", {"from": "data.m", "values": {"true": "sell", "false": "buy"}})
    >>> read({"data": {"m": True}}), read({}), path
    ('sell', nothing, 'data.m')
    """
    table = spec if isinstance(spec, Mapping) else {"from": spec}
    _refuse_unknown(table, _keys_for(field))
    if ("value" in table) == ("from" in table):
        raise ConfigError("expected either `from` or `value`, found " + ("both" if "value" in table else "neither"))
    if "value" in table:
        return _constant(field, table), ""
    steps = _steps(table["from"])
    path = ".".join(steps)
    find = _finder(steps)
    change = _change(field, table, path)
    if change is None:
        return find, path

    def read(record: Any) -> Any:  # noqa: ANN401 - whatever JSON has
        value = find(record)
        return value if value is MISSING else change(value)

    return read, path


def _keys_for(field: str) -> tuple[str, ...]:
    if field in TIMES:
        return ("from", "value", "unit")
    if field in SIDES:
        return ("from", "price", "amount")
    return ("from", "value", "values") if field in TEXTS else ("from", "value", "scale")


def _refuse_unknown(table: Mapping[str, object], known: Sequence[str]) -> None:
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean `{near[0]}`?" if near else ""
            raise ConfigError(f"expected {', '.join(known)}, found `{key}`{hint}")


def _constant(field: str, table: Mapping[str, object]) -> Reader:
    if len(table) > 1:
        raise ConfigError(f"expected `value` alone, found {', '.join(sorted(table))}")
    value = table["value"]
    if isinstance(value, Decimal):
        value = str(value)
    if field in _NAMES:
        value = as_name(value)
    if not isinstance(value, str | int):
        raise ConfigError(f"expected a text, a number or a truth in `value`, found {shown(value)}")
    return lambda _: value


def _change(field: str, table: Mapping[str, Any], path: str) -> Reader | None:
    if field in TIMES:
        unit = table.get("unit", "us")
        if unit not in (*UNITS_US, ISO):
            raise ConfigError(f"expected a unit of {', '.join([*UNITS_US, ISO])}, found {shown(unit)}")
        return time_in(unit, path)
    if field in SIDES:
        return _levels(table, path)
    if "values" in table:
        return one_of(_translation(table["values"]), path)
    if "scale" in table:
        return scaled_by(_factor(table["scale"]), path)
    return as_name if field in _NAMES else None


def _translation(values: object) -> dict[str, object]:
    if not isinstance(values, Mapping) or not values:
        raise ConfigError(f"expected a table in `values`, found {shown(values)}")
    return {str(text): value for text, value in values.items()}


def _factor(scale: object) -> Decimal:
    if isinstance(scale, int | str | Decimal) and not isinstance(scale, bool):
        try:
            factor = Decimal(scale)
        except ArithmeticError:
            factor = Decimal("NaN")
        if factor.is_finite() and factor > 0 and abs(factor.adjusted()) < 30 and len(factor.as_tuple().digits) < 30:
            return factor
    raise ConfigError(f"expected a factor above zero in `scale`, found {shown(scale)}")


def _levels(table: Mapping[str, object], path: str) -> Reader:
    """Levels as arrays or objects; an object as a whole is taken for price: amount."""
    price, _ = reader_of("price", table.get("price", "0"))
    amount, _ = reader_of("amount", table.get("amount", "1"))

    def read(value: Any) -> Any:  # noqa: ANN401 - whatever JSON has
        if type(value) is dict:
            value = list(map(list, value.items()))
        if type(value) is not list:
            raise msgspec.ValidationError(f"Expected `array`, got {shown(value)} - at `{path}` of the record")
        levels = [(price(level), amount(level)) for level in value]
        if any(MISSING in level for level in levels):
            raise msgspec.ValidationError(f"Expected a price and an amount in each level - at `{path}` of the record")
        return levels

    return read


def _steps(path: object) -> list[str]:
    steps = path.split(".") if isinstance(path, str) else path
    if not isinstance(steps, list) or not steps or not all(isinstance(step, str) and step for step in steps):
        raise ConfigError(f"expected a path like data.p, or a list of its steps, found {shown(path)}")
    return steps


def _finder(steps: Sequence[str]) -> Reader:
    def find(record: Any) -> Any:  # noqa: ANN401 - whatever JSON has
        for step in steps:
            if type(record) is dict:
                record = record.get(step)
            elif type(record) is list:
                record = record[int(step)] if step.isdecimal() and int(step) < len(record) else None
            else:
                return MISSING
        return MISSING if record is None else record

    def find_here(record: Any) -> Any:  # noqa: ANN401 - whatever JSON has
        if type(record) is not dict:
            return find(record)
        found = record.get(only)
        return MISSING if found is None else found

    only = steps[0]
    return find if len(steps) > 1 else find_here


def finder_of(path: object) -> Reader:
    """Make what finds the value at a path, unchanged.

    Raises
    ------
    ConfigError
        It is no path.
    """
    return _finder(_steps(path))
