"""`lsg-convert verify [FOLDER]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lsg_convert.cli import parameters as p
from lsg_convert.cli.console import Console

CHECKS_PANEL = "Checks"

Source = Annotated[
    str | None,
    typer.Option(
        help="What it was converted from. Default: what the folder's own record says.",
        rich_help_panel=p.SOURCE_PANEL,
        show_default=False,
    ),
]
Level = Annotated[
    str | None,
    typer.Option(
        help="The last level to run: integrity, exact, kernel, drift, reach (or 1 to 5). Default: reach.",
        rich_help_panel=CHECKS_PANEL,
        show_default=False,
    ),
]
Text = Annotated[
    Path | None,
    typer.Option(
        help="Text to measure on. Default: a few paragraphs in several languages that come along.",
        rich_help_panel=CHECKS_PANEL,
        show_default=False,
    ),
]
Atol = Annotated[
    float | None,
    typer.Option(
        help="Largest difference of logits that counts as equal. Default: 1e-4 in float32.",
        rich_help_panel=CHECKS_PANEL,
        show_default=False,
    ),
]
MaxKl = Annotated[
    float | None,
    typer.Option(
        help="Fail when drift exceeds this Kullback-Leibler divergence (nats). Default: only report it.",
        rich_help_panel=CHECKS_PANEL,
        show_default=False,
    ),
]
MinAgreement = Annotated[
    float | None,
    typer.Option(
        help="Fail when the best token is the source's in fewer cases (0 to 1). Default: only report it.",
        rich_help_panel=CHECKS_PANEL,
        show_default=False,
    ),
]
MaxMemory = Annotated[
    str | None,
    typer.Option(
        help="Skip what would need more memory than this, e.g. 4GB.",
        rich_help_panel=CHECKS_PANEL,
        show_default=False,
    ),
]


def verify(
    folder: p.Folder = None,
    source: Source = None,
    level: Level = None,
    text: Text = None,
    atol: Atol = None,
    max_kl: MaxKl = None,
    min_agreement: MinAgreement = None,
    device: p.Device = "cpu",
    dtype: p.ComputeDtype = "float32",
    max_memory: MaxMemory = None,
    trust_remote_code: p.TrustRemoteCode = False,
    revision: p.Revision = None,
    token: p.Token = None,
    cache_dir: p.CacheDir = None,
    json: p.Json = False,
    quiet: p.Quiet = False,
) -> None:
    """Prove that a converted folder still computes what its source computes.

    Exit code 1 when a check fails. A check that could not run is reported as such, with the reason.

    \b
    Examples:
      lsg-convert verify
      lsg-convert verify ./lsg-bart-base-4096 --source ./my-bart
      lsg-convert verify ./lsg-bart-base-4096 --level exact --json
    """
    console = Console(json, quiet, secrets=[token])
    with console.working():
        import lsg_convert

        report = lsg_convert.verify(
            folder,
            source=source,
            level=level,
            text=text,
            atol=atol,
            max_kl=max_kl,
            min_agreement=min_agreement,
            device=device,
            dtype=dtype,
            max_memory=max_memory,
            trust_remote_code=trust_remote_code,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            reporter=console,
        )
    from lsg_convert.cli.render import report_table

    console.result(report.as_dict(), *report_table(report.as_dict(), report.sentence, console.clean))
    if report.failed:
        raise typer.Exit(1)
