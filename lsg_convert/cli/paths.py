"""Paths as somebody standing in the current folder would type them, and what to do next with a folder."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path


def here(path: str) -> str:
    """Return a path as it is written from the current folder, or from home."""
    return _below(Path.cwd, ".", path) or _below(Path.home, "~", path) or path


def _below(find: Callable[[], Path], short: str, path: str) -> str | None:
    try:
        return f"{short}/{Path(path).relative_to(find())}"
    except (ValueError, OSError, RuntimeError):  # it is elsewhere; the current folder is gone; there is no home
        return None


def quoted(path: str) -> str:
    """Return a path of `here` for a shell: quoted where it has to be, but for the ~ that a shell replaces."""
    return f"~/{shlex.quote(path[2:])}" if path.startswith("~/") else shlex.quote(path)


def next_steps(output: str, auto_class: str) -> str:
    """Return what to do with a new folder."""
    folder = here(output)
    for_python = output if folder.startswith("~") else folder
    return (
        f"Load it:     {auto_class}.from_pretrained({for_python!r}, trust_remote_code=True)\n"
        f"Prove it:    lsg-convert verify {quoted(folder)}\n"
        f"Publish it:  lsg-convert push {quoted(folder)}"
    )
