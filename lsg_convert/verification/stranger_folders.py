"""What a stranger is given: copies of the folder and of its source, which hold no code but what was compared.

The library runs what a folder names: code files, kernels, adapters. So the copies hold what a conversion would write of
the folder and read of its source, and nothing else.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lsg_convert.common.files import read_json_object, safe_file
from lsg_convert.families import Family, library_model_type
from lsg_convert.folder.auxiliary_files import copy_auxiliary_files, copy_tokenizer
from lsg_convert.folder.model_loading import fill_view
from lsg_convert.folder.remote_code import modeling_files
from lsg_convert.plan.foreign_keys import without_foreign_keys
from lsg_convert.sources.checkpoint import CONFIG_LIMIT
from lsg_convert.verification.subject import Subject

_COMMIT = "0123456789abcdef" * 2 + "01234567"


def copy_converted(subject: Subject, folder: Path) -> None:
    """The converted folder once more, with links to its weights; its code as it was read when it was compared."""
    folder.mkdir()
    written = read_json_object(safe_file(subject.folder, "config.json"), CONFIG_LIMIT)
    config = {**without_foreign_keys(written), "auto_map": subject.family.auto_map()}
    copy_auxiliary_files(subject.folder, folder, subject.max_len)
    fill_view(subject.folder, config, folder)
    for name in modeling_files(subject.family):
        if name in subject.code.files:
            (folder / name).write_bytes(subject.code.files[name])


def copy_source(source: Path, family: Family, folder: Path) -> None:
    """The source once more, as a model of the library's: configuration, tokenizer, and links to the weights."""
    folder.mkdir()
    copy_tokenizer(source, folder)
    config = without_foreign_keys(read_json_object(safe_file(source, "config.json"), CONFIG_LIMIT))
    fill_view(source, {**config, "model_type": library_model_type(config, family)}, folder)


def hub_snapshot(folder: Path, hub: Path) -> Path | None:
    """The same folder as a Hub cache holds it: links into `blobs/`; None where there are no links."""
    repo = hub / "models--stranger--model"
    snapshot = repo / "snapshots" / _COMMIT
    (repo / "blobs").mkdir(parents=True)
    for number, path in enumerate(path for path in sorted(folder.rglob("*")) if path.is_file()):
        blob, link = repo / "blobs" / f"{number:040x}", snapshot / path.relative_to(folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        try:
            if path.is_symlink():
                blob.symlink_to(path.resolve())
            else:
                shutil.copyfile(path, blob)
            link.symlink_to(os.path.relpath(blob, link.parent))
        except OSError:
            return None
    return snapshot
