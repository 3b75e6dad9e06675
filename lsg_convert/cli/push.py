"""`lsg-convert push [FOLDER] [REPO_ID]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from lsg_convert.cli import parameters as p
from lsg_convert.cli.console import Console
from lsg_convert.common.errors import RequestError

RepoId = Annotated[
    p.Text,
    p.argument("REPO_ID", "Where to, e.g. me/lsg-bart-base-4096. Default: your own account and the folder's name."),
]
Private = Annotated[bool, p.option("Make a new repository private.", "--private")]
Revision = Annotated[p.Text, p.option("Branch to upload to. Default: main.")]
CreatePr = Annotated[bool, p.option("Open a pull request instead of committing.", "--create-pr")]
Message = Annotated[p.Text, p.option("Commit message.")]
DryRun = Annotated[bool, p.option("Show what would be uploaded, with sizes; send nothing.", "--dry-run")]
NoVerify = Annotated[
    bool, p.option("Push also a folder that failed its verification or was changed since.", "--no-verify")
]


def looks_like_repository(folder: Path) -> bool:
    """Whether what was given as a folder is none, but could be a repository's name."""
    return len(folder.parts) == 2 and not folder.is_absolute() and not folder.exists() and folder.parts[0] != ".."


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
    verbose: p.Verbose = False,
) -> None:
    """Publish a converted folder on the Hub; the repository is created if missing.

    After a failure, the same command goes on where it stopped.

    \b
    Examples:
      lsg-convert push
      lsg-convert push ./lsg-bart-base-4096 me/lsg-bart-base-4096 --private
      lsg-convert push ./lsg-bart-base-4096 --dry-run
    """
    if folder is not None and repo_id is None and looks_like_repository(folder):
        raise RequestError(
            f"there is no folder '{folder}'.",
            f"if that is where to publish, the folder comes first: `lsg-convert push FOLDER {folder}`.",
        )
    console = Console(json, quiet, verbose, secrets=[token])
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
    from lsg_convert.cli.render import push_tables

    payload = result.as_dict()
    console.result(payload, *push_tables(payload, console.clean))
    if dry_run:
        console.hint("A dry run: nothing was sent.")
