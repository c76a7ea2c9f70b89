"""How numbers and times are written on pages."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import quote

import jinja2

from detectors.results import Contribution
from detectors.stress import MARKET
from streams.console.plot import decades, share_bar
from streams.story_text import number_text, order_text
from streams.times import clock_text

_DAY_S, _HOUR_S, _MINUTE_S = 86_400, 3_600, 60


def environment() -> jinja2.Environment:
    """Make the templates: everything is escaped, and what is not given is an error."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("streams.console"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        clock=clock_text,
        time_of_day=time_of_day,
        span=span_text,
        number=number_text,
        probability=probability_text,
        times=times_text,
        order=order_text,
        bar=share_bar,
        decades=decades,
        path=lambda text: quote(text, safe=""),
        exact=exact_text,
        symbol=lambda symbol: "market" if symbol in ("", MARKET) else symbol,
        words=lambda text: str(text).replace("_", " "),
    )
    return made


def span_text(span_us: int) -> str:
    """Write a stretch of time for a glance.

    Examples
    --------
    >>> [span_text(seconds * 1_000_000) for seconds in (4, 75, 3_700, 200_000)]
    ['4 s', '1 min 15 s', '1 h 1 min', '2 d 7 h']
    """
    seconds = max(span_us, 0) // 1_000_000
    if seconds < _MINUTE_S:
        return f"{seconds} s"
    if seconds < _HOUR_S:
        return f"{seconds // _MINUTE_S} min {seconds % _MINUTE_S} s"
    if seconds < _DAY_S:
        return f"{seconds // _HOUR_S} h {seconds % _HOUR_S // _MINUTE_S} min"
    return f"{seconds // _DAY_S} d {seconds % _DAY_S // _HOUR_S} h"


def time_of_day(timestamp_us: int) -> str:
    """Write when within its day something was, UTC.

    Examples
    --------
    >>> time_of_day(1_723_161_600_123_456)
    '00:00:00.1'
    """
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=timestamp_us)
    return f"{when:%H:%M:%S}.{when.microsecond // 100_000}"


def probability_text(p_value: float) -> str:
    """Write a probability.

    Examples
    --------
    >>> probability_text(2.31e-9), probability_text(0.0416), probability_text(0.0)
    ('2e-9', '0.042', '0')
    """
    if p_value == 0.0:
        return "0"
    if p_value >= 0.001:
        return f"{p_value:.2g}"
    digits, exponent = f"{p_value:.0e}".split("e")
    return f"{digits}e{int(exponent)}"


def exact_text(value: Decimal) -> str:
    """Write an exact number with all its digits.

    Examples
    --------
    >>> exact_text(Decimal("1250000.00")), exact_text(Decimal("1E-7"))
    ('1,250,000.00', '0.0000001')
    """
    return f"{value:,f}"


def times_text(part: Contribution) -> str:
    """Write how many times as much was seen as was expected; nothing where that says nothing.

    Examples
    --------
    >>> times_text(Contribution("cancels in 1 s", 57.0, 3.0, "cancels", 1e-9, 1.0))
    '19 times'
    >>> times_text(Contribution("depth", 0.0, 3.0, "quote", 1e-9, 1.0))
    ''
    """
    if part.expected <= 0.0 or part.observed <= 0.0:
        return ""
    ratio = part.observed / part.expected
    return f"{ratio:,.0f} times" if ratio >= 10 else f"{ratio:.2g} times"


def axis(begin_us: int, end_us: int, ticks: int) -> Sequence[str]:
    """Write times evenly spread from the beginning to the end.

    Examples
    --------
    >>> axis(0, 60_000_000, 3)
    ['00:00:00', '00:00:30', '00:01:00']
    """
    step_us = (end_us - begin_us) / (ticks - 1)
    return [time_of_day(round(begin_us + number * step_us))[:8] for number in range(ticks)]
