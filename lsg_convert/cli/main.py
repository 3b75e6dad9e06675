"""Entry point: from its first line on, signals and broken standard streams are dealt with; then the rest is loaded.

Only light modules of the standard library are imported before that. What Python does until then (it starts, and reads
`site`) is out of reach: Ctrl-C in those first hundredths of a second shows Python's own KeyboardInterrupt.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Sequence

from lsg_convert.cli.streams import ends_well, secure_streams, write_error
from lsg_convert.common.interruption import RUN

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
_CANNOT_RUN = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; the process is expected to end then."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    _end_on_signals("--json" in given)
    secure_streams()
    try:
        from lsg_convert.cli.app import run

        code = run(given)
    except (ImportError, MemoryError, OSError) as error:  # a limit (ulimit), or an installation that is not whole
        write_error(f"lsg-convert cannot run: {str(error) or type(error).__name__}.", _CANNOT_RUN, False)
        code = _CANNOT_RUN
    RUN.complete()
    code = ends_well(code)
    _ignore_signals()
    gc.freeze()  # else Python looks through all that torch and transformers are for garbage as it ends: a second
    return code


def _end_on_signals(as_json: bool) -> None:
    """Let SIGINT, SIGTERM and SIGHUP take back what is half done, say so, and end with 128 + their number."""
    owner = os.getpid()

    def end(number: int, text: str) -> None:
        write_error(text, 128 + number, as_json)
        os._exit(128 + number)

    def arrived(number: int, frame: object) -> None:
        if os.getpid() != owner:  # a copy of this process, which has nothing of its own to take back
            os._exit(128 + number)
        RUN.arrived(number)

    RUN.listen(end)
    for name in _SIGNALS:
        number = getattr(signal, name, None)
        # what the caller ignores (nohup, a shell's background) stays ignored
        if number is not None and signal.getsignal(number) not in (signal.SIG_IGN, None):
            signal.signal(number, arrived)


def _ignore_signals() -> None:
    """All is done and said; while Python ends it would let signals kill it again."""
    for name in _SIGNALS:
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main())
