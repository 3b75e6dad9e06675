"""Whether a converted folder is complete and unchanged since it was written: its record knows every file's hash."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lsg_convert.common.errors import OutsideError
from lsg_convert.common.files import printable, safe_file
from lsg_convert.common.progress import Reporter, SilentReporter
from lsg_convert.folder.record import REWRITTEN_BY_VERIFY, Record, file_sha256
from lsg_convert.folder.saved_record import read_converted


@dataclass(frozen=True)
class FolderState:
    """What differs between a folder and its record; `files` are the sizes of those that belong to it."""

    record: Record
    files: dict[str, int]
    missing: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()


def check_folder(folder: Path, *, hashes: bool = True, reporter: Reporter | None = None) -> FolderState:
    """Compare `folder` with its record, by size and, unless `hashes` is False, by content.

    Raises RequestError when the record itself cannot be used.
    """
    record = read_converted(folder)
    recorded = record.files
    present = _files(folder)
    missing, changed = [], []
    total = record.size
    with (reporter or SilentReporter()).stage("Checking files", total) as advance:
        for name, entry in recorded.items():
            if name not in present:
                missing.append(name)
            elif present[name] != entry.size or (hashes and _hash(folder, name) != entry.sha256):
                changed.append(name)
            advance(entry.size)
    belongs = {*recorded, *REWRITTEN_BY_VERIFY}
    files = {name: size for name, size in present.items() if name in belongs}
    extra = sorted(printable(name, 300) for name in present.keys() - belongs)
    return FolderState(record, files, tuple(sorted(missing)), tuple(sorted(changed)), tuple(extra))


def _files(folder: Path) -> dict[str, int]:
    """Sizes of the files of `folder`; hidden ones and compiled code are nobody's business."""
    try:
        paths = [path for path in folder.rglob("*") if path.is_file()]
        sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths}
    except OSError as error:
        raise OutsideError(f"cannot read {printable(folder, 300)}: {printable(error.strerror or error)}.") from error
    return {
        name: size
        for name, size in sorted(sizes.items())
        if not any(part.startswith(".") or part == "__pycache__" for part in name.split("/"))
    }


def _hash(folder: Path, name: str) -> str:
    path = safe_file(folder, name)  # the record comes with the folder: its names are checked as any other's
    try:
        return file_sha256(path)
    except OSError as error:
        raise OutsideError(f"cannot read {printable(path, 300)}: {printable(error.strerror or error)}.") from error
