"""The errors a user can meet, each with the exit code of the command-line contract.

Exit codes: 0 done, 1 a verification failed, 2 the request or the input is wrong, 3 a network, disk or permission error.

Messages may be composed of names that somebody else wrote: an error makes its own words printable when it is
constructed, and cuts names that are too long to be read. Whoever raises one escapes nothing.
"""

from __future__ import annotations

from lsg_convert.common.text import sentence


class LSGConvertError(Exception):
    """Base of all errors meant for the user: one or two lines, no traceback.

    `message` names what was given, what is wrong and what is allowed; `hint` says what to do next.
    """

    exit_code = 2

    def __init__(self, message: str, hint: str | None = None) -> None:
        self.message = sentence(message)
        self.hint = None if hint is None else sentence(hint)
        super().__init__(self.message)


class RequestError(LSGConvertError):
    """The request or the input is wrong: options, source, folder (exit code 2)."""

    exit_code = 2


class OutsideError(LSGConvertError):
    """The network, the disk or a permission failed (exit code 3)."""

    exit_code = 3


class VerificationError(LSGConvertError):
    """A verification ran and a check failed (exit code 1)."""

    exit_code = 1
