"""Whether alerts can be delivered as the settings say; nothing is sent."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from detectors.errors import ConfigError
from streams.doctor.lines import Line
from streams.notify.endpoint import Endpoint, endpoint_of
from streams.settings import Settings

_LOCAL = ("localhost", "127.0.0.1", "::1")
#: A person who is to act within minutes is not to be told after one.
_LONGEST_WAIT_S = 60.0


def check_sinks(settings: Settings) -> Iterator[Line]:
    """Look at each sink's settings and secrets.

    Examples
    --------
    >>> [line.mark for line in check_sinks(Settings(config="/dev/null"))]
    ['SKIP']
    """
    if not settings.notify.sinks:
        yield Line("SKIP", "delivery", "no table [notify.sinks.NAME]: alerts stand in their topic, and nobody is told")
    for name in settings.notify.sinks:
        try:
            endpoint = endpoint_of(name, settings)
        except ConfigError as error:
            yield Line("FAIL", f"sink {name}", str(error), "set the secret anew; `squall notify --check` tries it")
        else:
            yield _of_sink(endpoint)


def _of_sink(endpoint: Endpoint) -> Line:
    sink, what = endpoint.sink, f"sink {endpoint.name}"
    address = urlsplit(sink.address or endpoint.secrets[0])
    if address.scheme == "http" and address.hostname not in _LOCAL and sink.kind in ("slack", "pagerduty"):
        return Line("FAIL", what, "its secret would be sent in the clear", "use https")
    # An Alertmanager in the same cluster, without a token, is usual.
    if address.scheme == "http" and address.hostname not in _LOCAL and endpoint.secrets:
        return Line("WARN", what, "what it is sent can be read and changed on the way", "use https")
    if sink.kind != "alertmanager" and sink.group_wait_s > _LONGEST_WAIT_S:
        said = f"alerts wait {sink.group_wait_s:g} s for others of their group before they are told"
        return Line("WARN", what, said, "set group_wait_s to some seconds; group_interval_s and update_s keep it quiet")
    if sink.give_up_s < sink.breaker_s:
        said = (
            f"messages are given up after {sink.give_up_s:g} s, a sink that failed is probed after {sink.breaker_s:g} s"
        )
        return Line("WARN", what, said, "set give_up_s to minutes or hours")
    return Line(
        "OK", what, f"{sink.kind}, from {sink.min_severity} on; `squall notify --test {endpoint.name}` tries it"
    )
