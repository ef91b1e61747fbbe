"""A chart of lines with logarithmic axes, as SVG: no package is needed for it."""

from __future__ import annotations

import math
from html import escape
from typing import Mapping, Sequence

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 640, 420, 64, 16, 48
COLOURS = ("#1b6ca8", "#c8553d", "#3a7d44", "#8a4f9e", "#b8860b", "#2a9d8f", "#d1495b", "#5c677d")
DASHES = ("", "6 3", "2 3", "8 3 2 3")


def _ticks(low: float, high: float) -> list[float]:
    """Powers of ten between, with 2 and 5 where there are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1,) if len(powers) > 4 else (1, 2, 5)
    found = [step * 10.0**power for power in powers for step in steps]
    return [tick for tick in found if low <= tick <= high] or [low, high]


def _number(value: float) -> str:
    return f"{value:g}" if value < 1e5 else f"{value:.0e}".replace("e+0", "e")


class _Scale:
    def __init__(self, values: Sequence[float], begin: float, end: float) -> None:
        self.low, self.high = min(values) / 1.1, max(values) * 1.1
        self.begin, self.end = begin, end

    def __call__(self, value: float) -> float:
        part = math.log(value / self.low) / math.log(self.high / self.low)
        return self.begin + part * (self.end - self.begin)


def _axes(x: _Scale, y: _Scale, sizes: Sequence[float], x_title: str, y_title: str) -> list[str]:
    parts = []
    for tick in sizes if len(sizes) <= 10 else _ticks(x.low, x.high):
        parts.append(f'<path d="M{x(tick):.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#ddd"/>'
                     f'<text x="{x(tick):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{_number(tick)}</text>')
    for tick in _ticks(y.low, y.high):
        parts.append(f'<path d="M{LEFT} {y(tick):.1f}H{WIDTH}" stroke="#ddd"/>'
                     f'<text x="{LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{_number(tick)}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 10}" text-anchor="middle">{escape(x_title)}</text>')
    parts.append(f'<text x="14" y="{HEIGHT / 2}" text-anchor="middle" transform="rotate(-90 14 {HEIGHT / 2})">{escape(y_title)}</text>')
    return parts


def line_chart(lines: Mapping[str, Sequence[tuple[float, float]]], x_title: str, y_title: str) -> str:
    points = [point for line in lines.values() for point in line if point[0] > 0 and point[1] > 0]
    height = max(HEIGHT, TOP + 16 * len(lines) + 16)
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + 260} {height}" font-family="sans-serif" font-size="12">'
            f'<rect width="100%" height="100%" fill="white"/>')
    if not points:
        return head + "</svg>"
    x = _Scale([p[0] for p in points], LEFT, WIDTH)
    y = _Scale([p[1] for p in points], HEIGHT - BOTTOM, TOP)
    parts = [head, *_axes(x, y, sorted({p[0] for p in points}), x_title, y_title)]
    for index, (label, line) in enumerate(lines.items()):
        colour, dash = COLOURS[index % len(COLOURS)], DASHES[index // len(COLOURS) % len(DASHES)]
        style = f'stroke="{colour}" stroke-width="1.6" fill="none"' + (f' stroke-dasharray="{dash}"' if dash else "")
        places = [(x(a), y(b)) for a, b in line if a > 0 and b > 0]
        parts.append(f'<path d="M{" L".join(f"{a:.1f} {b:.1f}" for a, b in places)}" {style}/>')
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2.4" fill="{colour}"/>' for a, b in places]
        at = TOP + 16 * index + 8
        parts.append(f'<path d="M{WIDTH + 12} {at}h22" {style}/><text x="{WIDTH + 40}" y="{at + 4}">{escape(label)}</text>')
    return "\n".join([*parts, "</svg>\n"])
