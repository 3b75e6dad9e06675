"""What the operating system's errors mean to a user: the one table, used by whatever reads, writes or transfers."""

from __future__ import annotations

import errno

from lsg_convert.common.errors import OutsideError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ELSEWHERE = "choose another folder with --output"
_REASONS = {
    errno.ENOSPC: ("the disk is full", "free some space, or {elsewhere}."),
    errno.EDQUOT: ("your disk quota is used up", "free some space, or {elsewhere}."),
    errno.EFBIG: ("the file is larger than the system or a limit (ulimit -f) allows", "raise it, or {elsewhere}."),
    errno.EACCES: ("no permission", "check the permissions, or {elsewhere}."),
    errno.EPERM: ("no permission", "check the permissions, or {elsewhere}."),
    errno.EROFS: ("the disk is read-only", "{elsewhere}."),
    errno.ENAMETOOLONG: ("the name is too long", "{elsewhere}."),
    errno.EMFILE: ("too many files are open", "raise the limit (ulimit -n)."),
    errno.ENFILE: ("too many files are open on this machine", "close other programs, and try again."),
    errno.ENOMEM: ("out of memory", "close other programs, or use a machine with more memory."),
    errno.EIO: ("the disk or the network drive reports an error", "check it, or {elsewhere}."),
}


def os_failure(error: OSError, failed: str, elsewhere: str = _ELSEWHERE) -> OutsideError:
    """The error to show for `error`: `failed` says what could not be done, `elsewhere` what else may be tried."""
    unknown = (error.strerror or str(error) or type(error).__name__, None)
    reason, hint = _REASONS.get(error.errno, unknown) if error.errno is not None else unknown
    return OutsideError(f"{failed}: {reason}.", None if hint is None else hint.format(elsewhere=elsewhere))


def is_disk_full(error: OSError) -> bool:
    """Whether there is no more room: on the disk, in a quota, in a file."""
    return error.errno in _FULL
