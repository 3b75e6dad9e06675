"""`lsg-convert bench [FOLDER]`."""

from __future__ import annotations

from typing import Annotated

from lsg_convert.cli import parameters as p
from lsg_convert.cli.console import Console
from lsg_convert.common.errors import RequestError
from lsg_convert.modeling.lsg_options import BackendName

Source = Annotated[
    p.Text, p.option("Model to compare with, at the same lengths. Default: what the folder's own record says.")
]
Lengths = Annotated[str, p.option("Lengths to measure, in tokens.", shown=True)]
Train = Annotated[bool, p.option("Measure a training step too, not only a forward pass.", "--train")]
AttentionBackend = Annotated[
    BackendName | None,
    p.option(
        "How attention is computed: sdpa, flex (GPUs), or cpp (CPUs with a C++ compiler). "
        "Default: what the folder's config says."
    ),
]
Rounds = Annotated[int, p.option("Runs of each side; sides take turns.", min=1, shown=True)]
Plot = Annotated[
    p.File, p.option("Draw time and memory against length here (.svg, .png, .pdf). Needs the extra `plot`.")
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
    verbose: p.Verbose = False,
) -> None:
    """Measure speed and memory of a converted folder against its source, on this machine.

    \b
    Examples:
      lsg-convert bench ./lsg-bart-base-4096
      lsg-convert bench ./lsg-bart-base-4096 --lengths 1024,4096 --train
      lsg-convert bench ./lsg-bart-base-4096 --attention-backend cpp
    """
    console = Console(json, quiet, verbose)
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
    from lsg_convert.cli.render import bench_tables

    payload = report.as_dict()
    console.result(payload, *bench_tables(payload, console.clean))
    if plot is not None:
        console.hint(f"The picture is in {plot}.")


def _lengths(text: str) -> list[int]:
    """Return the lengths in a list like `512,4096`."""
    try:
        return [int(length) for length in text.split(",")]
    except ValueError as error:
        raise RequestError(f"--lengths is {text!r}.", "Give numbers of tokens, like 512,1024,4096.") from error
