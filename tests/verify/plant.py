"""Faults for good folders. The record is brought up to date, so that only a look at the contents finds them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from lsg_convert.folder.record import hash_files, read_record, write_record

Tensors = dict[str, torch.Tensor]


def edit_tensors(folder: Path, edit: Callable[[Tensors], Any]) -> None:
    """Change the weights."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    edit(tensors)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata={"format": "pt"})
    cover_up(folder)


def edit_json(path: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    """Change a JSON file."""
    content = json.loads(path.read_text(encoding="utf-8"))
    edit(content)
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    cover_up(path.parent)


def append_code(folder: Path, beside: str, code: str) -> str:
    """Append code to the modeling file that says `beside`; returns the file's name."""
    path = next(path for path in sorted(folder.glob("modeling_lsg_*.py")) if beside in path.read_text(encoding="utf-8"))
    path.write_text(path.read_text(encoding="utf-8") + "\n\n" + code, encoding="utf-8")
    cover_up(folder)
    return path.name


def cover_up(folder: Path) -> None:
    """Make the record agree with the folder."""
    write_record(folder, replace(read_record(folder), files=hash_files(folder)))
