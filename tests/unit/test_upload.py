"""What is published is what was checked: regular files inside the folder, by the bytes that were hashed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from lsg_convert.common.errors import LSGConvertError, RequestError
from lsg_convert.folder import upload
from lsg_convert.folder.upload import prepare


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "folder" / "inner" / "file").write_bytes(b"sound")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_bytes(b"secret")
    return tmp_path / "folder"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("in_memory", [2**20, 0])
def test_sound_files_are_taken(folder: Path, in_memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "_IN_MEMORY", in_memory)
    (file,) = prepare(folder, {"inner/file": _sha256(b"sound")})
    assert file.size == 5 and file.operation().upload_info.sha256.hex() == _sha256(b"sound")
    assert file.arrived(None, _sha256(b"sound")) and not file.arrived(None, _sha256(b"other"))


def test_git_and_we_agree_on_the_hash_of_a_small_file(folder: Path) -> None:
    (file,) = prepare(folder, {"inner/file": None})
    assert file.arrived("3c3d8b2e1e4a7d3e1f0b6a5c8f6a0a0000000000", None) is False
    assert file.arrived(hashlib.sha1(b"blob 5\0sound").hexdigest(), None)


@pytest.mark.parametrize("in_memory", [2**20, 0])
def test_a_change_after_the_check_is_noticed(folder: Path, in_memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a small file what was read is sent; a large one is hashed again when it is handed over."""
    monkeypatch.setattr(upload, "_IN_MEMORY", in_memory)
    (file,) = prepare(folder, {"inner/file": _sha256(b"sound")})
    (folder / "inner" / "file").unlink()
    (folder / "inner" / "file").symlink_to(folder.parent / "outside" / "file")
    if in_memory:
        assert file.operation().upload_info.sha256.hex() == _sha256(b"sound")
    else:
        with pytest.raises(RequestError, match="was changed"):
            file.operation()


def test_links_and_other_files_are_refused(folder: Path) -> None:
    outside = folder.parent / "outside"
    (folder / "file-link").symlink_to(outside / "file")
    (folder / "inner-link").symlink_to(folder / "inner" / "file")
    (folder / "folder-link").symlink_to(outside)
    (folder / "own-folder-link").symlink_to(folder / "inner")
    os.mkfifo(folder / "pipe")
    names = ("file-link", "inner-link", "folder-link/file", "own-folder-link/file", "pipe", "inner", "../outside/file")
    for name in (*names, "/etc/passwd", "inner/../inner/file", "missing"):
        with pytest.raises(LSGConvertError):
            prepare(folder, {name: None})


def test_what_is_not_what_it_must_be_is_refused(folder: Path) -> None:
    with pytest.raises(RequestError, match="was changed"):
        prepare(folder, {"inner/file": _sha256(b"other")})
