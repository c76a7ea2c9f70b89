"""What time it is, and event time for people."""

import re
import time
from datetime import UTC, datetime, timedelta

from detectors.errors import ConfigError

_UNITS_US = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_SPAN = re.compile(r"(?:[0-9]{1,9}[smhd])+")


def now_us() -> int:
    """What time it is, in microseconds since the epoch: what the exchange's times are compared with."""
    return time.time_ns() // 1_000


def clock_text(timestamp_us: int) -> str:
    """Write a time as ISO 8601, UTC, to the millisecond.

    Examples
    --------
    >>> clock_text(1_723_161_600_123_456)
    '2024-08-09T00:00:00.123Z'
    """
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=timestamp_us)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def span_text(span_us: int) -> str:
    """Write a stretch of time.

    Examples
    --------
    >>> span_text(3_725_000_000), span_text(1_500_000)
    ('1:02:05', '0:00:01.500')
    """
    seconds, rest_us = divmod(span_us, 1_000_000)
    whole = str(timedelta(seconds=seconds))
    return f"{whole}.{rest_us // 1_000:03d}" if rest_us >= 1_000 else whole


def span_us(text: str) -> int:
    """Read a stretch of time, in microseconds: whole numbers of days, hours, minutes and seconds.

    Raises
    ------
    ConfigError
        It is not of that form.

    Examples
    --------
    >>> span_us("90s"), span_us("1h30m")
    (90000000, 5400000000)
    >>> span_us("10")
    Traceback (most recent call last):
    detectors.errors.ConfigError: expected a stretch of time like 90s, 10m, 1h30m or 2d, found '10'
    """
    if not _SPAN.fullmatch(text):
        raise ConfigError(f"expected a stretch of time like 90s, 10m, 1h30m or 2d, found {text!r}")
    return sum(int(number) * _UNITS_US[unit] for number, unit in re.findall(r"([0-9]+)([smhd])", text))
