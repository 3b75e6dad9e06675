"""`lsg_conversion.json`: where a converted folder comes from, what was done, and the hashes of what was written."""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lsg_convert.common.json_files import write_json
from lsg_convert.plan.options import ConvertOptions
from lsg_convert.plan.plan import Plan
from lsg_convert.sources.resolve import Source

RECORD_NAME = "lsg_conversion.json"
FORMAT = 1
# What a later `verify` writes into a finished folder.
REWRITTEN_BY_VERIFY = ("README.md", "verification.png", RECORD_NAME)


def make_record(
    source: Source, plan: Plan, options: ConvertOptions, folder: Path, hashes: dict[str, str]
) -> dict[str, Any]:
    """The record of a conversion; `hashes` are SHA-256 of files that were hashed while being written.

    Of a folder on this machine only the way there from this one is recorded, since a record is published; of a Hub
    source the commit; never a token.
    """
    from lsg_convert.common.version import __version__

    asked = asdict(options)
    for name in ("output", "force"):  # of this machine, not of the model
        asked.pop(name)
    return {
        "format": FORMAT,
        "tool": "lsg-convert",
        "version": __version__,
        "source": {
            "name": source.name,
            "repo_id": source.repo_id,
            "folder": None if source.repo_id else os.path.relpath(source.folder.resolve(), folder.resolve()),
            "revision": source.revision,
            "commit": source.commit,
        },
        "options": asked,
        "family": plan.family.model_type,
        "architecture": plan.family.lsg_class(plan.architecture),
        "auto_class": plan.family.heads[plan.architecture].auto_class,
        "source_max_len": plan.source_max_len,
        "max_len": plan.max_len,
        "positions": plan.positions,
        "is_lsg_source": plan.is_lsg_source,
        "global_init": plan.global_init,
        "lsg": asdict(plan.lsg),
        "changes": plan.changes(),
        "notes": list(plan.notes),
        "files": hash_files(folder, hashes),
        "verification": None,
    }


def hash_files(folder: Path, known: dict[str, str] | None = None) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of every file of `folder` but those that a later verification rewrites."""
    known = known or {}
    files = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in REWRITTEN_BY_VERIFY:
            files[name] = {"size": path.stat().st_size, "sha256": known.get(name) or file_sha256(path)}
    return files


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _digest(file)


def _digest(file: Any) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(2**20):
        digest.update(chunk)
    return digest.hexdigest()


def read_record(folder: Path) -> dict[str, Any] | None:
    """The record of a converted folder, None where there is none."""
    from lsg_convert.common.files import read_json_object

    path = folder / RECORD_NAME
    return read_json_object(path) if path.is_file() else None


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """Write the record into `folder`."""
    write_json(folder / RECORD_NAME, record)
