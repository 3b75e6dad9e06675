"""The command line, stopped at a chosen point of its work with the disk: `interrupted.py SIGNAL POINT [ARGUMENTS…]`.

A point counts what the run does to its folder before it has its final name: folders made, files opened for
writing, folders moved.
"""

from __future__ import annotations

import os
import signal
import sys

from lsg_convert.cli.main import main

_EVENTS = ("os.mkdir", "os.rename")


def stop_at(number: signal.Signals, point: int) -> None:
    """Send this process `number` as soon as `point` things were done."""
    done = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal done
        writing = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if not writing and event not in _EVENTS:
            return
        if any(marker in str(arguments[0]) for marker in (".partial-", ".replaced-")) or (
            event == "os.rename" and ".replaced-" in str(arguments[1])
        ):
            if done == point:
                os.kill(os.getpid(), number)
            done += 1

    sys.addaudithook(watch)


if __name__ == "__main__":
    stop_at(signal.Signals[sys.argv[1]], int(sys.argv[2]))
    sys.exit(main(sys.argv[3:]))
