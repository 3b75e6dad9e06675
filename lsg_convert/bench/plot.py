"""Charts, drawn by matplotlib: time and memory against length, and settings by cost and quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lsg_convert.common.errors import RequestError

Series = Mapping[str, Mapping[int, float]]  # name → {length: value}

FORMATS = (".svg", ".png", ".pdf")
_COLOURS = ("#26547c", "#ef9a42", "#69a87d", "#c0392b", "#8e6bbf", "#8a929a", "#3aa7a3", "#b7950b")


def check_plot(path: Path) -> None:
    """Make sure, before anything is measured, that a picture can be drawn there.

    Raises:
        RequestError: matplotlib is missing, the file has no format that it writes, or its folder does not exist.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise RequestError(
            "--plot needs matplotlib, which is not installed.", "pip install 'lsg-convert[plot]', or leave --plot out."
        ) from error
    if path.suffix.lower() not in FORMATS:
        raise RequestError(f"--plot {path}: the name must end in {', '.join(FORMATS)}.", "For example: speed.svg.")
    if not path.parent.is_dir():
        raise RequestError(f"--plot {path}: there is no folder {path.parent}.", "Create it, or choose another path.")


def write_plot(path: Path, panels: Mapping[str, Series]) -> None:
    """Write one panel beside the other, with a legend below; panel titles name the value and its unit.

    Raises:
        RequestError: as `check_plot`.
    """
    check_plot(path)
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(name for series in panels.values() for name in series))
    colours = {name: _COLOURS[index % len(_COLOURS)] for index, name in enumerate(names)}
    figure = Figure(figsize=(4.6 * len(panels), 3.8), layout="constrained")
    for axes, (title, series) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        _draw_panel(axes, title, series, colours)
    handles = {
        label: handle for axes in figure.axes for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles, frameon=False, fontsize=8, loc="outside lower center", ncols=2)
    _save(figure, path)


def write_points(
    path: Path, points: Mapping[str, tuple[float, float]], front: Sequence[str], x_label: str, y_label: str
) -> None:
    """Write a picture of named points (x, y); a line joins those of the `front`, which are in bold.

    Raises:
        RequestError: as `check_plot`.
    """
    check_plot(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.subplots()
    rest = [point for name, point in points.items() if name not in front]
    if rest:
        axes.plot(*zip(*rest, strict=True), "o", color=_COLOURS[5], markersize=4)
    if front:
        axes.plot(*zip(*(points[name] for name in front), strict=True), "o-", color=_COLOURS[0], markersize=5)
    for name, point in points.items():
        weight = "bold" if name in front else "normal"
        axes.annotate(name, point, xytext=(4, 4), textcoords="offset points", fontsize=7, fontweight=weight)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": "lsg-convert", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)


def _draw_panel(axes: Any, title: str, series: Series, colours: Mapping[str, str]) -> None:
    from matplotlib.ticker import FuncFormatter, NullLocator

    axes.set_title(title, loc="left", fontsize=10, fontweight="bold")
    lengths = sorted({length for line in series.values() for length, value in line.items() if value > 0})
    if not lengths:
        axes.set_axis_off()
        return
    for name, line in series.items():
        points = sorted((length, value) for length, value in line.items() if value > 0)
        axes.plot(*zip(*points, strict=True), "o-", color=colours[name], label=name, markersize=4)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(lengths, [str(length) for length in lengths], fontsize=8)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("tokens")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
