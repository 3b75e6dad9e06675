"""What is in the folder of every family: text, JSON, safetensors, pictures, sentencepiece models, and our code."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lsg_convert import convert
from lsg_convert.families import FAMILIES
from lsg_convert.folder.remote_code import modeling_files, parts_of
from lsg_convert.sources.safetensors_header import read_header
from tests.tiny import make_pair


def is_text(path: Path) -> bool:
    text = path.read_bytes().decode("utf-8")
    return "\0" not in text


def is_picture(path: Path) -> bool:
    return path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def is_json(path: Path) -> bool:
    return isinstance(json.loads(path.read_text(encoding="utf-8")), dict | list)


KINDS: dict[str, Callable[[Path], bool]] = {
    ".json": is_json,
    ".txt": is_text,
    ".md": is_text,
    ".png": is_picture,
    ".safetensors": lambda path: bool(read_header(path)),
    ".model": lambda path: path.read_bytes()[:1] == b"\n",
    ".py": lambda path: bool(ast.parse(path.read_bytes())),
}


def check(folder: Path, family_code: dict[str, bytes]) -> None:
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if not path.is_dir()}
    for name, path in found.items():
        assert path.is_file() and not path.is_symlink() and not path.stat().st_mode & 0o111, name
        assert KINDS[path.suffix](path), name
    code = {name: path.read_bytes() for name, path in found.items() if name.endswith(".py")}
    assert code == family_code


@pytest.mark.parametrize("model_type", FAMILIES)
def test_of_every_family(model_type: str, checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    result = convert(checkpoint(model_type), output=tmp_path / "out", max_len=256, verify=False)
    check(result.output, modeling_files(result.plan.family, parts_of(result.plan.lsg)))
    assert result.left_behind == {}


def test_of_a_pair(tmp_path: Path) -> None:
    source = make_pair("bert", "bert", tmp_path / "pair")
    result = convert(source, output=tmp_path / "out", max_len=256, verify=False)
    check(result.output, modeling_files(result.plan.family, parts_of(result.plan.lsg)))
