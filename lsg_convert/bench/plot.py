"""Log-log line charts as SVG, with nothing to install."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

Series = Mapping[str, Mapping[int, float]]  # name → {length: value}

_COLOURS = ("#26547c", "#ef9a42", "#69a87d", "#c0392b", "#8e6bbf", "#8a929a", "#3aa7a3", "#b7950b")
_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 460, 340, 64, 36, 16, 44


def write_plot(path: Path, panels: Mapping[str, Series]) -> None:
    """Write one panel beside the other, with a legend below; panel titles name the value and its unit."""
    names = list(dict.fromkeys(name for series in panels.values() for name in series))
    colours = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(names)}
    width, height = _WIDTH * len(panels), _HEIGHT + 20 * math.ceil(len(names) / 2) + 10
    body = [_panel(title, series, i * _WIDTH, colours) for i, (title, series) in enumerate(panels.items())]
    body += [_legend(name, i, colours[name]) for i, name in enumerate(names)]
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
        f"{''.join(body)}</svg>\n"
    )


def _panel(title: str, series: Series, offset: int, colours: Mapping[str, str]) -> str:
    points = [(x, y) for line in series.values() for x, y in line.items() if y > 0]
    parts = [f'<text x="{offset + _LEFT}" y="20" font-weight="bold">{escape(title)}</text>']
    if not points:
        return parts[0]
    x_ticks = sorted({x for x, _ in points})
    lowest, highest = min(y for _, y in points), max(y for _, y in points)
    y_ticks = _nice_between(lowest, highest)
    low, high = min(lowest, y_ticks[0]), max(highest, y_ticks[-1])

    def place(x: float, y: float) -> tuple[float, float]:
        right = _share(x, x_ticks[0], x_ticks[-1]) * (_WIDTH - _LEFT - _RIGHT)
        up = _share(y, low, high) * (_HEIGHT - _TOP - _BOTTOM)
        return round(offset + _LEFT + right, 1), round(_HEIGHT - _BOTTOM - up, 1)

    for x in x_ticks:
        left, bottom = place(x, low)
        parts.append(f'<text x="{left}" y="{bottom + 18}" text-anchor="middle">{x}</text>')
        parts.append(f'<path d="M{left} {bottom}V{_TOP}" stroke="#e4e7ea"/>')
    for y in y_ticks:
        left, bottom = place(x_ticks[0], y)
        parts.append(f'<text x="{left - 6}" y="{bottom + 4}" text-anchor="end">{y:g}</text>')
        parts.append(f'<path d="M{left} {bottom}H{offset + _WIDTH - _RIGHT}" stroke="#e4e7ea"/>')
    for name, line in series.items():
        places = [place(x, y) for x, y in sorted(line.items()) if y > 0]
        route = " ".join(f"{x},{y}" for x, y in places)
        parts.append(f'<polyline points="{route}" fill="none" stroke="{colours[name]}" stroke-width="2"/>')
        parts += [f'<circle cx="{x}" cy="{y}" r="3" fill="{colours[name]}"/>' for x, y in places]
    parts.append(f'<text x="{offset + _WIDTH // 2}" y="{_HEIGHT - 8}" text-anchor="middle">tokens</text>')
    return "".join(parts)


def _legend(name: str, index: int, colour: str) -> str:
    x, y = _LEFT + index % 2 * _WIDTH // 2, _HEIGHT + 14 + index // 2 * 20
    line = f'<path d="M{x} {y}h22" stroke="{colour}" stroke-width="3"/>'
    return f'{line}<text x="{x + 30}" y="{y + 4}">{escape(name)}</text>'


def _share(value: float, low: float, high: float) -> float:
    """Where a value stands between two others, 0 … 1, by its logarithm."""
    return 0.5 if high <= low else math.log(value / low) / math.log(high / low)


def _nice_between(low: float, high: float) -> Sequence[float]:
    """1, 2, 5 times powers of ten that span low … high."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    ticks = [factor * 10.0**power for power in range(first, last + 1) for factor in (1, 2, 5)]
    inside = [tick for tick in ticks if low <= tick <= high]
    return inside or [low, high]
