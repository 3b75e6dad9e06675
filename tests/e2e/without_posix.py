"""The command where what Windows lacks is missing: `python without_posix.py FILE`, a file of lists of arguments.

Modules, functions and signals of POSIX are taken away after the libraries are imported, which have their own ways
around them. What stays is what Python itself uses here (`SIGKILL`, `statvfs`).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import types
from pathlib import Path
from typing import Any

# Imported while all is there.
import torch  # noqa: F401
import transformers.models.auto.tokenization_auto
import transformers.models.bert.modeling_bert  # noqa: F401

MODULES = ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty")
FUNCTIONS = (
    "fork", "forkpty", "getuid", "geteuid", "getgid", "getegid", "getpgid", "killpg", "setsid", "mkfifo", "sysconf",
    "fchmod", "chown", "fchown", "O_NONBLOCK", "O_NOFOLLOW", "O_DIRECTORY", "O_CLOEXEC", "sched_getaffinity", "nice",
    "getloadavg", "uname",
)  # fmt: skip
SIGNALS = ("SIGHUP", "SIGALRM", "SIGUSR1", "SIGQUIT", "SIGPIPE", "SIGSTOP")


def no_privilege(*args: Any, **kwargs: Any) -> None:
    """What making a link ends with there."""
    raise OSError(1314, "A required privilege is not held by the client")


def take_away() -> None:
    """Leave what Windows has."""
    for name in MODULES:
        sys.modules[name] = None  # type: ignore[assignment]
    msvcrt: Any = types.ModuleType("msvcrt")
    msvcrt.LK_NBLCK, msvcrt.locking = 2, lambda *args: None
    sys.modules["msvcrt"] = msvcrt
    for owner, names in ((os, FUNCTIONS), (signal, SIGNALS)):
        for name in names:
            if hasattr(owner, name):
                delattr(owner, name)
    os.supports_dir_fd.clear()
    os.symlink = no_privilege  # type: ignore[assignment]


if __name__ == "__main__":
    from lsg_convert.cli.app import run

    take_away()
    for arguments in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        code = run(arguments)
        if code:
            raise SystemExit(f"{arguments}: {code}")
