"""The output folder appears whole or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lsg_convert.common.errors import OutsideError, RequestError
from lsg_convert.folder.staging import staged


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_appears_when_the_block_ends_well(tmp_path: Path) -> None:
    with staged(tmp_path / "new" / "out", force=False) as folder:
        (folder / "a").write_text("1")
        assert not (tmp_path / "new" / "out").exists()
    assert names(tmp_path / "new") == ["out"]
    assert (tmp_path / "new" / "out" / "a").read_text() == "1"


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit])
def test_nothing_is_left_when_it_does_not(tmp_path: Path, failure: type[BaseException]) -> None:
    with pytest.raises(failure), staged(tmp_path / "out", force=False) as folder:
        (folder / "a").write_text("1")
        raise failure
    assert names(tmp_path) == []


def test_an_existing_folder_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("keep")
    with pytest.raises(RequestError, match="not empty"), staged(tmp_path / "out", force=False):
        pytest.fail("the work began")
    assert names(tmp_path / "out") == ["mine"]


def test_force_replaces_only_when_the_new_one_is_complete(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("1")
    with pytest.raises(ValueError), staged(tmp_path / "out", force=True):
        raise ValueError
    assert names(tmp_path / "out") == ["old"]
    with staged(tmp_path / "out", force=True) as folder:
        (folder / "new").write_text("2")
    assert names(tmp_path / "out") == ["new"]
    assert names(tmp_path) == ["out"]


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path: Path) -> None:
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    abandoned = tmp_path / f".out.partial-{gone.stdout.strip()}"
    abandoned.mkdir()
    (abandoned / "half").write_text("1")
    running = tmp_path / f".out.partial-{os.getppid()}"
    running.mkdir()
    with staged(tmp_path / "out", force=False):
        pass
    assert names(tmp_path) == sorted([running.name, "out"])


def test_a_folder_that_a_killed_run_was_replacing_comes_back(tmp_path: Path) -> None:
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    retired = tmp_path / f".out.replaced-{gone.stdout.strip()}"
    retired.mkdir()
    (retired / "old").write_text("1")
    with pytest.raises(ValueError), staged(tmp_path / "out", force=True):
        raise ValueError
    assert names(tmp_path / "out") == ["old"]


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "real")
    with staged(tmp_path / "out", force=False) as folder:
        (folder / "a").write_text("1")
    assert (tmp_path / "out").is_symlink()
    assert names(tmp_path / "real") == ["a"]


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(RequestError, match="is a file"), staged(tmp_path / "out", force=True):
        pytest.fail("the work began")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_without_permission_is_the_outsides_fault(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutsideError, match="permission"), staged(tmp_path / "out", force=False):
        pytest.fail("the work began")
