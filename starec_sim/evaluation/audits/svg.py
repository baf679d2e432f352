"""Draw charts as SVG text. All labels are escaped; nothing is loaded from elsewhere."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from starec_sim.evaluation.audits.result import Chart

WIDTH, HEIGHT = 560, 264
LEFT, RIGHT, TOP, BOTTOM = 62, 12, 36, 46
COLOURS = ("#2f6f9f", "#d1873a", "#4f9a5d", "#a4508b", "#7a6a53", "#54616c")
GREY = "#7c7c7c"
DASHES = ("5 4", "2 3", "9 4")
LETTER = 6.3
"""Approximate width of a letter of 11 pixels."""


def draw(chart: Chart) -> str:
    """Return a chart as an SVG element."""
    low, high, step = _axis(chart)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" xmlns="http://www.w3.org/2000/svg">',
        f"<title>{escape(f'{chart.y_label} by {chart.x_label}'.removesuffix(' by '))}</title>",
    ]
    scale = _Scale(low, high, len(chart.x))
    parts += _grid(chart, scale, step)
    parts += _bars(chart, scale) if chart.kind == "bar" else _lines(chart, scale)
    for number, values in enumerate(chart.reference.values()):
        dash = DASHES[number % len(DASHES)]
        parts.append(_path(values, scale, GREY, f' stroke-dasharray="{dash}"'))
    parts += _legend(chart)
    return "".join([*parts, "</svg>"])


class _Scale:
    """Coordinates of values and of x positions."""

    def __init__(self, low: float, high: float, places: int) -> None:
        self.low, self.high, self.places = low, high, places
        self.room = (WIDTH - LEFT - RIGHT) / places

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def x(self, place: int) -> float:
        return LEFT + (place + 0.5) * self.room


def _axis(chart: Chart) -> tuple[float, float, float]:
    """Return round bounds around all values and zero, and the step between grid lines."""
    values = [
        value
        for series in (*chart.series.values(), *chart.reference.values())
        for value in series
        if not math.isnan(value)
    ]
    low, high = min(0.0, *values, 0.0), max(0.0, *values, 0.0)
    span = (high - low) or 1.0
    step = 10 ** math.floor(math.log10(span))
    for share in (0.1, 0.2, 0.25, 0.5, 1.0):
        if span / (step * share) <= 6:
            step *= share
            break
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step or 1.0, step


def _grid(chart: Chart, scale: _Scale, step: float) -> Iterator[str]:
    lines = round((scale.high - scale.low) / step)
    for number in range(lines + 1):
        value = scale.low + number * step
        y = scale.y(value)
        zero = abs(value) < step / 1e6
        colour = "#9a9a9a" if zero else "#e4e4e0"
        yield f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{colour}" fill="none"/>'
        shown = f"{0.0 if zero else value:.4g}"
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{shown}</text>'
    every = math.ceil(max(map(len, chart.x)) * LETTER / scale.room) if chart.x else 1
    for place, label in enumerate(chart.x):
        if place % every == 0:
            y = HEIGHT - BOTTOM + 16
            yield f'<text x="{scale.x(place):.1f}" y="{y}" text-anchor="middle">'
            yield f"{escape(label)}</text>"
    middle, base = (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8
    yield f'<text x="{middle}" y="{base}" text-anchor="middle" class="axis">'
    yield f"{escape(chart.x_label)}</text>"
    turned = f"translate(12 {(TOP + HEIGHT - BOTTOM) / 2:.0f}) rotate(-90)"
    yield f'<text transform="{turned}" text-anchor="middle" class="axis">{escape(chart.y_label)}'
    yield "</text>"


def _bars(chart: Chart, scale: _Scale) -> Iterator[str]:
    width = min(46.0, 0.72 * scale.room / max(1, len(chart.series)))
    for number, values in enumerate(chart.series.values()):
        for place, value in enumerate(values):
            if math.isnan(value):
                continue
            x = scale.x(place) + (number - len(chart.series) / 2) * width
            top, bottom = sorted((scale.y(value), scale.y(0.0)))
            yield (
                f'<rect x="{x:.1f}" y="{top:.1f}" width="{width - 2:.1f}" '
                f'height="{bottom - top:.1f}" fill="{COLOURS[number % len(COLOURS)]}"/>'
            )
            if len(chart.series) * len(values) <= 12:
                yield (
                    f'<text x="{x + width / 2 - 1:.1f}" y="{top - 4:.1f}" text-anchor="middle" '
                    f'class="value">{_short(value)}</text>'
                )


def _lines(chart: Chart, scale: _Scale) -> Iterator[str]:
    for number, values in enumerate(chart.series.values()):
        colour = COLOURS[number % len(COLOURS)]
        yield _path(values, scale, colour, ' stroke-width="2"')
        for place, value in enumerate(values):
            if not math.isnan(value):
                at = f'cx="{scale.x(place):.1f}" cy="{scale.y(value):.1f}"'
                yield f'<circle {at} r="2.6" fill="{colour}"/>'


def _short(value: float) -> str:
    """Return a value in few characters.

    >>> [_short(value) for value in (0.0, 0.0028, 0.25, 1.0, 32.25)]
    ['0', '0.003', '0.25', '1', '32.2']
    """
    return f"{value:.3g}" if abs(value) >= 1 else f"{value:.3f}".rstrip("0").rstrip(".")


def _path(values: Sequence[float], scale: _Scale, colour: str, more: str) -> str:
    points = [
        f"{scale.x(place):.1f} {scale.y(value):.1f}"
        for place, value in enumerate(values)
        if not math.isnan(value)
    ]
    return f'<path d="M{"L".join(points)}" stroke="{colour}" fill="none"{more}/>' if points else ""


def _legend(chart: Chart) -> Iterator[str]:
    """Yield a legend of one or two lines."""
    entries = [(name, COLOURS[n % len(COLOURS)], "") for n, name in enumerate(chart.series)]
    entries += [(name, GREY, DASHES[n % len(DASHES)]) for n, name in enumerate(chart.reference)]
    x, y = float(LEFT), 6
    for name, colour, dash in entries:
        width = 38 + LETTER * len(name)
        if x + width > WIDTH and y == 6:
            x, y = float(LEFT), 20
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        yield (
            f'<path d="M{x:.0f} {y}h18" stroke="{colour}" stroke-width="{2 if dash else 4}"'
            f'{dashed} fill="none"/><text x="{x + 23:.0f}" y="{y + 4}">{escape(name)}</text>'
        )
        x += width
