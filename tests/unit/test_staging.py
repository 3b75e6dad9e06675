"""The output folder appears whole or not at all, and nothing is replaced that lsg-convert did not write."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lsg_convert.common import exchange as exchange_module
from lsg_convert.common import flush, locks
from lsg_convert.common.errors import LSGConvertError, OutsideError, RequestError
from lsg_convert.folder import claim, staging
from lsg_convert.folder.output import check_output
from lsg_convert.folder.staging import replaced, staged

RECORD = {"tool": "lsg-convert", "format": 1, "files": {}}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def ours(folder: Path, *files: str) -> Path:
    """A folder that lsg-convert wrote."""
    folder.mkdir(parents=True)
    (folder / "lsg_conversion.json").write_text(json.dumps(RECORD))
    for name in files:
        (folder / name).write_text("1")
    return folder


def killed(place: Path, *, between: bool = False, force: bool = False) -> None:
    """A run that is killed while it writes `place`, or between the two steps of replacing it."""
    code = f"""
import os, signal, sys
from pathlib import Path
from lsg_convert.folder import staging
die = lambda: os.kill(os.getpid(), signal.SIGKILL)
if {between}:
    staging.exchange = lambda one, other: False
    rename, done = Path.rename, []
    def second_dies(self, target):
        done.append(self)
        die() if len(done) == 2 else rename(self, target)
    Path.rename = second_dies
with staging.staged(Path({str(place)!r}), {force}) as folder:
    (folder / "half").write_text("1")
    if not {between}:
        die()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.fixture(params=["exchanged", "in two steps"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to replace a folder."""
    if request.param == "in two steps":
        monkeypatch.setattr(staging, "exchange", lambda one, other: False)
    return str(request.param)


class TestAppearing:
    def test_it_appears_when_the_block_ends_well(self, tmp_path: Path) -> None:
        with staged(tmp_path / "new" / "out", force=False) as folder:
            (folder / "a").write_text("1")
            assert not (tmp_path / "new" / "out").exists()
        assert names(tmp_path / "new") == ["out"]
        assert (tmp_path / "new" / "out" / "a").read_text() == "1"

    @pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit])
    def test_nothing_is_left_when_it_does_not(self, tmp_path: Path, failure: type[BaseException]) -> None:
        with pytest.raises(failure), staged(tmp_path / "deep" / "er" / "out", force=False) as folder:
            (folder / "a").write_text("1")
            raise failure
        assert names(tmp_path) == []

    def test_a_link_is_followed(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "out").symlink_to(tmp_path / "real")
        with staged(tmp_path / "out", force=False) as folder:
            (folder / "a").write_text("1")
        assert (tmp_path / "out").is_symlink()
        assert names(tmp_path / "real") == ["a"]

    @pytest.mark.parametrize("name", ["x" * 255, "è" * 120, "a]*?[", "-", "\udcff", "a b"])
    def test_any_name_that_the_system_takes(self, tmp_path: Path, name: str) -> None:
        killed_run = tmp_path / f"{claim._prefix(tmp_path / name)}.partial-00"
        killed_run.mkdir()
        for path in (killed_run, tmp_path):
            os.utime(path, (0, 0))
        with staged(tmp_path / name, force=False) as folder:
            (folder / "a").write_text("1")
        assert names(tmp_path) == [name]

    def test_all_is_flushed_before_it_has_its_name(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every file, every folder, then the name, then the folder that holds the name."""
        events: list[str] = []
        fsync, rename = os.fsync, Path.rename

        def noted(descriptor: int) -> None:
            events.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
            fsync(descriptor)

        def renamed(self: Path, target: Path) -> Path:
            events.append("renamed")
            return rename(self, target)

        monkeypatch.setattr(flush.os, "fsync", noted)
        monkeypatch.setattr(Path, "rename", renamed)
        with staged(tmp_path / "out", force=False) as folder:
            (folder / "inner").mkdir()
            for name in ("a", "inner/b"):
                (folder / name).write_text("1")
            wanted = {str(folder / name) for name in (".", "a", "inner", "inner/b")}
        at = events.index("renamed")
        assert set(events[:at]) == wanted
        assert events[at + 1 :] == [str(tmp_path)]


class TestReplacing:
    def test_only_when_the_new_one_is_complete(self, tmp_path: Path, way: str) -> None:
        ours(tmp_path / "out", "old")
        with pytest.raises(ValueError), staged(tmp_path / "out", force=True):
            raise ValueError
        assert names(tmp_path / "out") == ["lsg_conversion.json", "old"]
        with staged(tmp_path / "out", force=True) as folder:
            (folder / "new").write_text("2")
        assert names(tmp_path / "out") == ["new"]
        assert names(tmp_path) == ["out"]

    def test_not_without_force(self, tmp_path: Path) -> None:
        ours(tmp_path / "out")
        with pytest.raises(RequestError, match="not empty") as caught, staged(tmp_path / "out", force=False):
            pytest.fail("the work began")
        assert "--force" in (caught.value.hint or "")

    @pytest.mark.parametrize(
        "record",
        [None, "", "{}", "[]", "{", '{"tool": "another", "files": {}}', '{"tool": "lsg-convert", "files": []}', "link"],
    )
    def test_not_what_somebody_else_wrote(self, tmp_path: Path, record: str | None) -> None:
        folder = tmp_path / "out"
        folder.mkdir()
        (folder / "mine").write_text("keep")
        path = folder / "lsg_conversion.json"
        if record == "link":
            path.symlink_to(ours(tmp_path / "other") / "lsg_conversion.json")
        elif record is not None:
            path.write_text(record)
        before = names(folder)
        for force in (False, True):
            with pytest.raises(RequestError, match="not empty") as caught, staged(folder, force=force):
                pytest.fail("the work began")
            assert "--force" not in (caught.value.hint or "")
        assert names(folder) == before

    def test_an_empty_folder_may_be_used(self, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        with staged(tmp_path / "out", force=False) as folder:
            (folder / "a").write_text("1")
        assert names(tmp_path / "out") == ["a"]

    def test_a_file_in_the_way_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "out").write_text("mine")
        with pytest.raises(RequestError, match="is a file"), staged(tmp_path / "out", force=True):
            pytest.fail("the work began")

    def test_an_error_between_the_two_steps(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(staging, "exchange", lambda one, other: False)
        ours(tmp_path / "out", "old")
        rename = Path.rename

        def fails(self: Path, target: Path) -> Path:
            if ".partial-" in self.name:
                raise KeyboardInterrupt
            return rename(self, target)

        monkeypatch.setattr(Path, "rename", fails)
        with pytest.raises(KeyboardInterrupt), staged(tmp_path / "out", force=True):
            pass
        assert names(tmp_path) == ["out"] and "old" in names(tmp_path / "out")

    @pytest.mark.skipif(sys.platform != "linux", reason="renameat2 is Linux's")
    def test_the_exchange_is_one_step_here(self, tmp_path: Path) -> None:
        ours(tmp_path / "a", "one")
        ours(tmp_path / "b", "two")
        assert exchange_module.exchange(tmp_path / "a", tmp_path / "b")
        assert "two" in names(tmp_path / "a") and "one" in names(tmp_path / "b")
        assert not exchange_module.exchange(tmp_path / "a", tmp_path / "nothing")


class TestProtected:
    """Folders that hold our record, and still must not be replaced."""

    @pytest.fixture
    def home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        home = ours(tmp_path / "holder" / "home")
        here = ours(tmp_path / "above" / "here")
        (tmp_path / "holder" / "lsg_conversion.json").write_text(json.dumps(RECORD))
        (tmp_path / "above" / "lsg_conversion.json").write_text(json.dumps(RECORD))
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.chdir(here)
        return home

    def refused(self, output: str, source: Path | None = None) -> str:
        with pytest.raises(RequestError) as caught:
            check_output(Path(output), True, source)
        return caught.value.message

    @pytest.mark.parametrize("output", ["", ".", "..", "../here", "../../above", "~", "~/..", "/", "/tmp", "/proc"])
    def test_by_name(self, home: Path, output: str) -> None:
        self.refused(output)

    def test_the_reason_is_said(self, home: Path) -> None:
        assert "current folder" in self.refused("") and "not set" in self.refused("")
        assert "home folder" in self.refused("~")
        assert "holds the current folder" in self.refused("..")
        assert "root of the file system" in self.refused("/")
        assert "mounted" in self.refused("/proc")

    def test_by_a_link(self, home: Path, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(home)
        assert "home folder" in self.refused(str(tmp_path / "link"))

    def test_through_a_bind_mount(self, home: Path, tmp_path: Path) -> None:
        bound = tmp_path / "bound"
        bound.mkdir()
        if subprocess.run(["mount", "--bind", tmp_path / "holder", bound], capture_output=True).returncode:
            pytest.skip("may not mount here")
        try:
            assert "home folder" in self.refused(str(bound / "home"))
            assert "mounted" in self.refused(str(bound)) or "holds" in self.refused(str(bound))
        finally:
            subprocess.run(["umount", bound], check=True)

    def test_the_source(self, home: Path, tmp_path: Path) -> None:
        source = ours(tmp_path / "whole" / "source")
        (tmp_path / "whole" / "lsg_conversion.json").write_text(json.dumps(RECORD))
        inner = ours(source / "inner")
        assert "source itself" in self.refused(str(source), source)
        assert "holds the source" in self.refused(str(tmp_path / "whole"), source)
        assert "lies in the source" in self.refused(str(inner), source)
        (tmp_path / "alias").symlink_to(source)
        assert "source itself" in self.refused(str(source), tmp_path / "alias")
        assert check_output(source / "new", False, source) == source / "new"

    @pytest.mark.parametrize("output", ["a\0b", "~nobody-at-all/x", "y" * 300, "z/" * 3000])
    def test_no_path_at_all(self, home: Path, output: str) -> None:
        with pytest.raises(LSGConvertError) as caught:
            check_output(Path(output), False)
        assert caught.value.message.isprintable() and len(caught.value.message) < 1000

    def test_a_current_folder_that_is_gone(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        gone = tmp_path / "gone"
        gone.mkdir()
        monkeypatch.chdir(gone)
        gone.rmdir()
        with pytest.raises(OutsideError, match="no longer there"):
            check_output(Path("out"), False)
        assert check_output(tmp_path / "out", False) == tmp_path / "out"


class TestAfterAKill:
    def test_what_it_left_is_removed_by_the_next(self, tmp_path: Path) -> None:
        killed(tmp_path / "out")
        assert len(names(tmp_path)) == 2  # the folder and its lock
        with staged(tmp_path / "out", force=False):
            pass
        assert names(tmp_path) == ["out"]

    def test_a_folder_that_it_was_replacing_comes_back(self, tmp_path: Path) -> None:
        ours(tmp_path / "out", "old")
        killed(tmp_path / "out", between=True, force=True)
        assert not (tmp_path / "out").exists()
        with pytest.raises(RequestError, match="not empty"), staged(tmp_path / "out", force=False):
            pytest.fail("the work began")
        assert names(tmp_path) == ["out"] and "old" in names(tmp_path / "out")

    def test_and_is_replaced_if_that_is_asked_for(self, tmp_path: Path) -> None:
        ours(tmp_path / "out", "old")
        killed(tmp_path / "out", between=True, force=True)
        with staged(tmp_path / "out", force=True) as folder:
            (folder / "new").write_text("1")
        assert names(tmp_path) == ["out"] and names(tmp_path / "out") == ["new"]

    def test_the_number_of_its_process_says_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """In a container every run has number 1: what is left is not ours because its number is."""
        killed(tmp_path / "out")
        monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("asked whether a process runs"))
        with staged(tmp_path / "out", force=False):
            pass
        assert names(tmp_path) == ["out"]


@pytest.fixture
def living(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A run in another process that is writing `out` at this moment."""
    code = f"""
from pathlib import Path
from lsg_convert.folder.staging import staged
with staged(Path({str(tmp_path / "out")!r}), False) as folder:
    (folder / "half").write_text("1")
    print(folder, flush=True)
    input()
"""
    command = [sys.executable, "-c", code]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout.readline()
        yield process
        process.kill()


class TestBesideALivingRun:
    def test_its_work_is_left_alone(self, tmp_path: Path, living: subprocess.Popen[str]) -> None:
        with staged(tmp_path / "out", force=False) as folder:
            (folder / "a").write_text("1")
        assert [name for name in names(tmp_path) if name.endswith(".lock")]
        _, error = living.communicate("\n", timeout=30)
        assert "not empty" in error  # the first to finish has the name
        assert names(tmp_path) == ["out"] and names(tmp_path / "out") == ["a"]

    def test_without_locks_it_is_left_alone_for_a_day(
        self, tmp_path: Path, living: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A file system that has no locks (some network drives)."""

        def unsupported(descriptor: int) -> None:
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr(locks, "_lock", unsupported)
        before = names(tmp_path)
        claim.clear_abandoned(tmp_path / "out")
        assert names(tmp_path) == before
        living.kill()
        living.wait()
        claim.clear_abandoned(tmp_path / "out")
        assert names(tmp_path) == before, "nobody can know that it has ended"
        now = time.time()
        monkeypatch.setattr(claim.time, "time", lambda: now + 2 * 24 * 3600)
        claim.clear_abandoned(tmp_path / "out")
        assert names(tmp_path) == []

    def test_a_lock_of_another_machine_is_not_trusted(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A network drive whose locks are each machine's own."""
        killed(tmp_path / "out")
        before = names(tmp_path)
        monkeypatch.setattr(claim, "this_system", lambda: "another")
        claim.clear_abandoned(tmp_path / "out")
        assert names(tmp_path) == before


class TestReplacedFile:
    def test_the_old_one_stays_until_the_new_one_is_whole(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_text("old")
        with pytest.raises(ValueError), replaced(tmp_path / "a") as path:
            path.write_text("ne")
            raise ValueError
        assert (tmp_path / "a").read_text() == "old"
        with replaced(tmp_path / "a") as path:
            path.write_text("new")
        assert (tmp_path / "a").read_text() == "new" and names(tmp_path) == ["a"]


class TestWhatIsBlamed:
    def test_the_file_that_could_not_be_used(self, tmp_path: Path) -> None:
        source = tmp_path / "source" / "tokenizer.json"
        with pytest.raises(OutsideError) as caught, staged(tmp_path / "work" / "out", force=False):
            raise PermissionError(13, "Permission denied", str(source))
        assert str(source) in caught.value.message and "out" not in caught.value.message

    def test_the_output_when_it_is_the_output(self, tmp_path: Path) -> None:
        with pytest.raises(OutsideError) as caught, staged(tmp_path / "out", force=False) as folder:
            raise OSError(28, "No space left on device", str(folder / "model.safetensors"))
        assert f"{tmp_path / 'out'}: the disk is full" in caught.value.message
        assert ".partial-" not in caught.value.message
