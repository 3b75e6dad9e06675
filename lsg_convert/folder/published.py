"""A converted folder that somebody published: fetched into the Hub's cache, to be looked at and never to be written."""

from __future__ import annotations

import os
from pathlib import Path

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import printable
from lsg_convert.common.progress import Reporter
from lsg_convert.folder.record import RECORD_NAME, REWRITTEN_BY_VERIFY, read_record
from lsg_convert.sources.aliases import resolve_alias
from lsg_convert.sources.hub_download import download_listed
from lsg_convert.sources.names import hub_name


def fetch_published(
    given: str | Path, *, token: str | None, cache_dir: str | Path | None, reporter: Reporter
) -> Path | None:
    """The folder in the cache for a Hub id or address, `owner/name@revision` too; None when `given` is a path.

    Raises:
        RequestError: the repository is not one that lsg-convert wrote.
        OutsideError: the Hub or the network failed.
    """
    name = str(given)
    if isinstance(given, Path) or name.startswith((".", "/", "~")) or os.path.lexists(name):
        return None
    repo_id, revision = hub_name(name)
    if resolve_alias(repo_id) is not None and "/" not in repo_id:
        raise RequestError(
            f"'{printable(name)}' is a model, and not a converted folder.", f"convert it first: `lsg-convert {name}`."
        )
    if repo_id.count("/") != 1:
        return None
    return download_listed(
        repo_id, RECORD_NAME, _files, revision=revision, token=token, cache_dir=cache_dir, reporter=reporter
    )


def _files(folder: Path) -> dict[str, int]:
    recorded = {name: file.size for name, file in read_record(folder).files.items()}
    return recorded | dict.fromkeys(REWRITTEN_BY_VERIFY, 0)
