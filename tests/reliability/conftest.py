"""What the reliability tests share: a source, a converted folder, a Hub, and the table they fill."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.command import Run, lsg_convert
from tests.hub import LoopbackHub
from tests.reliability.table import Table

TABLE = Table()
# small enough that tiny sources grow past them
LENGTHS = ("--max-len", "256", "--block-size", "16", "--sparse-block-size", "16")


@pytest.fixture(scope="session")
def tiny(checkpoint: Callable[..., Path]) -> Path:
    """A sound tiny BERT; leave it as it is."""
    return checkpoint("bert")


@pytest.fixture(scope="session")
def _converted(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("converted")
    run = lsg_convert(tiny, *LENGTHS, "--output", "lsg-tiny", "--no-verify", cwd=place)
    assert run.code == 0, run.output
    return place / "lsg-tiny"


@pytest.fixture
def source(tiny: Path, tmp_path: Path) -> Path:
    """A copy of the tiny source, at `work/source` below the test's folder: a neighbour can be led to."""
    return Path(shutil.copytree(tiny, tmp_path / "work" / "source"))


@pytest.fixture
def converted(_converted: Path, tmp_path: Path) -> Path:
    """A copy of a converted folder, at `work/lsg-tiny`."""
    return Path(shutil.copytree(_converted, tmp_path / "work" / "lsg-tiny"))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LoopbackHub]:
    with LoopbackHub(tmp_path / "hub") as hub:
        yield hub


@pytest.fixture
def row(tmp_path: Path) -> Callable[..., None]:
    """Enter a run into the table of `docs/reliability.md`: `row(group, fault, run)`."""

    def enter(group: str, fault: str, run: Run, happened: str | None = None) -> None:
        TABLE.enter(group, fault, run, happened, private=(str(tmp_path),))

    return enter


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """With LSG_WRITE_RELIABILITY=1, write the table; only a run in which all went well may."""
    if os.environ.get("LSG_WRITE_RELIABILITY") and exitstatus == 0:
        TABLE.write()


def tree(folder: Path) -> dict[str, str]:
    """Every path below `folder` with what it is: its content's hash, its link's target."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = f"→ {path.readlink()}"
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[name] = "folder" if path.is_dir() else "special"
    return found


def assert_said_clearly(run: Run, code: int) -> None:
    """The run ended with `code` and one or two lines that a user can read."""
    assert run.code == code, run.output
    assert "Traceback" not in run.output
    lines = run.stderr.strip().splitlines()
    assert lines and any(line.startswith("Error: ") for line in lines), run.output
    message = "\n".join(lines[next(i for i, line in enumerate(lines) if line.startswith("Error: ")) :])
    assert len(message) < 1000 and all(line.isprintable() for line in lines), run.output
    assert not run.stdout.strip()
