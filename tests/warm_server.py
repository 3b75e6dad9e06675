"""Loads libraries once, then runs each program it is asked for in a process forked from this one.

    python -I warm_server.py MODULE...

Standard input has a program a line, as JSON; standard output gets its process id, and its exit code once it has ended.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import sys
import traceback
import types
from pathlib import Path
from typing import Any


def _run(program: dict[str, Any]) -> int:
    """Run it as `python -I` would."""
    os.chdir(program["cwd"])
    os.environ.clear()
    os.environ.update(program["environment"])
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        os.dup2(os.open(program[name], flags), number)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
    sys.argv = [program.get("script", "-c"), *program["arguments"]]
    try:
        if "script" in program:
            sys.path.insert(0, str(Path(program["script"]).parent))
            runpy.run_path(program["script"], run_name="__main__")
        else:
            sys.modules["__main__"] = main = types.ModuleType("__main__")
            exec(compile(program["code"], "<string>", "exec"), vars(main))
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def main() -> None:
    for name in sys.argv[1:]:
        with contextlib.suppress(ModuleNotFoundError):  # what loads it would do without it too
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = _run(json.loads(line))
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
