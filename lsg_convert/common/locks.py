"""A lock on an open file that ends with its process, however that ends. A process's number says less: another
container counts its own, and numbers come again."""

from __future__ import annotations

import platform
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def try_lock(descriptor: int) -> bool | None:
    """Whether the open file is now locked by us; None where its file system has no locks."""
    try:
        _lock(descriptor)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return None
    return True


def this_system() -> str:
    """A name of the running system: only within one is a lock that can be had known to be nobody's."""
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return platform.node()


def _lock(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
