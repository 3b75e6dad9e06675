"""Disks that fill, outputs that cannot be written, outputs that are links."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.command import Run
from tests.reliability.conftest import LENGTHS, assert_said_clearly, tree
from tests.reliability.forked import forked

Row = Callable[..., None]


def _convert(source: Path, output: object, *options: str) -> Run:
    given = ("./source", *LENGTHS, "--no-verify", "--output", str(output), *options)
    return forked(*given, cwd=source.parent)


@pytest.mark.parametrize("kilobytes", [1, 8, 100])
def test_a_limit_on_file_sizes(kilobytes: int, source: Path, row: Row) -> None:
    """Reached by the first small files, by the tokenizer, by the weights."""
    before = tree(source.parent)
    given = ("./source", *LENGTHS, "--no-verify", "--output", "out")
    done = forked(*given, cwd=source.parent, file_limit=kilobytes * 1024)
    assert_said_clearly(done, 3)
    assert tree(source.parent) == before
    row("Disk", f"no file may be larger than {kilobytes} kB (as when the disk is full)", done)
    assert _convert(source, "out").code == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 200 kB."""
    place = tmp_path / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("may not mount a small file system here")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_full_disk(small_disk: Path, source: Path, row: Row) -> None:
    done = _convert(source, small_disk / "out")
    assert_said_clearly(done, 3)
    assert not list(small_disk.iterdir())
    row("Disk", "a disk of 200 kB", done)


def test_a_disk_that_fills_meanwhile(small_disk: Path, source: Path, row: Row) -> None:
    (small_disk / "other").write_bytes(bytes(192_000))
    done = _convert(source, small_disk / "out")
    assert_said_clearly(done, 3)
    assert [path.name for path in small_disk.iterdir()] == ["other"]
    row("Disk", "a disk with 8 kB left", done)


def _linked(kind: str, place: Path) -> None:
    out = place / "out"
    if kind == "to a folder with files":
        (place / "full").mkdir()
        (place / "full" / "mine").write_text("kept")
        out.symlink_to("full")
    elif kind == "to a file":
        (place / "file").write_text("kept")
        out.symlink_to("file")
    elif kind == "to an empty folder":
        (place / "empty").mkdir()
        out.symlink_to("empty")
    elif kind == "to nothing":
        out.symlink_to("later")
    else:
        out.symlink_to("out")


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("to a folder with files", 2),
        ("to a file", 2),
        ("to an empty folder", 0),
        ("to nothing", 0),
        ("to itself", 2),
    ],
)
def test_an_output_that_is_a_link(kind: str, code: int, source: Path, row: Row) -> None:
    _linked(kind, source.parent)
    before = tree(source.parent)
    done = _convert(source, "out")
    if code:
        assert_said_clearly(done, code)
        assert tree(source.parent) == before
    else:
        assert done.code == 0, done.output
        assert (source.parent / "out").is_symlink() and (source.parent / "out" / "model.safetensors").is_file()
    row("Disk", f"an output that is a link {kind}", done, None if code else "written where the link points")


@pytest.mark.parametrize("force", [False, True])
def test_the_source_as_output(force: bool, source: Path, row: Row) -> None:
    (source.parent / "alias").symlink_to("source")
    before = tree(source.parent)
    for output in ("source", "alias", "."):
        done = _convert(source, output, *(["--force"] if force else []))
        assert_said_clearly(done, 2)
        assert tree(source.parent) == before
    row("Disk", f"the source as output{' with --force' if force else ''}", done)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_output(source: Path) -> None:
    place = source.parent / "fixed"
    place.mkdir(mode=0o555)
    done = _convert(source, place / "out")
    assert_said_clearly(done, 3)


def test_a_place_where_nobody_may_write(source: Path, row: Row) -> None:
    done = _convert(source, "/proc/lsg-out")
    assert_said_clearly(done, 3)
    row("Disk", "an output where nothing can be written", done)


def test_a_name_that_is_too_long(source: Path, row: Row) -> None:
    done = _convert(source, "x" * 300)
    assert done.code in (2, 3)
    assert_said_clearly(done, done.code)
    row("Disk", "an output with a name of 300 letters", done)


def test_a_source_that_may_not_be_written(source: Path, row: Row) -> None:
    for path in source.iterdir():
        path.chmod(0o444)
    source.chmod(0o555)
    before = tree(source)
    done = _convert(source, "out")
    source.chmod(0o755)
    assert done.code == 0 and tree(source) == before, done.output
    row("Disk", "a source on a read-only disk", done, "converted; the source is only read")
