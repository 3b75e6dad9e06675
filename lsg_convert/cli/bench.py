"""`lsg-convert bench [FOLDER]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lsg_convert.cli import parameters as p
from lsg_convert.cli.console import Console
from lsg_convert.common.errors import RequestError
from lsg_convert.modeling.lsg_options import BackendName

Source = Annotated[
    str | None,
    typer.Option(
        help="Model to compare with, at the same lengths. Default: what the folder's own record says.",
        show_default=False,
    ),
]
Lengths = Annotated[str, typer.Option(help="Lengths to measure, in tokens.")]
Train = Annotated[bool, typer.Option("--train", help="Measure a training step too, not only a forward pass.")]
AttentionBackend = Annotated[
    BackendName | None,
    typer.Option(
        help="How attention is computed: sdpa, flex (GPUs), or cpp (CPUs with a C++ compiler). "
        "Default: what the folder's config says.",
        show_default=False,
    ),
]
Rounds = Annotated[int, typer.Option(min=1, help="Runs of each side; sides take turns.")]
Plot = Annotated[
    Path | None,
    typer.Option(
        help="Draw time and memory against length here (.svg, .png, .pdf). Needs the extra `plot`.",
        show_default=False,
    ),
]


def bench(
    folder: p.Folder = None,
    source: Source = None,
    lengths: Lengths = "512,1024,2048,4096",
    train: Train = False,
    device: p.Device = "cpu",
    dtype: p.ComputeDtype = "float32",
    attention_backend: AttentionBackend = None,
    rounds: Rounds = 3,
    trust_remote_code: p.TrustRemoteCode = False,
    plot: Plot = None,
    json: p.Json = False,
    quiet: p.Quiet = False,
) -> None:
    """Measure speed and memory of a converted folder against its source, on this machine.

    \b
    Examples:
      lsg-convert bench ./lsg-bart-base-4096
      lsg-convert bench ./lsg-bart-base-4096 --lengths 1024,4096 --train
      lsg-convert bench ./lsg-bart-base-4096 --attention-backend cpp
    """
    console = Console(json, quiet)
    with console.working():
        from lsg_convert.folder.discovery import find_converted_folder

        place = find_converted_folder(folder)
        from lsg_convert.bench.plot import check_plot
        from lsg_convert.bench.run import run_benchmark

        if plot is not None:
            check_plot(plot)
        report = run_benchmark(
            place,
            source=source,
            lengths=_lengths(lengths),
            train=train,
            device=device,
            dtype=dtype,
            rounds=rounds,
            attention_backend=attention_backend,
            trust_remote_code=trust_remote_code,
            reporter=console,
        )
        if plot is not None:
            report.plot(plot)
    from lsg_convert.cli.render import rows_table

    payload = report.as_dict()
    console.result(payload, *rows_table(payload, console.clean))
    if plot is not None:
        console.hint(f"The picture is in {plot}.")


def _lengths(text: str) -> list[int]:
    """Return the lengths in a list like `512,4096`."""
    try:
        return [int(length) for length in text.split(",")]
    except ValueError as error:
        raise RequestError(f"--lengths is {text!r}.", "Give numbers of tokens, like 512,1024,4096.") from error
