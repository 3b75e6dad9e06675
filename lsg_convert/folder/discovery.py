"""Which converted folder a command means: the one that is named, else the one where the user stands."""

from __future__ import annotations

import os
from pathlib import Path

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import printable, user_path
from lsg_convert.folder.record import RECORD_NAME
from lsg_convert.folder.saved_again import is_converted

MAX_DEPTH = 4
MAX_FOLDERS = 20_000  # somebody may stand in a home folder or at the root
_SHOWN = 8


def find_converted_folder(path: Path | str | None = None) -> Path:
    """The converted folder `path`; without one the current folder, else the only converted folder below it.

    Raises RequestError when there is none, or more than one to choose from.
    """
    if path is not None:
        return _named(user_path(path))
    here = Path.cwd()
    if is_converted(here):
        return here
    found = converted_folders_below(here)
    if not found:
        raise RequestError(
            f"no converted folder here or below: {printable(here, 300)}.",
            "name one, or make one with `lsg-convert MODEL`.",
        )
    if len(found) > 1:
        names = [f"./{printable(folder.relative_to(here).as_posix())}" for folder in found[:_SHOWN]]
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise RequestError(
            f"{len(found)} converted folders below {printable(here, 300)}: {', '.join(names)}{more}.",
            "name the one you mean.",
        )
    return found[0]


def converted_folders_below(root: Path) -> list[Path]:
    """Converted folders below `root`, sorted; hidden folders and links are left out."""
    found: list[Path] = []
    for seen, (place, names, _) in enumerate(os.walk(root)):
        depth = len(Path(place).relative_to(root).parts)
        children = [Path(place, name) for name in sorted(names) if not name.startswith((".", "__"))]
        found += [child for child in children if os.access(child, os.X_OK) and is_converted(child)]
        descend = depth < MAX_DEPTH - 1 and seen < MAX_FOLDERS
        names[:] = [child.name for child in children if descend and child not in found]
    return sorted(found)


def _named(path: Path) -> Path:
    shown = printable(path, 300)
    try:
        if is_converted(path):
            return path
        exists, is_folder = path.exists(), path.is_dir()
    except (OSError, ValueError) as error:
        raise RequestError(f"'{shown}' is not a usable path.") from error
    if not exists:
        raise RequestError(f"there is no folder '{shown}'.", "give a folder that lsg-convert wrote.")
    if not is_folder:
        raise RequestError(f"'{shown}' is a file.", "give the folder that lsg-convert wrote.")
    below = converted_folders_below(path)[:_SHOWN]
    hint = f"below it are: {', '.join(printable(folder, 300) for folder in below)}." if below else None
    raise RequestError(
        f"'{shown}' is not a converted folder: it has no {RECORD_NAME}, nor a config.json of a converted model.",
        hint or f"convert it first: `lsg-convert {shown}`.",
    )
