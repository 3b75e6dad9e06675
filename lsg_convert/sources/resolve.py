"""From what the user names (a folder, a short name, a Hub id) to a local folder, and where that came from."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsg_convert.common.errors import RequestError
from lsg_convert.common.progress import Reporter, SilentReporter
from lsg_convert.common.text import printable
from lsg_convert.sources.aliases import near_matches, resolve_alias
from lsg_convert.sources.names import hub_name

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
    accept: Callable[[Mapping[str, Any]], None] | None = None,
) -> Source:
    """Find `model`: an existing folder, else a well-known short name, else a Hub id or address, which is downloaded.

    `accept` sees the config of a Hub source before anything large is downloaded, and raises to stop there.

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
    model, revision = named(model, revision)
    repo_id = resolve_alias(model) or model
    if not is_hub_id(repo_id):
        raise _unknown(model)
    from lsg_convert.sources.hub_download import download

    snapshot, commit = download(
        repo_id,
        revision=revision,
        token=token,
        cache_dir=cache_dir,
        reporter=reporter or SilentReporter(),
        accept=accept,
    )
    return Source(repo_id.split("/")[1], snapshot, repo_id, revision, commit)


def is_hub_id(name: str) -> bool:
    """Whether `name` has the form of an id on the Hub, `owner/name`."""
    return _HUB_ID.fullmatch(name) is not None and ".." not in name and "--" not in name


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
    if model.startswith((".", "/", "~")) or (hub_name(model)[0].count("/") > 1) or "\\" in model:
        raise RequestError(f"there is no folder '{model}'.", "give an existing folder, a short name or a Hub id.")
    return None


def named(model: str, revision: str | None = None) -> tuple[str, str | None]:
    """The model's plain name and its revision, when it is no folder and stands in an address or before an @.

    Raises:
        RequestError: what is named is no model.
    """
    is_path = model.startswith("~") or os.path.lexists(model)
    return (model, revision) if is_path else hub_name(model, revision)


def check_name(model: str) -> str:
    """`model` without the address around it, when it is a folder or can be a model's name; asks nobody.

    Raises:
        RequestError: it is neither.
    """
    if _existing_folder(model) is not None:
        return model
    name, _ = hub_name(model)
    if not resolve_alias(name) and not _HUB_ID.fullmatch(name):
        raise _unknown(name)
    return name


def _unknown(model: str) -> RequestError:
    close = near_matches(model)
    owner, colon, revision = model.partition(":")
    if colon and _HUB_ID.fullmatch(owner):
        return RequestError(f"'{model}' is not a Hub id.", f"name the revision behind an @: {owner}@{revision}.")
    hint = f"did you mean {', '.join(close)}?" if close else "for example: bart-base, roberta-base, facebook/bart-base."
    return RequestError(
        f"unknown model '{model}': no folder, no well-known short name, and no Hub id (owner/name).", hint
    )
