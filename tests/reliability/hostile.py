"""Model folders that are broken or mean harm: each case breaks a sound folder in one way.

The reader's unit tests and the command line's end-to-end tests walk the same table.
"""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CANARY = "canary-was-executed"


@dataclass(frozen=True)
class Hostile:
    """What is wrong with the folder, how it gets so, and what the message has to say about it."""

    title: str
    build: Callable[[Path], None]
    match: str
    exit_code: int = 2
    reader_refuses: bool = True  # False: the tensor reader has no say in it, the conversion has


def header_file(path: Path, header: Any, data: bytes = b"", length: int | None = None) -> None:
    """A safetensors file with this header (bytes, or what JSON makes of it) and this data."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(raw) if length is None else length).to_bytes(8, "little") + raw + data)


def tensor(begin: int = 0, end: int = 16, shape: tuple[int, ...] = (4,), dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def _weights(header: Any, data: bytes = bytes(16), length: int | None = None) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        header_file(folder / "model.safetensors", header, data, length)

    return build


def _bytes(name: str, data: bytes) -> Callable[[Path], None]:
    return lambda folder: _replace(folder / name, data)


def _replace(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def _index(target: str, suffix: str = "safetensors") -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        stem = "model.safetensors" if suffix == "safetensors" else "pytorch_model.bin"
        (folder / "model.safetensors").unlink()
        # what the entry points at is sound: only where it lies is wrong
        header_file(folder.parent / "outside.safetensors", {"w": tensor()}, bytes(16))
        (folder / f"{stem}.index.json").write_text(json.dumps({"weight_map": {"w": target}}))

    return build


def _absolute_index(folder: Path) -> None:
    _index(str(folder.parent / "outside.safetensors"))(folder)


def _link(target: Callable[[Path], Path]) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        header_file(folder.parent / "outside.safetensors", {"w": tensor()}, bytes(16))
        (folder / "model.safetensors").unlink()
        (folder / "model.safetensors").symlink_to(target(folder))

    return build


def _linked_shard(folder: Path) -> None:
    _index("model-00001-of-00001.safetensors")(folder)
    (folder / "model-00001-of-00001.safetensors").symlink_to("../outside.safetensors")


def _linked_folder(folder: Path) -> None:
    _index("inner/outside.safetensors")(folder)
    (folder / "inner").symlink_to("..", target_is_directory=True)


def _linked_config(folder: Path) -> None:
    (folder.parent / "secret.json").write_text((folder / "config.json").read_text())
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to("../secret.json")


def _fifo(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    os.mkfifo(folder / "model.safetensors")


def _two_shards(first: dict[str, Any], second: dict[str, Any], weight_map: dict[str, str]) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        for number, header in enumerate((first, second), 1):
            size = max(entry["data_offsets"][1] for entry in header.values())
            header_file(folder / f"model-{number:05d}-of-00002.safetensors", header, bytes(size))
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))

    return build


class _Callable:
    """Pickles as a call that leaves a file behind."""

    def __init__(self, canary: str) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, ...]]:
        return os.mkdir, (self.canary,)


def _pickle(zipped: bool) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        payload = pickle.dumps({"w": _Callable(str(folder.parent / CANARY))}, protocol=2)
        path = folder / "pytorch_model.bin"
        if not zipped:
            path.write_bytes(payload)
            return
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", payload)
            archive.writestr("archive/version", "3\n")
            archive.writestr("archive/byteorder", "little")

    return build


def _bin(content: Callable[[], Any], edit: Callable[[Path], None] | None = None) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        import torch

        (folder / "model.safetensors").unlink()
        torch.save(content(), folder / "pytorch_model.bin")
        if edit:
            edit(folder / "pytorch_model.bin")

    return build


def _tensor_of(*shape: int) -> Any:
    import torch

    return torch.ones(*shape)


def _cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _compress(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def _no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "tf_model.h5").write_bytes(b"\x89HDF")


def _truncated(folder: Path) -> None:
    _cut_in_half(folder / "model.safetensors")


def _missing_shard(folder: Path) -> None:
    _index("model-00001-of-00001.safetensors")(folder)


_TWICE = (
    b'{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}'
)
_ONE = {"a": tensor()}

CASES: dict[str, Hostile] = {
    "empty-file": Hostile("empty model.safetensors", _bytes("model.safetensors", b""), "it is empty"),
    "truncated": Hostile("model.safetensors cut in half", _truncated, "truncated|claims a header|needs"),
    "garbage": Hostile("model.safetensors of random bytes", _bytes("model.safetensors", b"\xff" * 4096), "header"),
    "header-too-long": Hostile(
        "header length beyond the file", _weights(_ONE, length=2**60), "claims a header of 1152921504606846976"
    ),
    "header-huge": Hostile("header of 20 MB", _weights(b" " * (20 * 2**20)), "exceeds 16 MB"),
    "header-no-json": Hostile("header that is not JSON", _weights(b"{'a': 1}"), "not valid JSON"),
    "header-list": Hostile("header that is a list", _weights(b"[]"), "a JSON list"),
    "header-deep": Hostile("header nested 100,000 deep", _weights(b'{"a":' * 100_000), "nested too deeply"),
    "header-not-utf8": Hostile("header that is not UTF-8", _weights(b'{"\xff\xfe": {}}'), "not valid JSON"),
    "header-digits": Hostile(
        "number of 10,000 digits in the header", _weights(b'{"a": ' + b"9" * 10_000 + b"}"), "not valid JSON|described"
    ),
    "overlap": Hostile(
        "tensors that overlap", _weights({"a": tensor(0, 16), "b": tensor(8, 24)}, bytes(24)), "overlap"
    ),
    "gap": Hostile("gap between tensors", _weights({"a": tensor(0, 16), "b": tensor(24, 40)}, bytes(40)), "gap"),
    "trailing": Hostile("bytes that belong to no tensor", _weights(_ONE, bytes(64)), "longer than its header"),
    "size-lie": Hostile(
        "shape that needs more bytes than given", _weights({"a": tensor(shape=(2**40, 2**20))}), "needs"
    ),
    "size-terabytes": Hostile(
        "tensor of 4 TB in a file of 100 bytes", _weights({"a": tensor(0, 2**42, (2**40,))}), "truncated"
    ),
    "negative-offset": Hostile("negative offsets", _weights({"a": tensor(-16, 0)}), "data_offsets"),
    "negative-shape": Hostile("negative shape", _weights({"a": tensor(shape=(-2, -2))}), "shape"),
    "float-shape": Hostile("shape with a fraction", _weights({"a": {**tensor(), "shape": [4.0]}}), "shape"),
    "bool-shape": Hostile("shape of booleans", _weights({"a": {**tensor(0, 4), "shape": [True]}}, bytes(4)), "shape"),
    "many-dimensions": Hostile("tensor with 10,000 dimensions", _weights({"a": tensor(shape=(1,) * 10_000)}), "shape"),
    "unknown-dtype": Hostile("unknown dtype", _weights({"a": tensor(dtype="F\x1b[31m7")}), r"unknown dtype F\\x1b"),
    "extra-field": Hostile("unknown field of a tensor", _weights({"a": {**tensor(), "code": "x"}}), "not described by"),
    "named-twice": Hostile("tensor named twice in a header", _weights(_TWICE), "named twice"),
    "control-characters": Hostile(
        "tensor name with newline and escape codes",
        _weights({"a\n\x1b[2Jb": tensor(shape=(5,))}),
        r"a\\n\\x1b\[2Jb",
    ),
    "no-tensors": Hostile("weights without a tensor", _weights({}, b""), "no tensor"),
    "index-parent": Hostile("index entry ../outside.safetensors", _index("../outside.safetensors"), "leads out"),
    "index-inner-parent": Hostile(
        "index entry a/../../outside.safetensors", _index("a/../../outside.safetensors"), "leads out"
    ),
    "index-absolute": Hostile("absolute index entry", _absolute_index, "leads out"),
    "index-backslash": Hostile("index entry ..\\outside.safetensors", _index("..\\outside.safetensors"), "leads out"),
    "index-newline": Hostile("index entry with a newline", _index("a\nb.safetensors"), r"a\\nb.safetensors' leads out"),
    "index-other-type": Hostile("index entry that is no weight file", _index("config.json"), "no .safetensors file"),
    "index-bin-parent": Hostile("index of .bin files, entry ../x.bin", _index("../x.bin", "bin"), "leads out"),
    "index-no-map": Hostile(
        "index without weight_map",
        lambda folder: (_index("x.safetensors")(folder), _bytes("model.safetensors.index.json", b"{}")(folder))[0],
        "no weight_map",
    ),
    "missing-shard": Hostile("shard that is missing", _missing_shard, "is missing"),
    "shard-link": Hostile("shard that is a link out of the folder", _linked_shard, "leads out"),
    "folder-link": Hostile("shard in a linked folder", _linked_folder, "leads out"),
    "shard-twice": Hostile(
        "tensor in two shards",
        _two_shards(
            {"a": tensor(), "b": tensor(16, 32)},
            {"b": tensor()},
            {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"},
        ),
        "unlike its index|twice",
    ),
    "shard-lacks": Hostile(
        "shard without a tensor of the index",
        _two_shards(
            {"a": tensor()},
            {"b": tensor()},
            {
                "a": "model-00001-of-00002.safetensors",
                "b": "model-00002-of-00002.safetensors",
                "c": "model-00002-of-00002.safetensors",
            },
        ),
        "lacks 'c'",
    ),
    "link-out": Hostile(
        "weights that are a link out", _link(lambda folder: Path("../outside.safetensors")), "leads out"
    ),
    "link-absolute": Hostile(
        "weights that are an absolute link", _link(lambda folder: folder.parent / "outside.safetensors"), "leads out"
    ),
    "link-device": Hostile("weights linked to /dev/zero", _link(lambda folder: Path("/dev/zero")), "leads out"),
    "link-dangling": Hostile("weights linked to nothing", _link(lambda folder: Path("nowhere")), "is missing"),
    "link-loop": Hostile(
        "weights linked to themselves", _link(lambda folder: Path("model.safetensors")), "cannot read", exit_code=3
    ),
    "config-link": Hostile("config linked out of the folder", _linked_config, "leads out"),
    "fifo": Hostile("weights that are a named pipe", _fifo, "not a regular file"),
    "no-weights": Hostile("TensorFlow weights only", _no_weights, "tf_model.h5"),
    "no-config": Hostile("config.json missing", lambda folder: (folder / "config.json").unlink(), "missing"),
    "config-no-json": Hostile("config that is not JSON", _bytes("config.json", b"{"), "not valid JSON"),
    "config-list": Hostile("config that is a list", _bytes("config.json", b"[1, 2]"), "a JSON list"),
    "config-deep": Hostile("config nested 100,000 deep", _bytes("config.json", b'{"a":' * 100_000), "too deeply"),
    "config-binary": Hostile("config of random bytes", _bytes("config.json", bytes(range(128, 256))), "not valid JSON"),
    "config-huge": Hostile("config of 9 MB", _bytes("config.json", b" " * (9 * 2**20)), "larger than 8 MB"),
    "pickle-callable": Hostile("pickle that calls a function", _pickle(zipped=False), "more than tensors|not a sound"),
    "pickle-callable-zip": Hostile("zipped pickle that calls a function", _pickle(zipped=True), "more than tensors"),
    "pickle-object": Hostile("pickle with an object of a class", _bin(lambda: {"w": Path("x")}), "more than tensors"),
    "pickle-list": Hostile("pickle of a list", _bin(lambda: [_tensor_of(2)]), "not a table"),
    "pickle-number": Hostile("pickle with a number for a tensor", _bin(lambda: {"w": 3}), "is of type int"),
    "pickle-keys": Hostile("pickle with numbers for names", _bin(lambda: {3: _tensor_of(2)}), "not a table"),
    "pickle-expanded": Hostile(
        "pickled tensor of 4 TB that has 4 bytes", _bin(lambda: {"w": _tensor_of(1).expand(2**40)}), "claims more"
    ),
    "bin-truncated": Hostile(
        "pytorch_model.bin cut in half",
        _bin(lambda: {"w": _tensor_of(999)}, _cut_in_half),
        "not a sound|more than tensors",
    ),
    "bin-compressed": Hostile(
        "pytorch_model.bin that grows when unpacked",
        _bin(lambda: {"w": _tensor_of(999)}, _compress),
        "compressed parts",
    ),
    "bin-garbage": Hostile(
        "pytorch_model.bin of random bytes",
        lambda folder: ((folder / "model.safetensors").unlink(), _bytes("pytorch_model.bin", b"\x80\x02abc")(folder))[
            0
        ],
        "not a sound|more than tensors",
    ),
}
