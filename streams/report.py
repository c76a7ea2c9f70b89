"""`report.html`: one page that opens offline, the alerts over what the market did."""

import io
from collections.abc import Sequence
from pathlib import Path

import jinja2

from detectors.errors import ConfigError
from detectors.results import Alert, Severity
from streams.summary import Summary
from streams.timeline import DEPTH_WITHIN, Bucket, SymbolTimeline, Timeline
from streams.times import clock_text, span_text

#: A report is read by people: beyond these it says how many more there are.
_MOST_ALERTS = 200
_MOST_CHARTS = 8
_COLOURS: dict[Severity, str] = {"critical": "#c62828", "warning": "#ef8e00", "info": "#1976d2"}


def write_report(path: Path, summary: Summary, timeline: Timeline, sources: Sequence[str]) -> None:
    """Write the page.

    Parameters
    ----------
    path
        Where to.
    summary, timeline
        What the replay came to, and what the market did meanwhile.
    sources
        The names of the files that were read.

    Raises
    ------
    ConfigError
        The extra that draws is not installed, or the page cannot be written.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("streams"), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.filters.update(clock=clock_text, span=span_text, number=_number)
    alerts = summary.alerts
    page = environment.get_template("report.html.j2").render(
        sources=sources,
        summary=summary,
        alerts=alerts[:_MOST_ALERTS],
        more_alerts=max(0, len(alerts) - _MOST_ALERTS),
        charts=_charts(timeline, alerts),
        colours=_COLOURS,
    )
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: expected a place to write the report, found: {error}") from error


def require_drawing() -> None:
    """Raise ConfigError when the extra that draws is not installed, before any work is done."""
    try:
        import matplotlib  # noqa: F401, PLC0415 - an extra
    except ImportError as error:
        raise ConfigError(
            "--report needs the extra that draws; install it with: pip install 'squall[report]'"
        ) from error


def _charts(timeline: Timeline, alerts: Sequence[Alert]) -> list[tuple[str, str]]:
    """Draw the symbols of the worst alerts first, then the others."""
    order = dict.fromkeys(alert.symbol for alert in alerts if alert.symbol in timeline.symbols)
    order.update(dict.fromkeys(timeline.symbols))
    return [
        (symbol, _draw(timeline.symbols[symbol], [alert for alert in alerts if alert.symbol in (symbol, "")]))
        for symbol in list(order)[:_MOST_CHARTS]
    ]


def _draw(symbol: SymbolTimeline, alerts: Sequence[Alert]) -> str:
    """Draw price, depth and cancel rate of one symbol, with the windows of its alerts, as an SVG element."""
    require_drawing()
    import matplotlib as mpl  # noqa: PLC0415 - an extra, and slow to load
    from matplotlib.figure import Figure  # noqa: PLC0415

    numbers = sorted(symbol.buckets)
    buckets = [symbol.buckets[number] for number in numbers]
    times_s = [number * symbol.bucket_us / 1e6 for number in numbers]
    begin_s = times_s[0]
    figure = Figure(figsize=(11, 5), layout="constrained")
    axes = figure.subplots(3, 1, sharex=True, height_ratios=(2, 1, 1))
    for axis, (label, values) in zip(axes, _series(buckets, symbol.bucket_us), strict=True):
        shown = [(time - begin_s, value) for time, value in zip(times_s, values, strict=True) if value is not None]
        axis.plot([time for time, _ in shown], [value for _, value in shown], color="#37474f", linewidth=0.9)
        axis.set_ylabel(label)
        axis.grid(alpha=0.25)
        for alert in alerts:
            start_s, end_s = alert.window_start / 1e6 - begin_s, alert.window_end / 1e6 - begin_s
            axis.axvspan(start_s, end_s, color=_COLOURS[alert.severity], alpha=0.25, linewidth=0)
            axis.axvline(alert.timestamp / 1e6 - begin_s, color=_COLOURS[alert.severity], linewidth=0.8)
    axes[-1].set_xlabel(f"seconds after {clock_text(round(begin_s * 1e6))}")
    svg = io.StringIO()
    # A fixed salt and no date: the same replay gives the same bytes.
    with mpl.rc_context({"svg.hashsalt": "squall", "svg.fonttype": "none"}):
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = svg.getvalue()
    return text[text.index("<svg") :]


def _series(buckets: Sequence[Bucket], bucket_us: int) -> list[tuple[str, list[float | None]]]:
    per_s = 1e6 / bucket_us
    return [
        ("price", [bucket.price for bucket in buckets]),
        (f"least depth\nwithin {DEPTH_WITHIN:.1%}", [bucket.depth for bucket in buckets]),
        ("cancels/s", [bucket.cancels * per_s for bucket in buckets]),
    ]


def _number(value: float) -> str:
    return f"{value:,.4g}"
