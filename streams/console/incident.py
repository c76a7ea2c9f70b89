"""An incident step by step: what was known of an alert, and of the signals around it, at each moment."""

from collections.abc import Sequence
from typing import NamedTuple

from detectors.results import Alert
from streams.console.plot import Span
from streams.console.signal_memory import SignalPoint

_SECOND_US = 1_000_000
#: How far before the alert the signals are shown.
_BEFORE_US = 60 * _SECOND_US
_AFTER_US = 15 * _SECOND_US
_LONGEST_US = 30 * 60 * _SECOND_US
_MOST_STEPS = 240


class Moment(NamedTuple):
    """One step: the exchange's time, the newest revision that was known (None: none yet), whether it is new here."""

    at: int
    alert: Alert | None
    is_news: bool


def span_of(revisions: Sequence[Alert]) -> Span:
    """The stretch of time that an alert is shown in: a minute before it to shortly behind its last revision.

    Parameters
    ----------
    revisions
        The oldest first, at least one.
    """
    begin = min(alert.window_start for alert in revisions) - _BEFORE_US
    end = max(max(alert.window_end, alert.timestamp) for alert in revisions) + _AFTER_US
    return Span(begin, min(end, begin + _LONGEST_US))


def moments(revisions: Sequence[Alert], points: Sequence[SignalPoint], span: Span) -> list[Moment]:
    """Tell the steps: each revision, and the seconds in which signals were seen.

    Parameters
    ----------
    revisions, points
        The oldest first; of too many seconds with signals, evenly many are left out.
    span
        Others are not told.
    """
    told = [alert for alert in revisions if span.begin <= alert.timestamp <= span.end]
    news = {alert.timestamp for alert in told}
    seconds = {-(-point.timestamp // _SECOND_US) * _SECOND_US for point in points}
    quiet = sorted(at for at in seconds - news if span.begin <= at <= span.end)
    room = max(_MOST_STEPS - len(news), 0)
    if len(quiet) > room:
        quiet = [quiet[number * len(quiet) // room] for number in range(room)] if room else []
    return [_moment(told, at, at in news) for at in sorted({*news, *quiet})]


def _moment(revisions: Sequence[Alert], at: int, is_news: bool) -> Moment:
    known = [alert for alert in revisions if alert.timestamp <= at]
    return Moment(at, max(known, key=lambda alert: alert.revision) if known else None, is_news)
