"""Which sink hears of which alert, and which alerts share its messages. Nothing but arithmetic."""

from fnmatch import fnmatchcase

import msgspec

from detectors.results import Alert
from streams.notify.messages import SEVERITIES
from streams.notify.sink_settings import GroupField, SinkSettings

_BY_THEMSELVES: tuple[GroupField, ...] = ("pattern", "symbol")


def is_routed(alert: Alert, sink: SinkSettings) -> bool:
    """Whether a sink wants to hear of an alert.

    Examples
    --------
    >>> from streams.notify.samples import sample_alert
    >>> sink = SinkSettings("webhook", url="http://localhost/", secret_file="s", symbols=("BTC-*",))
    >>> is_routed(sample_alert(symbol="BTC-PERP"), sink), is_routed(sample_alert(symbol="ETH-PERP"), sink)
    (True, False)
    >>> is_routed(sample_alert(symbol="BTC-PERP", severity="info"), sink)
    False
    """
    return (
        SEVERITIES.index(alert.severity) >= SEVERITIES.index(sink.min_severity)
        and (not sink.patterns or alert.pattern in sink.patterns)
        and (not sink.symbols or any(fnmatchcase(alert.symbol, symbol) for symbol in sink.symbols))
    )


def group_of(alert: Alert, sink: SinkSettings) -> str:
    """Name the group of an alert: what its members have in common, as JSON.

    PagerDuty and Alertmanager group by themselves: there a group is a pattern on a symbol, of which one alert is open
    at a time, so that what is said of it stays in order.

    Examples
    --------
    >>> from streams.notify.samples import sample_alert
    >>> group_of(sample_alert(), SinkSettings("webhook", url="http://localhost/", secret_file="s"))
    '{"pattern":"cancel_burst","symbol":"SAMPLE-PERP"}'
    """
    names = _BY_THEMSELVES if sink.kind in ("pagerduty", "alertmanager") else sink.group_by
    common = {name: getattr(alert, name) for name in sorted(names)}
    return msgspec.json.encode(common).decode()


def read_group(group: str) -> dict[str, str]:
    """Give back what the members of a group have in common."""
    return msgspec.json.decode(group, type=dict[str, str])
