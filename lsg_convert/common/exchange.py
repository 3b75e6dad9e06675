"""Exchanging two names in one step, where the system can: at every moment both are there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_AT_FDCWD = -100
_EXCHANGE = 2  # RENAME_EXCHANGE on Linux, RENAME_SWAP on macOS
_FUNCTIONS = {"linux": "renameat2", "darwin": "renamex_np"}


def exchange(one: Path, other: Path) -> bool:
    """Let two paths on one file system change their content; False, and nothing done, where that cannot be."""
    name = _FUNCTIONS.get(sys.platform)
    if name is None:
        return False
    import ctypes

    try:
        function = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (OSError, AttributeError):  # a C library without it
        return False
    first, second = os.fsencode(one), os.fsencode(other)
    if sys.platform == "darwin":
        return bool(function(first, second, _EXCHANGE) == 0)
    return bool(function(_AT_FDCWD, first, _AT_FDCWD, second, _EXCHANGE) == 0)
