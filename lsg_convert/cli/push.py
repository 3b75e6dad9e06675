"""`lsg-convert push [FOLDER] [REPO_ID]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lsg_convert.cli import parameters as p
from lsg_convert.cli.console import Console


def push(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FOLDER]",
            help="A converted folder. Default: the current folder if it is one, else the only one below it.",
            show_default=False,
        ),
    ] = None,
    repo_id: Annotated[
        str | None,
        typer.Argument(
            metavar="[REPO_ID]",
            help="Where to, e.g. me/lsg-bart-base-4096. Default: your own account and the folder's name.",
            show_default=False,
        ),
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    revision: Annotated[
        str | None, typer.Option(help="Branch to upload to. Default: main.", show_default=False)
    ] = None,
    create_pr: Annotated[bool, typer.Option("--create-pr", help="Open a pull request instead of committing.")] = False,
    message: Annotated[str | None, typer.Option(help="Commit message.", show_default=False)] = None,
    token: p.Token = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be uploaded, with sizes; send nothing.")
    ] = False,
    no_verify: Annotated[
        bool,
        typer.Option("--no-verify", help="Push also a folder that failed its verification or was changed since."),
    ] = False,
    json: p.Json = False,
    quiet: p.Quiet = False,
) -> None:
    """Publish a converted folder on the Hub; the repository is created if missing.

    After a failure, the same command goes on where it stopped.

    \b
    Examples:
      lsg-convert push
      lsg-convert push ./lsg-bart-base-4096 me/lsg-bart-base-4096 --private
      lsg-convert push ./lsg-bart-base-4096 --dry-run
    """
    console = Console(json, quiet, secrets=[token])
    with console.working():
        import lsg_convert

        result = lsg_convert.push(
            folder,
            repo_id,
            private=private,
            revision=revision,
            create_pr=create_pr,
            message=message,
            token=token,
            dry_run=dry_run,
            verify=not no_verify,
            reporter=console,
        )
    from lsg_convert.cli.render import facts_table

    console.result(result.as_dict(), facts_table(result.as_dict(), console.clean))
