"""From what the user names (a folder, a short name, a Hub id) to a local folder, and where that came from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lsg_convert.common.errors import RequestError
from lsg_convert.common.progress import Reporter, SilentReporter
from lsg_convert.common.text import printable
from lsg_convert.sources.aliases import near_matches, resolve_alias

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+", re.ASCII)


@dataclass(frozen=True)
class Source:
    """A model on this machine. `repo_id` and `commit` say where on the Hub it is from; None for a plain folder."""

    name: str
    folder: Path
    repo_id: str | None = None
    revision: str | None = None
    commit: str | None = None


def resolve_source(
    model: str,
    *,
    revision: str | None = None,
    token: str | None = None,
    cache_dir: str | Path | None = None,
    reporter: Reporter | None = None,
) -> Source:
    """Find `model`: an existing folder, else a well-known short name, else a Hub id, which is downloaded.

    Raises RequestError when there is no such model, OutsideError when the Hub or the network fails.
    """
    folder = _existing_folder(model)
    if folder is not None:
        if revision is not None:
            raise RequestError(
                f"--revision {revision} was given, but '{model}' is a folder on this machine.",
                "leave --revision out, or give a Hub id.",
            )
        return Source(name=printable(folder.resolve().name, 300), folder=folder)
    repo_id = resolve_alias(model) or model
    if not _HUB_ID.fullmatch(repo_id) or ".." in repo_id or "--" in repo_id:
        raise _unknown(model)
    from lsg_convert.sources.hub_download import download

    snapshot, commit = download(
        repo_id, revision=revision, token=token, cache_dir=cache_dir, reporter=reporter or SilentReporter()
    )
    return Source(repo_id.split("/")[1], snapshot, repo_id, revision, commit)


def _existing_folder(model: str) -> Path | None:
    """`model` as a folder, None when it may be a name; raises RequestError when it can only be a path."""
    if not model:  # Path("") is the current folder, which nobody meant
        raise RequestError("no model was named.", "give a folder, a short name or a Hub id.")
    try:
        path = Path(model).expanduser()
        if path.is_dir():
            return path
        is_file = path.exists()
    except (OSError, ValueError, RuntimeError):  # too long, a NUL in it, no home
        raise RequestError(f"'{model}' is neither a folder nor a model name.") from None
    if is_file:
        raise RequestError(f"'{model}' is a file.", "give the model's folder.")
    if model.startswith((".", "/", "~")) or model.count("/") > 1 or "\\" in model:
        raise RequestError(f"there is no folder '{model}'.", "give an existing folder, a short name or a Hub id.")
    return None


def _unknown(model: str) -> RequestError:
    close = near_matches(model)
    hint = f"did you mean {', '.join(close)}?" if close else "for example: bart-base, roberta-base, facebook/bart-base."
    return RequestError(
        f"unknown model '{model}': no folder, no well-known short name, and no Hub id (owner/name).", hint
    )
