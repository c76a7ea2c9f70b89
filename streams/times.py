"""Event time for people."""

from datetime import UTC, datetime, timedelta


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
