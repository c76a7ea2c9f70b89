"""What an alert must be for every sink to be told of it: its id goes into headers, its times into dates."""

import re

from detectors.results import Alert

_ID = re.compile(r"[!-~]{1,64}")
#: The year 2100, as for orders.
_LATEST_US = 4_102_444_800_000_000
_MOST_REVISIONS = 2**31


def alert_fault(alert: Alert) -> str | None:
    """Say what is wrong with an alert, if something is; workers make no such alerts, but others may write to a topic.

    Examples
    --------
    >>> import msgspec
    >>> from streams.notify.samples import sample_alert
    >>> alert_fault(sample_alert()), alert_fault(sample_alert(revision=0))
    (None, 'Expected a revision in [1, 2147483648), got 0 - at `$.revision`')
    """
    if not _ID.fullmatch(alert.alert_id):
        return f"Expected 1 to 64 printable ASCII characters, got {alert.alert_id[:80]!r} - at `$.alert_id`"
    if not 1 <= alert.revision < _MOST_REVISIONS:
        return f"Expected a revision in [1, {_MOST_REVISIONS}), got {alert.revision} - at `$.revision`"
    for name in ("timestamp", "window_start", "window_end"):
        if not 0 <= getattr(alert, name) <= _LATEST_US:
            return f"Expected microseconds in [0, {_LATEST_US}], got {getattr(alert, name)} - at `$.{name}`"
    return None
