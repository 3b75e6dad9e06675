"""The process and its terminal: streams that are closed, full or unread, limits, names that are not text."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.command import COMMAND, Run, fresh_environment, lsg_convert

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="uses a POSIX shell")
OPTIONS = "--max-len 128 --no-verify --output out"


@pytest.fixture
def place(checkpoint: Callable[..., Path], tmp_path: Path) -> Path:
    """A folder that holds a tiny checkpoint, `source`."""
    shutil.copytree(checkpoint("bert", "BertForMaskedLM"), tmp_path / "source")
    return tmp_path


def shell(line: str, place: Path, **variables: str) -> Run:
    """Run a line of bash in which `lsg` is the installed command."""
    script = f'lsg() {{ {shlex.quote(COMMAND)} "$@"; }}\n{line}'
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=place,
        env=fresh_environment(**variables),
        capture_output=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
    )
    return Run(done.returncode, os.fsdecode(done.stdout), os.fsdecode(done.stderr))


def assert_calm(run: Run, code: int) -> None:
    assert run.code == code, run
    for sign in ("Traceback", "Exception ignored", "Unexpected"):
        assert sign not in run.output, run


class TestStreams:
    """A result that cannot be delivered is an error of the disk or terminal (3), never a failed verification (1)."""

    @pytest.mark.parametrize("command", ["--version", "--help", "families", "inspect source", "convert --help"])
    def test_nobody_reads(self, command: str, place: Path) -> None:
        run = shell(f"lsg {command} | true; exit ${{PIPESTATUS[0]}}", place)
        assert_calm(run, 3)
        assert run.stderr == ""

    @pytest.mark.parametrize("command", ["--version", "--help", "families", "families --json", "inspect source"])
    @pytest.mark.parametrize("where", [">/dev/full", ">&-"])
    def test_stdout_cannot_be_written(self, command: str, where: str, place: Path) -> None:
        run = shell(f"lsg {command} {where}", place)
        assert_calm(run, 3)
        assert "Error: " in run.stderr

    @pytest.mark.parametrize("where", ["2>/dev/full", "2>&-", "2>&- </dev/null", "<&-"])
    def test_stderr_or_stdin_cannot_be_used(self, where: str, place: Path) -> None:
        assert_calm(shell(f"lsg families {where}", place), 0)
        assert_calm(shell(f"lsg no-such-model {where}", place), 2)

    @pytest.mark.parametrize("where", [">/dev/full", ">&-"])
    def test_the_folder_is_there_although_nobody_can_be_told(self, where: str, place: Path) -> None:
        run = shell(f"lsg source {OPTIONS} {where}", place)
        assert_calm(run, 3)
        assert f"The folder {place}/out is complete" in run.stderr.replace("the folder", "The folder")
        assert sorted(path.name for path in place.iterdir()) == ["out", "source"]

    def test_all_closed(self, place: Path) -> None:
        """No file that is written may take the number of a closed stream: what is printed would go into it."""
        run = shell(f"lsg source {OPTIONS} <&- >&- 2>&-", place)
        assert_calm(run, 3)
        whole = lsg_convert("source", "--max-len", 128, "--no-verify", "--output", "other", cwd=place)
        assert whole.code == 0
        names = {path.name for path in (place / "other").iterdir()} - {"lsg_conversion.json", "README.md"}
        for name in names:
            assert (place / "out" / name).read_bytes() == (place / "other" / name).read_bytes(), name


class TestLimits:
    @pytest.mark.parametrize("kilobytes", [40_000, 80_000, 150_000, 300_000, 600_000])
    def test_memory(self, kilobytes: int, place: Path) -> None:
        run = shell(f"ulimit -v {kilobytes}; lsg source {OPTIONS}", place, OPENBLAS_NUM_THREADS="1")
        if run.code in (126, 127) or "error while loading shared libraries" in run.stderr:
            pytest.skip("Python itself does not start")
        assert run.code in (0, 3), run
        assert "Traceback" not in run.output
        assert sorted(path.name for path in place.iterdir()) == ["out", "source"][run.code > 0 :]

    @pytest.mark.parametrize("files", [5, 6, 8, 12, 20])
    def test_open_files(self, files: int, place: Path) -> None:
        run = shell(f"ulimit -n {files}; lsg source {OPTIONS}", place)
        assert run.code in (0, 3), run
        assert "Traceback" not in run.output
        assert sorted(path.name for path in place.iterdir()) == ["out", "source"][run.code > 0 :]


class TestNames:
    @pytest.mark.parametrize(
        "environment", [{"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
    )
    @pytest.mark.parametrize("name", [b"mod\xc3\xa8le", b"not-\xff-text"])
    def test_not_in_the_terminals_alphabet(self, name: bytes, environment: dict[str, str], place: Path) -> None:
        (place / "source").rename(place / os.fsdecode(name))
        spelled = "".join(rf"\x{byte:02x}" for byte in name)
        line = f"lsg $'{spelled}' {OPTIONS}"
        assert_calm(shell(line, place, **environment), 0)
        shown = shell(line + " --force --json", place, **environment)
        assert_calm(shown, 0)
        assert json.loads(shown.stdout)["written"] is True
        assert_calm(shell(f"lsg $'./no-{spelled}'", place, **environment), 2)

    @pytest.mark.parametrize(
        "option", ["max-len", "block-size", "seed", "num-global-tokens", "max-shard-size", "global-positional-stride"]
    )
    @pytest.mark.parametrize("digits", [400, 5000])
    def test_numbers_without_end(self, option: str, digits: int, place: Path) -> None:
        run = lsg_convert("source", f"--{option}", "9" * digits, "--output", "out", cwd=place)
        assert_calm(run, 2)
        assert len(run.output) < 2000

    @pytest.mark.parametrize("model", ["~nobody-at-all/x", "~/no/such", "x" * 5000, "\udcff", ""])
    def test_no_model(self, model: str, place: Path) -> None:
        assert_calm(lsg_convert(model, cwd=place), 2)

    @pytest.mark.parametrize("output", ["", ".", "..", "~", "/", "~nobody-at-all/x", "y" * 300])
    def test_no_output(self, output: str, place: Path) -> None:
        run = lsg_convert("source", "--output", output, "--force", cwd=place, HOME=str(place))
        assert_calm(run, 2)
        assert [path.name for path in place.iterdir()] == ["source"]

    def test_a_current_folder_that_is_gone(self, place: Path) -> None:
        gone = "mkdir gone; cd gone; rmdir ../gone"
        run = shell(f"{gone}; lsg source", place)
        assert run.code in (2, 3) and "Traceback" not in run.output, run
        for command in ("verify", "push --dry-run", "bench"):
            run = shell(f"{gone}; lsg {command}", place)
            assert run.code in (2, 3) and "Traceback" not in run.output and "Unexpected" not in run.output, run
        whole = shell(f"{gone}; lsg {place}/source --max-len 128 --no-verify --output {place}/out", place)
        assert_calm(whole, 0)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_source_that_is_cut_while_it_is_read(name: str, place: Path) -> None:
    """Nothing of the weights is mapped: a file that becomes shorter is an error, not the end of the process."""
    weights = place / "source" / "model.safetensors"
    if name.endswith(".bin"):
        torch.save(load_file(weights), place / "source" / name)
        weights.unlink()
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from lsg_convert.folder import tensors\n"
        "from lsg_convert.cli.main import main\n"
        "real = tensors._globals\n"
        "def cut(*given):\n"
        "    os.truncate(sys.argv.pop(), 4096)\n"
        "    return real(*given)\n"
        "tensors._globals = cut\n"
        "sys.exit(main(['source', *sys.argv[1:-1]]))\n"
    )
    command = [sys.executable, "-c", code, *OPTIONS.split(), f"source/{name}"]
    done = subprocess.run(command, cwd=place, env=fresh_environment(), capture_output=True, text=True, timeout=300)
    run = Run(done.returncode, done.stdout, done.stderr)
    assert_calm(run, 3)
    assert "became shorter" in run.stderr
    assert [path.name for path in place.iterdir()] == ["source"]


def test_a_password_in_the_hubs_address_is_not_shown(place: Path) -> None:
    assert shell(f"lsg source {OPTIONS}", place).code == 0
    for address in ("http://user:hunter2secret@127.0.0.1:9", "http://user:hunter2secret@"):
        variables = {"HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0", "HF_HOME": str(place / "cache")}
        for command in ("push out me/x --dry-run", "push out me/x --dry-run --json", "inspect me/x", "push out me/x"):
            run = shell(f"lsg {command} --token hf_{'a' * 30}", place, **variables)
            assert "hunter2secret" not in run.output and "Traceback" not in run.output, run
