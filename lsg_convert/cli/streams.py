"""The standard streams when they are closed, full, or nobody reads them. Imports nothing heavy: it is loaded first."""

from __future__ import annotations

import contextlib
import io
import os
import sys

_FAILED = 3
_STDIN, _STDOUT, _STDERR = 0, 1, 2


class _Unfailing(io.TextIOWrapper):
    """A stream for what may get lost: when it cannot be written there is nowhere to say so."""

    def write(self, text: str, /) -> int:
        with contextlib.suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            super().flush()


def secure_streams() -> None:
    """Make sure that the three streams are there, that any text can be written, and that stderr never fails.

    A closed stream's number would go to the next file that is opened, and what libraries print would go into it. A
    closed stdout becomes one that cannot be written, so that a result that gets lost is an error.
    """
    for number, flags in ((_STDIN, os.O_RDONLY), (_STDOUT, os.O_RDONLY), (_STDERR, os.O_WRONLY)):
        if not _is_open(number):
            os.open(os.devnull, flags)  # takes the lowest number that is free
    if sys.stdout is None:
        sys.stdout = io.TextIOWrapper(io.FileIO(_STDOUT, "w", closefd=False), "utf-8", "backslashreplace")
    if sys.stderr is None or _number(sys.stderr) == _STDERR:
        encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
        raw = io.FileIO(_STDERR, "w", closefd=False)
        sys.stderr = _Unfailing(io.BufferedWriter(raw), encoding, "backslashreplace", line_buffering=True)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal that has no ✓ gets \u2713, not a crash
        sys.stdout.reconfigure(errors="backslashreplace")


def ends_well(code: int) -> int:
    """`code`, unless what was printed cannot be written to stdout after all; Python would say so in its own words."""
    try:
        sys.stdout.flush()
    except OSError:
        abandon_stdout()
        return code or _FAILED
    return code


def abandon_stdout() -> None:
    """Let what is still to be written to stdout go nowhere."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def write_error(text: str, exit_code: int, as_json: bool) -> None:
    """Tell the user why the process ends, whatever state it is in: past the streams, which may be in use."""
    if as_json:
        number, line = _STDOUT, _json_error(text, exit_code)
    else:
        number, line = _STDERR, f"Error: {text}\n"
    with contextlib.suppress(OSError):
        os.write(number, line.encode("utf-8", "backslashreplace"))


def _json_error(text: str, exit_code: int) -> str:
    return (
        '{\n  "error": {\n'
        f'    "message": {_json_string(text)},\n    "hint": null,\n    "exit_code": {exit_code}\n'
        "  }\n}\n"
    )


def _json_string(text: str) -> str:
    """`text` in JSON; the module for that may be half imported when a signal arrives."""
    units = text.encode("utf-16-be", "surrogatepass")
    codes = [units[i] << 8 | units[i + 1] for i in range(0, len(units), 2)]
    plain = [chr(c) if 32 <= c < 127 and chr(c) not in '"\\' else f"\\u{c:04x}" for c in codes]
    return f'"{"".join(plain)}"'


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _number(stream: object) -> int | None:
    try:
        return stream.fileno()  # type: ignore[attr-defined]
    except (OSError, AttributeError, ValueError):
        return None
