"""`lsg-convert verify [FOLDER]`."""

from __future__ import annotations

from typing import Annotated

import typer

from lsg_convert.cli import parameters as p
from lsg_convert.cli.console import Console

CHECKS_PANEL = "Checks"

Folder = Annotated[
    p.Text,
    p.argument(
        "FOLDER",
        "A converted folder, or the Hub id of a published one (me/lsg-bart-base-4096, @revision behind it if wanted). "
        "Default: the current folder if it is one, else the only one below it.",
    ),
]
Source = Annotated[
    p.Text, p.option("What it was converted from. Default: what the folder's own record says.", panel=p.SOURCE_PANEL)
]
Level = Annotated[
    p.Text,
    p.option(
        "The last level to run: integrity, exact, kernel, drift, reach (or 1 to 5). Default: reach.", panel=CHECKS_PANEL
    ),
]
Text = Annotated[
    p.File,
    p.option("Text to measure on. Default: a few paragraphs in several languages that come along.", panel=CHECKS_PANEL),
]
Atol = Annotated[
    float | None,
    p.option("Largest difference of logits that counts as equal. Default: 1e-4 in float32.", panel=CHECKS_PANEL),
]
MaxKl = Annotated[
    float | None,
    p.option(
        "Fail when drift exceeds this Kullback-Leibler divergence (nats). Default: only report it.", panel=CHECKS_PANEL
    ),
]
MinAgreement = Annotated[
    float | None,
    p.option(
        "Fail when the best token is the source's in fewer cases (0 to 1). Default: only report it.", panel=CHECKS_PANEL
    ),
]
MaxMemory = Annotated[p.Text, p.option("Skip what would need more memory than this, e.g. 4GB.", panel=CHECKS_PANEL)]


def verify(
    folder: Folder = None,
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
    verbose: p.Verbose = False,
) -> None:
    """Prove that a converted folder still computes what its source computes.

    Exit code 1 when a check fails. A check that could not run is reported as such, with the reason.

    \b
    Examples:
      lsg-convert verify
      lsg-convert verify ./lsg-bart-base-4096 --source ./my-bart
      lsg-convert verify ./lsg-bart-base-4096 --level exact --json
    """
    console = Console(json, quiet, verbose, secrets=[token])
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
        if quiet and not json:
            console.error(report.sentence, None, 1)
        raise typer.Exit(1)
