"""What parameters of commands are made of, and those that several commands share, with the help that documents them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from lsg_convert.cli.completion import complete_model

SOURCE_PANEL = "Where the source comes from"
COMPUTING_PANEL = "Computing"
RUN_PANEL = "This run"

Text: TypeAlias = str | None
File: TypeAlias = Path | None


def option(help: str, *flags: str, panel: str | None = None, shown: bool = False, **more: Any) -> Any:
    """An option. What is not `shown` beside the help is its default: most helps say it in words."""
    return typer.Option(*flags, help=help, rich_help_panel=panel, show_default=shown, **more)


def argument(metavar: str, help: str, **more: Any) -> Any:
    """A positional argument; its help says what happens without it."""
    return typer.Argument(metavar=metavar, help=help, show_default=False, **more)


def dtype_choice(allowed: tuple[str, ...]) -> dict[str, Any]:
    """What makes an option take one of the types in `allowed`, in any of its spellings."""

    def parse(text: str) -> str:
        from lsg_convert.plan.options import dtype_named

        name = dtype_named(text)
        if name not in allowed:
            raise typer.BadParameter(f"{text!r} is not one of {', '.join(allowed)}.")
        return name

    return {"parser": parse, "metavar": "TYPE"}


_MODEL_HELP = "A folder, a well-known short name (bart-base), a Hub id (facebook/bart-base) or its address."
Model = Annotated[str, argument("MODEL", _MODEL_HELP, autocompletion=complete_model)]
Models = Annotated[
    list[str], argument("MODEL", f"{_MODEL_HELP} Several are converted one by one.", autocompletion=complete_model)
]
Folder = Annotated[
    File,
    argument("FOLDER", "A converted folder. Default: the current folder if it is one, else the only one below it."),
]
Revision = Annotated[Text, option("Branch, tag or commit of a Hub source.", panel=SOURCE_PANEL)]
Token = Annotated[
    Text,
    option(
        "Hub token for private or gated repositories. Default: HF_TOKEN, or what `hf auth login` stored. "
        "It is never written or shown anywhere.",
        panel=SOURCE_PANEL,
    ),
]
CacheDir = Annotated[
    File, option("Where Hub downloads are kept. Default: the Hub library's own cache.", panel=SOURCE_PANEL)
]
Json = Annotated[bool, option("Print one JSON object on stdout and nothing else there.", "--json", panel=RUN_PANEL)]
Quiet = Annotated[
    bool,
    option("Print nothing but errors, which go to stderr. With --json, the object.", "--quiet", "-q", panel=RUN_PANEL),
]
Verbose = Annotated[
    bool,
    option("Say on stderr what is done and how long it took, in lines for a log.", "--verbose", "-v", panel=RUN_PANEL),
]
DryRun = Annotated[bool, option("Show the plan and write nothing.", "--dry-run", panel=RUN_PANEL)]
Verify = Annotated[
    bool,
    option(
        "Check the new folder against its source (integrity and exact parity, some seconds).",
        panel=RUN_PANEL,
        shown=True,
    ),
]
Device = Annotated[str, option("Where to compute: cpu, cuda, cuda:1, mps.", panel=COMPUTING_PANEL, shown=True)]
ComputeDtype = Annotated[
    str,
    option(
        "Type to compute in: float32, float16, bfloat16, or fp32, fp16, bf16.",
        panel=COMPUTING_PANEL,
        shown=True,
        **dtype_choice(("float32", "float16", "bfloat16")),
    ),
]
TrustRemoteCode = Annotated[
    bool,
    option(
        "Run the folder's modeling files although they are not those that lsg-convert ships.",
        "--trust-remote-code",
        panel=COMPUTING_PANEL,
    ),
]
