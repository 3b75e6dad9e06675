"""The pictures of the model card: what a token attends, and how the long model compares with its source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsg_convert.folder.png import Colour, write_png
from lsg_convert.folder.staging import replaced

if TYPE_CHECKING:
    import numpy

    from lsg_convert.modeling.lsg_options import LSGOptions

ATTENTION, VERIFICATION = "attention.png", "verification.png"
NOTHING, LOCAL, SPARSE, GLOBAL, EDGE = range(5)
_PALETTE: list[Colour] = [(255, 255, 255), (38, 84, 124), (239, 154, 66), (105, 168, 125), (205, 210, 216)]
_BLOCKS = 11  # enough that a block in the middle has all of its window
_CELLS = 4  # a block is so many cells wide, and a cell so many pixels
_PIXELS = 8
_SERIES = {  # line of a report: (label, colour, style)
    "inside": ("this model, given what its source reads", "#26547c", "-"),
    "beyond": ("this model, given the whole text", "#ef9a42", "-"),
    "itself": ("the source itself, windows moved by half", "#8a929a", "--"),
}


def draw_attention(folder: Path, options: LSGOptions) -> None:
    """Draw `attention.png`: a row for every token, and in it the tokens that it attends."""
    import numpy

    cells = numpy.kron(attention_pattern(options), numpy.ones((_PIXELS, _PIXELS), dtype=numpy.uint8))
    first = _PIXELS if options.num_global_tokens else 0
    for edge in range(first + _PIXELS * _CELLS, len(cells), _PIXELS * _CELLS):
        for line in (cells[edge], cells[:, edge]):
            line[line == NOTHING] = EDGE
    framed = numpy.pad(cells, 1, constant_values=EDGE)
    write_png(folder / ATTENTION, framed, _PALETTE)


def attention_pattern(options: LSGOptions) -> numpy.ndarray:
    """What each of a few blocks of tokens attends, in cells of a quarter block; row and column 0 are the globals'."""
    import numpy

    cells = _BLOCKS * _CELLS
    pattern = numpy.full((cells, cells), NOTHING, dtype=numpy.uint8)
    if options.has_sparse:
        # Sparse entries stand for `sparsity_factor` tokens each, so they reach that much further.
        reach = round(options.sparse_block_size * options.sparsity_factor / options.block_size * _CELLS)
        every = max(1, min(_CELLS, options.sparsity_factor))
        for block in range(_BLOCKS):
            rows = slice(block * _CELLS, (block + 1) * _CELLS)
            left, right = (block - 1) * _CELLS, (block + 2) * _CELLS
            reached = [*range(max(0, left - reach), max(0, left)), *range(min(cells, right), min(cells, right + reach))]
            pattern[rows, [cell for cell in reached if cell % every == 0]] = SPARSE
    position = numpy.arange(cells)
    near = abs(position[:, None] // _CELLS - position // _CELLS) <= 1
    half_window = options.half_window(0)
    if half_window is not None:
        near = abs(position[:, None] - position) <= round(half_window / options.block_size * _CELLS)
    pattern[near] = LOCAL
    if options.has_global_ends:
        ends = [*range(_CELLS), *range(cells - _CELLS, cells)]
        pattern[ends] = pattern[:, ends] = GLOBAL
    if options.num_global_tokens:
        pattern = numpy.pad(pattern, ((1, 0), (1, 0)), constant_values=GLOBAL)
    return pattern


def draw_verification(folder: Path, by_position: dict[str, Any] | None) -> bool:
    """Draw `verification.png` from a report's lines; without lines, or without matplotlib, there is none."""
    path = folder / VERIFICATION
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        by_position = None
    if not by_position:
        path.unlink(missing_ok=True)
        return False
    figure = Figure(figsize=(9, 4.6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name, (label, colour, style) in _SERIES.items():
        points = by_position["lines"].get(name) or []
        if points:
            xs, ys = zip(*points, strict=True)
            axes.plot(xs, ys, style, color=colour, label=label, linewidth=2, marker="o" if len(points) == 1 else None)
    _annotate(axes, by_position)
    with replaced(path) as place:
        figure.savefig(place, format="png", metadata={"Software": "lsg-convert"})
    return True


def _annotate(axes: Any, by_position: dict[str, Any]) -> None:
    """Say what is to be seen, in words that need no paper."""
    source_max, longest = by_position["source_max_len"], by_position["max_len"]
    lowest = min(value for points in by_position["lines"].values() for _, value in points)
    bottom = min(0.0, lowest) if lowest < 0.5 else 0.5
    axes.set_ylim(bottom - 0.02, 1.03)
    axes.set_xlim(0, longest)
    axes.axvspan(0, source_max, color="#26547c", alpha=0.07, linewidth=0)
    axes.annotate(
        f"all that the source\ncan read: {source_max:,}"
        if longest > 3 * source_max
        else f"the source's range: {source_max:,}",
        (source_max, 0.03),
        xycoords=("data", "axes fraction"),
        xytext=(5, 0),
        textcoords="offset points",
        color="#26547c",
        fontsize=9,
    )
    axes.set_title("Does the long model still see in each token what its source sees?", loc="left", fontsize=12)
    axes.set_xlabel("position of the token in the text")
    axes.set_ylabel("similarity of the token's vector\nto the source's (1 = the same)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)
    axes.figure.legend(frameon=False, fontsize=8.5, loc="outside lower center", ncols=3)
