"""The lazy reader: every file format gives the same tensors, in file order, one at a time."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from subprocess import run

import pytest
import torch
from safetensors.torch import save_file

from lsg_convert.common.errors import OutsideError
from lsg_convert.sources import torch_files
from lsg_convert.sources.checkpoint import Checkpoint
from lsg_convert.sources.tensor_bytes import dtype_name, torch_dtype


def tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "embeddings.word.weight": torch.randn(7, 5, generator=generator),
        "embeddings.LayerNorm.gamma": torch.randn(5, generator=generator).bfloat16(),
        "embeddings.LayerNorm.beta": torch.randn(5, generator=generator).half(),
        "position_ids": torch.arange(6)[None],
        "mask": torch.tensor([True, False, True]),
        "scalar": torch.tensor(2.5, dtype=torch.float64),
        "empty": torch.empty(0, 4),
    }


def renamed(name: str) -> str:
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")


def write(folder: Path, form: str) -> None:
    (folder / "config.json").write_text('{"model_type": "bert"}')
    values = tensors()
    if form == "safetensors":
        save_file(values, folder / "model.safetensors")
    elif form in ("bin", "old-bin"):
        torch.save(values, folder / "pytorch_model.bin", _use_new_zipfile_serialization=form == "bin")
    else:
        stem, suffix = ("model", "safetensors") if form == "shards" else ("pytorch_model", "bin")
        names = list(values)
        weight_map = {}
        for number, part in enumerate((names[:3], names[3:]), 1):
            file = f"{stem}-{number:05d}-of-00002.{suffix}"
            weight_map |= dict.fromkeys(part, file)
            (save_file if form == "shards" else torch.save)({name: values[name] for name in part}, folder / file)
        (folder / f"{stem}.{suffix}.index.json").write_text(json.dumps({"weight_map": weight_map}))


@pytest.mark.parametrize("form", ["safetensors", "shards", "bin", "old-bin", "bin-shards"])
def test_every_format_gives_the_same_tensors(form: str, tmp_path: Path) -> None:
    write(tmp_path, form)
    checkpoint = Checkpoint.open(tmp_path)
    assert checkpoint.config == {"model_type": "bert"}
    assert set(checkpoint.tensors) == {renamed(name) for name in tensors()}
    for name, expected in tensors().items():
        info = checkpoint.tensors[renamed(name)]
        assert (info.shape, info.dtype) == (tuple(expected.shape), dtype_name(expected.dtype))
        read = checkpoint.read(info.name)
        assert read.dtype == expected.dtype and torch.equal(read, expected)
        out = io.BytesIO()
        checkpoint.copy_bytes(info.name, out)
        assert out.getvalue() == expected.reshape(-1).view(torch.uint8).numpy().tobytes()
        assert len(out.getvalue()) == info.nbytes


def test_safetensors_are_listed_in_file_order(tmp_path: Path) -> None:
    write(tmp_path, "safetensors")
    offsets = [info.offset for info in Checkpoint.open(tmp_path).tensors.values()]
    assert offsets == sorted(offsets)


def test_safetensors_go_before_bin(tmp_path: Path) -> None:
    write(tmp_path, "bin")
    save_file({"only": torch.ones(1)}, tmp_path / "model.safetensors")
    assert list(Checkpoint.open(tmp_path).tensors) == ["only"]


def test_a_read_tensor_is_its_own(tmp_path: Path) -> None:
    write(tmp_path, "bin")
    checkpoint = Checkpoint.open(tmp_path)
    checkpoint.read("embeddings.word.weight").zero_()
    assert torch.equal(checkpoint.read("embeddings.word.weight"), tensors()["embeddings.word.weight"])


@pytest.mark.parametrize("zipped", [True, False])
def test_tied_tensors_are_listed_as_aliases(zipped: bool, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    words = torch.randn(6, 4)
    values = {"words": words, "decoder.weight": words, "row": words[1], "view": words.t(), "copy": words.clone()}
    torch.save(values, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    checkpoint = Checkpoint.open(tmp_path)
    assert checkpoint.aliases == {"decoder.weight": "words"}
    for name, expected in values.items():
        out = io.BytesIO()
        checkpoint.copy_bytes(name, out)
        assert torch.equal(checkpoint.read(name), expected)
        assert out.getvalue() == expected.contiguous().numpy().tobytes()


def test_old_and_new_names_together_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    save_file({"LayerNorm.gamma": torch.ones(2), "LayerNorm.weight": torch.ones(2)}, tmp_path / "model.safetensors")
    with pytest.raises(Exception, match=r"LayerNorm\.weight' is in the checkpoint twice"):
        Checkpoint.open(tmp_path)


def test_looking_at_a_bin_file_reads_no_values(tmp_path: Path) -> None:
    """Its tensors are found where they lie, and read from there."""
    write(tmp_path, "bin")
    checkpoint = Checkpoint.open(tmp_path)
    data = (tmp_path / "pytorch_model.bin").read_bytes()
    for name, expected in tensors().items():
        info = checkpoint.tensors[renamed(name)]
        assert info.offset is not None
        stored = expected.reshape(-1).view(torch.uint8).numpy().tobytes()
        assert data[info.offset : info.offset + info.nbytes] == stored


def test_a_bin_file_that_is_cut_while_it_is_read(tmp_path: Path) -> None:
    """An error, where a mapping would have ended the process."""
    (tmp_path / "config.json").write_text("{}")
    torch.save({"words": torch.randn(1000, 100), "view": torch.randn(100, 1000).t()}, tmp_path / "pytorch_model.bin")
    checkpoint = Checkpoint.open(tmp_path)
    os.truncate(tmp_path / "pytorch_model.bin", 4096)
    for name in ("words", "view"):
        for read in (checkpoint.read, lambda name: checkpoint.copy_bytes(name, io.BytesIO())):
            with pytest.raises(OutsideError, match="became shorter") as raised:
                read(name)
            assert raised.value.hint == "copy it again."


@pytest.mark.parametrize("missing", ["position", "byte order"])
def test_a_bin_file_whose_tensors_cannot_be_located(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a torch that does not say where they lie, or values in another byte order: the file is read whole."""
    write(tmp_path, "bin")
    if missing == "position":
        monkeypatch.setattr(torch_files, "_lies_in", lambda *_: False)
    else:
        monkeypatch.setattr(torch_files, "_uncompressed_parts", lambda _: {})
    checkpoint = Checkpoint.open(tmp_path)
    for name, expected in tensors().items():
        assert checkpoint.tensors[renamed(name)].offset is None
        assert torch.equal(checkpoint.read(renamed(name)), expected)


def test_every_dtype_of_torch_has_its_name_and_back() -> None:
    for name in ("F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2"):
        assert dtype_name(torch_dtype(name)) == name


def test_looking_at_safetensors_takes_no_torch(tmp_path: Path) -> None:
    write(tmp_path, "safetensors")
    code = (
        "import sys, pathlib; from lsg_convert.sources.checkpoint import Checkpoint;"
        "from lsg_convert.sources import resolve; from lsg_convert.folder import writer;"
        f"c = Checkpoint.open(pathlib.Path({str(tmp_path)!r})); c.copy_bytes('mask', open('/dev/null', 'wb'));"
        "assert not {'torch', 'transformers', 'huggingface_hub'} & set(sys.modules)"
    )
    run([sys.executable, "-c", code], check=True)
