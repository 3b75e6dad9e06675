"""`lsg-convert sweep [FOLDER] --text FILE | --task FILE`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from lsg_convert.cli import parameters as p
from lsg_convert.cli.console import Console
from lsg_convert.common.errors import RequestError

if TYPE_CHECKING:
    from lsg_convert.sweep.run import Grid

DATA_PANEL = "What to measure on"
GRID_PANEL = "Which settings (default: the folder's own and those of the published tables)"

Text = Annotated[
    p.File,
    p.option(
        "Plain text: the loss of language models at the full length, of others how near they are to the source.",
        panel=DATA_PANEL,
    ),
]
Task = Annotated[
    p.File,
    p.option(
        "References for the folder's head: a SQuAD file (EM, F1), or JSON lines with text and summary (ROUGE) or "
        "text and label (accuracy).",
        panel=DATA_PANEL,
    ),
]
Pieces = Annotated[
    int,
    p.option(
        "Pieces of text, or rows of the task, at most. More tell settings apart.", panel=DATA_PANEL, min=1, shown=True
    ),
]
Length = Annotated[int | None, p.option("Tokens of a piece. Default: what the folder takes.", panel=DATA_PANEL)]
Selections = Annotated[
    p.Text, p.option("How sparse tokens are chosen: norm,pooling,none. Default: the folder's.", panel=GRID_PANEL)
]
BlockSizes = Annotated[p.Text, p.option("Block sizes: 64,128. Default: the folder's.", panel=GRID_PANEL)]
Factors = Annotated[
    p.Text, p.option("Sparsity factors: 0,2,4; 0 is local only. Default: the folder's.", panel=GRID_PANEL)
]
Globals = Annotated[
    p.Text, p.option("Numbers of global tokens: 0,1,16. Default: the folder's.", "--globals", panel=GRID_PANEL)
]
State = Annotated[
    p.File,
    p.option(
        "What was measured is kept here, and not measured again. Default: NAME.sweep.json in the current folder.",
        panel=p.RUN_PANEL,
    ),
]
Source = Annotated[
    p.Text, p.option("Model to compare with. Default: what the folder's own record says.", panel=p.SOURCE_PANEL)
]
Plot = Annotated[p.File, p.option("Draw quality against time here (.svg, .png, .pdf). Needs the extra `plot`.")]


def sweep(
    folder: p.Folder = None,
    text: Text = None,
    task: Task = None,
    pieces: Pieces = 8,
    length: Length = None,
    selections: Selections = None,
    block_sizes: BlockSizes = None,
    factors: Factors = None,
    num_global_tokens: Globals = None,
    device: p.Device = "cpu",
    dtype: p.ComputeDtype = "float32",
    trust_remote_code: p.TrustRemoteCode = False,
    source: Source = None,
    revision: p.Revision = None,
    token: p.Token = None,
    cache_dir: p.CacheDir = None,
    plot: Plot = None,
    state: State = None,
    json: p.Json = False,
    quiet: p.Quiet = False,
    verbose: p.Verbose = False,
) -> None:
    """Compare a folder's settings on your own text or task, without training, and recommend one.

    A setting that is plainly worse than a cheaper one is left early.

    \b
    Examples:
      lsg-convert sweep ./lsg-bert-4096 --text articles.txt
      lsg-convert sweep ./lsg-bart-4096 --task test.jsonl --pieces 50
      lsg-convert sweep --text articles.txt --block-sizes 64,128 --factors 0,2
    """
    console = Console(json, quiet, verbose, secrets=[token])
    with console.working():
        from lsg_convert.bench.plot import check_plot
        from lsg_convert.sweep.run import Data, Origin
        from lsg_convert.sweep.run import sweep as measure
        from lsg_convert.verification.settings import Settings

        if plot is not None:
            check_plot(plot)
        grid = _grid(selections, block_sizes, factors, num_global_tokens)
        data = Data(text, task, pieces, length)
        computing = Settings(device=device, dtype=dtype, trust_remote_code=trust_remote_code)
        origin = Origin(source, revision, token, cache_dir)
        report = measure(folder, data, grid, state, computing, origin, console)
        if plot is not None:
            report.plot(plot)
    from lsg_convert.cli.render_sweep import sweep_tables

    console.result(report.as_dict(), *sweep_tables(report.as_dict(), console.clean))
    if report.line is not None:
        console.hint(report.line, to_copy=True)
    if plot is not None:
        console.hint(f"The picture is in {plot}.")


def _grid(selections: str | None, block_sizes: str | None, factors: str | None, counts: str | None) -> Grid:
    from lsg_convert.sweep.run import Grid

    return Grid(
        _selections(selections),
        _numbers(block_sizes, "--block-sizes", "64,128"),
        _numbers(factors, "--factors", "0,2,4"),
        _numbers(counts, "--globals", "0,1,16"),
    )


def _selections(text: str | None) -> list[str]:
    from lsg_convert.modeling.lsg_options import SPARSITY_TYPES

    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    unknown = [name for name in names if name not in SPARSITY_TYPES]
    if unknown:
        raise RequestError(f"--selections: there is no {unknown[0]!r}.", f"There are: {', '.join(SPARSITY_TYPES)}.")
    return names


def _numbers(text: str | None, flag: str, example: str) -> list[int]:
    try:
        return [int(number) for number in text.split(",")] if text else []
    except ValueError as error:
        raise RequestError(f"{flag} is {text!r}.", f"Give whole numbers, like {example}.") from error
