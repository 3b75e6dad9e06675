"""The one table from what can go wrong to what the user reads and the exit code."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from lsg_convert.common.errors import LSGConvertError
from lsg_convert.common.files import printable

REQUEST, OUTSIDE, INTERNAL, INTERRUPTED, TERMINATED = 2, 3, 70, 130, 143

DEBUG_VARIABLE = "LSG_CONVERT_DEBUG"


@dataclass(frozen=True)
class Failure:
    """What is said about a failed run."""

    message: str
    hint: str | None
    exit_code: int


_OS_HINTS = {
    errno.ENOSPC: "The disk is full. Free some space, or give another place with --output.",
    errno.EDQUOT: "Your disk quota is used up. Free some space, or give another place with --output.",
    errno.EFBIG: "The file is larger than this system or your limits (ulimit -f) allow.",
    errno.EACCES: "Check the permissions, or give another place with --output.",
    errno.EPERM: "Check the permissions, or give another place with --output.",
    errno.EROFS: "That place is read-only. Give another one with --output.",
    errno.EMFILE: "Too many open files: raise the limit (ulimit -n).",
    errno.EIO: "The disk or the network drive reports a read or write error.",
}


def describe(error: BaseException) -> Failure:
    """Say what `error` means to a user."""
    if isinstance(error, LSGConvertError):
        return Failure(error.message, error.hint, error.exit_code)
    if isinstance(error, KeyboardInterrupt):
        return Failure("Interrupted; nothing was left behind.", None, INTERRUPTED)
    if isinstance(error, MemoryError):
        return Failure("Out of memory.", "Close other programs, or use a machine with more memory.", OUTSIDE)
    if isinstance(error, OSError):
        return _describe_os_error(error)
    if hasattr(error, "format_message"):  # a usage error of the command line
        # "Value error, " is how typer's validation library opens every sentence.
        return Failure(str(error.format_message()).replace("Value error, ", ""), None, REQUEST)
    return Failure(
        f"Unexpected {type(error).__name__}: {printable(error, 1000)}",
        f"This is a fault of lsg-convert. Set {DEBUG_VARIABLE}=1 to see where, and please report it.",
        INTERNAL,
    )


def _describe_os_error(error: OSError) -> Failure:
    where = f" ({printable(error.filename, 300)})" if error.filename else ""
    what = error.strerror or str(error) or type(error).__name__
    hint = _OS_HINTS.get(error.errno) if error.errno is not None else None
    return Failure(f"{printable(what, 1000)}{where}", hint, OUTSIDE)
