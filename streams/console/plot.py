"""Draws signals as SVG: a lane for each signal, a stem for each time it was seen, as high as it was improbable.

Pure: points in, text out. Colours and widths stand in the style sheet; nothing but numbers and checked text gets in.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from markupsafe import Markup

from streams.console.signal_memory import SignalPoint

_WIDTH, _HEIGHT = 1_000.0, 40.0
#: Rarer than this all stems are as high.
_MOST_DECADES = 16.0
_MOST_STEMS = 1_200


class Span(NamedTuple):
    """A stretch of time, in microseconds; the end is later than the beginning."""

    begin: int
    end: int

    def x(self, at: int) -> float:
        """Where a time stands, between 0 and the width."""
        return min(max((at - self.begin) / max(self.end - self.begin, 1), 0.0), 1.0) * _WIDTH


class Marks(NamedTuple):
    """What is marked in all lanes: the window of an alert, when it was raised, and how far time has come."""

    window: Span | None = None
    raised: int | None = None
    now: int | None = None


class Lane(NamedTuple):
    """One signal: what it is, its picture, and the same in words and numbers."""

    name: str
    contributes: bool
    svg: Markup
    least: SignalPoint
    points: Sequence[SignalPoint]


def decades(p_value: float) -> float:
    """How improbable: -log10 p, between 0 and 16.

    Examples
    --------
    >>> decades(1e-9), decades(1.0), decades(0.0)
    (9.0, 0.0, 16.0)
    """
    return min(-math.log10(min(max(p_value, 1e-300), 1.0)) + 0.0, _MOST_DECADES)


def lanes(
    points: Iterable[SignalPoint],
    span: Span,
    marks: Marks,
    contributes: Callable[[SignalPoint], bool],
    most: int,
) -> list[Lane]:
    """Draw points, those that contribute first, then the least probable.

    Parameters
    ----------
    points
        Those outside of the span, or later than `marks.now`, are not drawn.
    span
        From left to right.
    marks
        What is marked.
    contributes
        Whether a point is part of what is explained.
    most
        Lanes at most, >= 1.
    """
    known_until = span.end if marks.now is None else marks.now
    shown = [point for point in points if span.begin <= point.timestamp <= min(known_until, span.end)]
    one_symbol = len({point.symbol for point in shown}) == 1
    by_name: dict[str, list[SignalPoint]] = {}
    for point in shown:
        by_name.setdefault(lane_name(point, with_symbol=not one_symbol), []).append(point)
    found = []
    for name, those in by_name.items():
        least = min(those, key=lambda point: (point.p_value, point.timestamp))
        part = [point for point in those if contributes(point)]
        found.append((not part, least.p_value, name, least, those, {point[:5] for point in part}))
    found.sort(key=lambda one: one[:3])
    return [
        Lane(name, not other, _draw(name, those, part, span, marks), least, those)
        for other, _, name, least, those, part in found[:most]
    ]


def lane_name(point: SignalPoint, *, with_symbol: bool) -> str:
    """Name the signal of a point.

    Examples
    --------
    >>> lane_name(SignalPoint(0, "cancel_burst", "account", "a7", "BTC", 1e-9, None, ()), with_symbol=True)
    'cancel burst, account a7 on BTC'
    """
    what = point.detector.replace("_", " ")
    where = f" on {point.symbol}" if with_symbol and point.symbol not in ("", point.entity) else ""
    return f"{what}, {point.scope} {point.entity}{where}"


def share_bar(share: float) -> Markup:
    """Draw a share in [0, 1] as a bar.

    Examples
    --------
    >>> "75.0" in share_bar(0.75)
    True
    """
    width = min(max(share if math.isfinite(share) else 0.0, 0.0), 1.0) * 100.0
    return Markup(  # noqa: S704 - made of a number
        f'<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="rest" width="100" height="8"/><rect class="share" width="{width:.1f}" height="8"/></svg>'
    )


def _draw(
    name: str, points: Sequence[SignalPoint], part: set[tuple[int, str, str, str, str]], span: Span, marks: Marks
) -> Markup:
    shapes = []
    if marks.window is not None:
        left, right = span.x(marks.window.begin), span.x(marks.window.end)
        shapes.append(f'<rect class="window" x="{left:.1f}" width="{max(right - left, 2.0):.1f}" height="{_HEIGHT}"/>')
    shapes.append(f'<path class="base" d="M0 {_HEIGHT}H{_WIDTH}"/>')
    shown = sorted(points, key=lambda point: point.p_value)[:_MOST_STEMS]
    for kind in ("other", "part"):
        stems = "".join(
            f"M{span.x(point.timestamp):.1f} {_HEIGHT}V{_HEIGHT - _height(point):.1f}"
            for point in shown
            if (point[:5] in part) == (kind == "part")
        )
        if stems:
            shapes.append(f'<path class="stem {kind}" d="{stems}"/>')
    for kind, at in (("raised", marks.raised), ("now", marks.now)):
        if at is not None:
            shapes.append(f'<path class="{kind}" d="M{span.x(at):.1f} 0V{_HEIGHT}"/>')
    label = Markup.escape(f"{name}: seen {len(points)} times, at the least probable p = {shown[0].p_value:.2g}")
    return Markup(  # noqa: S704 - made of numbers, and of a label that is escaped
        f'<svg class="lane" role="img" aria-label="{label}" viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" '
        f'preserveAspectRatio="none">{"".join(shapes)}</svg>'
    )


def _height(point: SignalPoint) -> float:
    return max(decades(point.p_value) / _MOST_DECADES * (_HEIGHT - 2.0), 1.5)
