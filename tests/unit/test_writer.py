"""The streaming writer: what it writes, safetensors reads; what fails leaves nothing."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from lsg_convert.common.errors import OutsideError
from lsg_convert.folder.writer import FileRange, TensorEntry, write_safetensors
from lsg_convert.sources.safetensors_header import read_header


def tensors() -> dict[str, torch.Tensor]:
    return {
        "half": torch.randn(3).half(),  # three halves first: what follows must be aligned all the same
        "floats": torch.randn(5, 7),
        "numbers": torch.arange(9),
        "flags": torch.tensor([True, False, True]),
        "bfloat": torch.randn(2, 3, 4).bfloat16(),
        "double": torch.randn((), dtype=torch.float64),
        "empty": torch.empty(3, 0),
        "más": torch.ones(1),
    }


def entries() -> list[TensorEntry]:
    return [TensorEntry.of(name, tensor) for name, tensor in tensors().items()]


@pytest.mark.parametrize("max_shard_size", [10**9, 150, 1])
def test_safetensors_reads_it_back(max_shard_size: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    expected = tensors()
    written = write_safetensors(
        tmp_path, [TensorEntry.of(name, tensor) for name, tensor in expected.items()], max_shard_size
    )
    read: dict[str, torch.Tensor] = {}
    for file in written:
        data = file.path.read_bytes()
        assert (file.size, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        if file.path.suffix == ".safetensors":
            read |= load_file(file.path)
            for entry in read_header(file.path):
                assert entry.offset % (entry.nbytes // max(torch.Size(entry.shape).numel(), 1) or 1) == 0
            with safe_open(file.path, "pt") as opened:
                assert opened.metadata() == {"format": "pt"}
    assert set(read) == set(expected)
    for name, tensor in expected.items():
        assert read[name].dtype == tensor.dtype and torch.equal(read[name], tensor), name
    assert {file.path for file in written} == set(tmp_path.iterdir())


def test_names_of_shards_and_index(tmp_path: Path) -> None:
    written = write_safetensors(tmp_path, entries(), 150)
    names = [file.path.name for file in written]
    count = len(names) - 1
    assert names[0] == f"model-00001-of-{count:05d}.safetensors" and names[-1] == "model.safetensors.index.json"
    index = json.loads((tmp_path / names[-1]).read_text())
    assert set(index["weight_map"]) == set(tensors())
    assert index["metadata"]["total_size"] == sum(t.numel() * t.element_size() for t in tensors().values())
    for name, file in index["weight_map"].items():
        assert name in {entry.name for entry in read_header(tmp_path / file)}


def test_shards_keep_their_size(tmp_path: Path) -> None:
    items = [TensorEntry.of(f"t{number}", torch.ones(10)) for number in range(10)]
    files = [file for file in write_safetensors(tmp_path, items, 100) if file.path.suffix == ".safetensors"]
    assert [len(read_header(file.path)) for file in files] == [2] * 5


def test_tensors_are_made_one_at_a_time_in_order(tmp_path: Path) -> None:
    made: list[str] = []

    def entry(name: str) -> TensorEntry:
        def write(out: BinaryIO) -> None:
            made.append(name)
            assert out.write(bytes(4)) == 4
            out.write(bytearray(12))

        return TensorEntry(name, "F32", (4,), write)

    write_safetensors(tmp_path, [entry(name) for name in "abc"])
    assert made == ["a", "b", "c"]


def test_a_buffer_may_change_after_it_was_written(tmp_path: Path) -> None:
    def write(out: BinaryIO) -> None:
        buffer = bytearray(2**20)
        for value in range(8):
            buffer[:] = bytes([value]) * len(buffer)
            out.write(buffer)

    (file,) = write_safetensors(tmp_path, [TensorEntry("t", "U8", (8 * 2**20,), write)])
    assert file.sha256 == hashlib.sha256(file.path.read_bytes()).hexdigest()


@pytest.mark.parametrize("system_copies", [True, False])
def test_bytes_that_lie_in_a_file_are_copied_from_there(
    tmp_path: Path, system_copies: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = hashlib.shake_128(b"tensors").digest(20 * 2**20)
    (tmp_path / "source").write_bytes(data)

    def refuse(*_: object) -> int:
        raise OSError(errno.EINVAL, "not between these files")

    if not system_copies:
        monkeypatch.setattr(os, "sendfile", refuse)
    asked: list[int] = []
    parts = [(3, 9 * 2**20), (2**20, 5), (4096, 0), (11, 17 * 2**20)]

    def entry(number: int, offset: int, size: int) -> TensorEntry:
        def write(out: BinaryIO) -> None:
            asked.append(number)
            out.write(data[offset : offset + size])

        return TensorEntry(f"t{number}", "U8", (size,), write, FileRange(tmp_path / "source", offset))

    (tmp_path / "out").mkdir()
    (file,) = write_safetensors(tmp_path / "out", [entry(number, *part) for number, part in enumerate(parts)])
    written = file.path.read_bytes()
    assert written.endswith(b"".join(data[offset : offset + size] for offset, size in parts))
    assert file.sha256 == hashlib.sha256(written).hexdigest()
    assert asked == ([] if system_copies else [0, 1, 3])


def test_a_source_that_became_shorter_is_named(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(bytes(10))
    entry = TensorEntry("t", "U8", (20,), lambda out: None, FileRange(tmp_path / "source", 0))
    with pytest.raises(OutsideError, match="source became shorter"):
        write_safetensors(tmp_path, [entry])
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_a_source_that_is_gone_is_named(tmp_path: Path) -> None:
    entry = TensorEntry("t", "U8", (20,), lambda out: None, FileRange(tmp_path / "source", 0))
    with pytest.raises(OutsideError, match=r"cannot read .*source"):
        write_safetensors(tmp_path, [entry])
    assert not list(tmp_path.iterdir())


def _fails(error: BaseException) -> TensorEntry:
    def write(out: BinaryIO) -> None:
        out.write(bytes(2))
        raise error

    return TensorEntry("broken", "U8", (4,), write)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("no"), OutsideError("gone")])
@pytest.mark.parametrize("max_shard_size", [10**9, 20])
def test_a_failure_leaves_nothing(error: BaseException, max_shard_size: int, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    with pytest.raises(type(error)):
        write_safetensors(tmp_path, [*entries(), _fails(error)], max_shard_size)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_too_few_bytes_are_noticed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 bytes written, 4 announced"):
        write_safetensors(tmp_path, [TensorEntry("t", "U8", (4,), lambda out: [out.write(bytes(2))][:0])])
    assert not list(tmp_path.iterdir())


def test_names_must_differ(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="twice"):
        write_safetensors(tmp_path, [*entries(), entries()[0]])


def test_no_space_is_said_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(OutsideError, match=r"not enough space in .* 4,398,047 MB needed"):
        write_safetensors(tmp_path, [TensorEntry("t", "F32", (2**40,), lambda out: None)])


def test_existing_weights_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_text("mine")
    with pytest.raises(OutsideError):
        write_safetensors(tmp_path, entries())
    assert (tmp_path / "model.safetensors").read_text() == "mine"


def test_a_disk_that_fills_leaves_nothing(tmp_path: Path) -> None:
    code = f"""
import resource, pathlib
from lsg_convert.common.errors import OutsideError
from lsg_convert.folder.writer import TensorEntry, write_safetensors
resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
def write(out):
    for _ in range(8): out.write(bytes(2**18))
try:
    write_safetensors(pathlib.Path({str(tmp_path)!r}), [TensorEntry("t", "U8", (2**21,), write)])
except OutsideError as error:
    print(error.message)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "larger than the system or a limit" in done.stdout
    assert not list(tmp_path.iterdir())


def test_the_parts_are_reported(tmp_path: Path) -> None:
    from contextlib import contextmanager

    seen: list[int] = []

    class Counting:
        @contextmanager
        def stage(self, description: str, total: int | None = None):  # type: ignore[no-untyped-def]
            seen.append(-(total or 0))
            yield seen.append

    write_safetensors(tmp_path, [TensorEntry.of("t", torch.ones(1000))], reporter=Counting())
    assert seen[0] < -4000 and sum(seen) == 0
