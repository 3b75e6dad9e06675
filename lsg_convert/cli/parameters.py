"""Parameters that several commands share, each with the help text that documents it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

SOURCE_PANEL = "Where the source comes from"
COMPUTING_PANEL = "Computing"
RUN_PANEL = "This run"

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A folder, a well-known short name (bart-base), or a Hub id (facebook/bart-base).",
        show_default=False,
    ),
]
Folder = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FOLDER]",
        help="A converted folder. Default: the current folder if it is one, else the only one below it.",
        show_default=False,
    ),
]
Revision = Annotated[
    str | None,
    typer.Option(help="Branch, tag or commit of a Hub source.", rich_help_panel=SOURCE_PANEL, show_default=False),
]
Token = Annotated[
    str | None,
    typer.Option(
        help="Hub token for private or gated repositories. Default: HF_TOKEN, or what `hf auth login` stored. "
        "It is never written or shown anywhere.",
        rich_help_panel=SOURCE_PANEL,
        show_default=False,
    ),
]
CacheDir = Annotated[
    Path | None,
    typer.Option(
        help="Where Hub downloads are kept. Default: the Hub library's own cache.",
        rich_help_panel=SOURCE_PANEL,
        show_default=False,
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object on stdout and nothing else there.", rich_help_panel=RUN_PANEL),
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="No progress and no hints: results and errors only.", rich_help_panel=RUN_PANEL),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan and write nothing.", rich_help_panel=RUN_PANEL)]
Verify = Annotated[
    bool,
    typer.Option(
        help="Check the new folder against its source (integrity and exact parity, some seconds).",
        rich_help_panel=RUN_PANEL,
    ),
]
Device = Annotated[str, typer.Option(help="Where to compute: cpu, cuda, cuda:1, mps.", rich_help_panel=COMPUTING_PANEL)]
ComputeDtype = Annotated[
    Literal["float32", "float16", "bfloat16"],
    typer.Option(help="Type to compute in.", rich_help_panel=COMPUTING_PANEL),
]
TrustRemoteCode = Annotated[
    bool,
    typer.Option(
        "--trust-remote-code",
        help="Run the folder's modeling files although they are not those that lsg-convert ships.",
        rich_help_panel=COMPUTING_PANEL,
    ),
]
