"""A program that `tests.warm` starts does what it does when started afresh; nothing is left of the one before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import command, warm

TELLS = """
import os, sys
print(__name__, sys.argv, os.getcwd(), os.environ.get("WHO"), os.environ.get("HF_HUB_OFFLINE"), sys.stdin.read())
print("to people", file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""


@pytest.mark.parametrize("code", [0, 3])
def test_is_as_if_started_afresh(code: int, tmp_path: Path) -> None:
    afresh = command.run([sys.executable, "-I", "-c", TELLS, str(code), "a b"], tmp_path, WHO="me")
    assert afresh.code == code and "me" in afresh.stdout
    assert warm.python(TELLS, code, "a b", cwd=tmp_path, WHO="me") == afresh


@pytest.mark.parametrize(("code", "said"), [("1 / 0", "ZeroDivisionError"), ("raise SystemExit('no')", "no\n")])
def test_failures_are_told(code: str, said: str, tmp_path: Path) -> None:
    done = warm.python(code, cwd=tmp_path)
    assert done.code == 1 and said in done.stderr and not done.stdout


def test_libraries_are_there_and_nothing_of_an_earlier_run(tmp_path: Path) -> None:
    code = "import sys; print('transformers' in sys.modules, hasattr(sys, 'mine')); sys.mine = 1"
    for _ in range(2):
        assert warm.python(code, cwd=tmp_path).stdout == "True False\n"
    # With another place for downloads, the library that reads it is not loaded yet.
    assert warm.python(code, cwd=tmp_path, HF_HOME=str(tmp_path)).stdout == "False False\n"


def test_what_does_not_end_is_ended_and_the_next_runs(tmp_path: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        warm.python("import time; time.sleep(60)", cwd=tmp_path, timeout=0.2)
    assert warm.python("print(1)", cwd=tmp_path).stdout == "1\n"
