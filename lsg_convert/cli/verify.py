"""`lsg-convert verify [FOLDER]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from lsg_convert.cli import parameters as p
from lsg_convert.cli.console import Console

CHECKS_PANEL = "Checks"


def verify(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FOLDER]",
            help="A converted folder. Default: the current folder if it is one, else the only one below it.",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            help="What it was converted from. Default: what the folder's own record says.",
            rich_help_panel=p.SOURCE_PANEL,
            show_default=False,
        ),
    ] = None,
    revision: p.Revision = None,
    token: p.Token = None,
    cache_dir: p.CacheDir = None,
    text: Annotated[
        Path | None,
        typer.Option(
            help="Text to measure on. Default: a few paragraphs that come along.",
            rich_help_panel=CHECKS_PANEL,
            show_default=False,
        ),
    ] = None,
    atol: Annotated[
        float, typer.Option(help="Largest difference of logits that counts as equal.", rich_help_panel=CHECKS_PANEL)
    ] = 1e-4,
    device: Annotated[
        str, typer.Option(help="Where to compute: cpu, cuda, cuda:1, mps.", rich_help_panel=CHECKS_PANEL)
    ] = "cpu",
    dtype: Annotated[
        Literal["float32", "float16", "bfloat16"],
        typer.Option(help="Type to compute in.", rich_help_panel=CHECKS_PANEL),
    ] = "float32",
    json: p.Json = False,
    quiet: p.Quiet = False,
) -> None:
    """Prove that a converted folder still computes what its source computes.

    Exit code 1 when a check fails. A check that could not run is reported as such, with the reason.

    \b
    Examples:
      lsg-convert verify
      lsg-convert verify ./lsg-bart-base-4096 --source ./my-bart
      lsg-convert verify ./lsg-bart-base-4096 --json
    """
    console = Console(json, quiet, secrets=[token])
    with console.working():
        import lsg_convert

        report = lsg_convert.verify(
            folder,
            source=source,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            text=text,
            atol=atol,
            device=device,
            dtype=dtype,
            reporter=console,
        )
    from lsg_convert.cli.render import report_table

    console.result(report.as_dict(), *report_table(report.as_dict(), console.clean))
    if not report.passed:
        raise typer.Exit(1)
