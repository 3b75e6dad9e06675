"""`lsg-convert push [FOLDER] [REPO_ID]`."""

from __future__ import annotations

from typing import Annotated

import typer

from lsg_convert.cli import parameters as p
from lsg_convert.cli.console import Console

RepoId = Annotated[
    str | None,
    typer.Argument(
        metavar="[REPO_ID]",
        help="Where to, e.g. me/lsg-bart-base-4096. Default: your own account and the folder's name.",
        show_default=False,
    ),
]
Private = Annotated[bool, typer.Option("--private", help="Make a new repository private.")]
Revision = Annotated[str | None, typer.Option(help="Branch to upload to. Default: main.", show_default=False)]
CreatePr = Annotated[bool, typer.Option("--create-pr", help="Open a pull request instead of committing.")]
Message = Annotated[str | None, typer.Option(help="Commit message.", show_default=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be uploaded, with sizes; send nothing.")]
NoVerify = Annotated[
    bool,
    typer.Option("--no-verify", help="Push also a folder that failed its verification or was changed since."),
]


def push(
    folder: p.Folder = None,
    repo_id: RepoId = None,
    private: Private = False,
    revision: Revision = None,
    create_pr: CreatePr = False,
    message: Message = None,
    token: p.Token = None,
    dry_run: DryRun = False,
    no_verify: NoVerify = False,
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
