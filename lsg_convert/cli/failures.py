"""The one table from what can go wrong to what the user reads and the exit code."""

from __future__ import annotations

from dataclasses import dataclass

from lsg_convert.common.errors import LSGConvertError
from lsg_convert.common.os_errors import os_failure

REQUEST, OUTSIDE, INTERNAL, INTERRUPTED = 2, 3, 70, 130

DEBUG_VARIABLE = "LSG_CONVERT_DEBUG"

# What libraries raise, as other errors than MemoryError, when memory, threads or files run out.
_OUT_OF_MEMORY = (
    "can't allocate memory",
    "cannot allocate memory",
    "failed to map segment",
    "can't start new thread",
    "out of memory",
    "bad_alloc",
)
_TOO_MANY_FILES = ("too many open files",)


@dataclass(frozen=True)
class Failure:
    """What is said about a failed run; nothing when it is `silent`: nobody listens any more."""

    message: str
    hint: str | None
    exit_code: int
    silent: bool = False


class OutputError(Exception):
    """The result could not be written to stdout, because of `reason`."""

    def __init__(self, reason: OSError) -> None:
        super().__init__(str(reason))
        self.reason = reason


def describe(error: BaseException) -> Failure:
    """Say what `error` means to a user."""
    if isinstance(error, LSGConvertError):
        return Failure(error.message, error.hint, error.exit_code)
    if isinstance(error, KeyboardInterrupt):
        return Failure("Interrupted; nothing was left behind.", None, INTERRUPTED)
    if isinstance(error, OutputError):
        return _of_output(error.reason)
    if isinstance(error, MemoryError) or _says(error, _OUT_OF_MEMORY):
        return Failure(
            "Out of memory.", "Close other programs, raise the limit (ulimit -v), or use a larger machine.", OUTSIDE
        )
    if _says(error, _TOO_MANY_FILES):
        return Failure("Too many files are open.", "Raise the limit (ulimit -n).", OUTSIDE)
    if isinstance(error, OSError):
        return _of_system(error)
    if hasattr(error, "format_message"):  # a usage error of the command line
        # "Value error, " is how typer's validation library opens every sentence.
        said = LSGConvertError(str(error.format_message()).replace("Value error, ", ""))
        return Failure(said.message, None, REQUEST)
    unknown = LSGConvertError(
        f"Unexpected {type(error).__name__}: {error}",
        f"This is a fault of lsg-convert. Set {DEBUG_VARIABLE}=1 to see where, and please report it.",
    )
    return Failure(unknown.message, unknown.hint, INTERNAL)


def _says(error: BaseException, phrases: tuple[str, ...]) -> bool:
    """Whether a library's own error, or one behind it, is known by its words."""
    if not isinstance(error, (ImportError, RuntimeError, OSError)):
        return False
    text = f"{error} {error.__cause__ or error.__context__ or ''}".lower()
    return any(phrase in text for phrase in phrases)


def _of_output(error: OSError) -> Failure:
    if isinstance(error, BrokenPipeError):  # whoever read us went away (`| head`)
        return Failure("nobody reads the output.", None, OUTSIDE, silent=True)
    failure = os_failure(error, "the result could not be written to stdout", elsewhere="write it elsewhere")
    return Failure(failure.message, failure.hint, OUTSIDE)


def _of_system(error: OSError) -> Failure:
    about = f"cannot use {error.filename}" if error.filename else "cannot read or write"
    if isinstance(error, FileNotFoundError) and not error.filename:
        return Failure(
            "the current folder is no longer there.",
            "Change to one that exists, or give paths that begin with /.",
            OUTSIDE,
        )
    failure = os_failure(error, about, elsewhere="write elsewhere")
    return Failure(failure.message, failure.hint, OUTSIDE)
