"""`lsg_conversion.json`: where a converted folder comes from, what was done, and the hashes of what was written."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, BinaryIO

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import is_plain_relative, printable, read_json_object, safe_file
from lsg_convert.common.from_json import from_json
from lsg_convert.common.json_files import json_text, write_json
from lsg_convert.common.json_values import is_text
from lsg_convert.common.version import __version__
from lsg_convert.families import Family, family_named
from lsg_convert.folder.report import VerificationReport
from lsg_convert.modeling.lsg_options import LSGOptions
from lsg_convert.plan.options import MAX_MAX_LEN, ConvertOptions
from lsg_convert.plan.plan import Plan
from lsg_convert.sources.resolve import Source

RECORD_NAME = "lsg_conversion.json"
ONNX_FOLDER = "onnx"  # what an export adds to a finished folder
RECORD_LIMIT = 8 * 2**20
FORMAT = 1
_SHA256 = re.compile(r"[0-9a-f]{64}")
# What a later `verify` writes into a finished folder.
REWRITTEN_BY_VERIFY = ("README.md", "verification.png", RECORD_NAME)
_OF_THIS_MACHINE = ("output", "force")  # options that say nothing of the model


@dataclass(frozen=True)
class RecordedSource:
    """Where the source is: on the Hub, or the way there from the folder. `commit` is that of a Hub source."""

    name: str
    repo_id: str | None = None
    folder: str | None = None
    revision: str | None = None
    commit: str | None = None


@dataclass(frozen=True)
class SavedAgain:
    """What became of a converted model: the library saved it again, `by` which release, and perhaps trained.

    `trained` says whether its weights differ from those of the source, `compared_with` which one that was; None where
    nothing was compared.
    """

    by: str
    trained: bool | None = None
    compared_with: str | None = None

    @property
    def sentence(self) -> str:
        """What is known of its weights, in a clause."""
        if self.trained is None or self.compared_with is None:
            return "trained since, perhaps: its weights were not compared with their source"
        since = "trained since" if self.trained else "saved since, not trained"
        return (
            f"{since}: compared with {self.compared_with}, its weights {'differ' if self.trained else 'are the same'}"
        )


@dataclass(frozen=True)
class RecordedFile:
    """Size in bytes and SHA-256 of a file as it was written."""

    size: int
    sha256: str


@dataclass(frozen=True)
class RecordedChange:
    """A tensor that is not the source's, byte for byte; without shape and dtype, one that was left out."""

    tensor: str
    action: str
    shape: tuple[int, ...] | None = None
    dtype: str | None = None


@dataclass(frozen=True)
class Record:
    """The record of a conversion. `options` are what was asked for, `lsg` what the folder was written with; `date` is
    the day of the conversion, `verified` that of the verification.

    Raises:
        RequestError: it is not a record that this version understands.
    """

    version: str
    source: RecordedSource
    options: ConvertOptions
    family: str
    architecture: str
    auto_class: str
    source_max_len: int
    max_len: int
    positions: str
    is_lsg_source: bool
    global_init: str
    lsg: LSGOptions
    changes: tuple[RecordedChange, ...]
    notes: tuple[str, ...]
    files: dict[str, RecordedFile]
    verification: VerificationReport | None = None
    saved: SavedAgain | None = None
    date: str | None = None
    verified: str | None = None
    format: int = FORMAT
    tool: str = "lsg-convert"

    def __post_init__(self) -> None:
        """Check what the kinds of the fields do not say."""
        family = family_named(self.family)
        if family is None or self.library_class not in family.heads:
            raise RequestError(
                f"{RECORD_NAME} names {printable(self.architecture)!r} of the family {printable(self.family)!r}, which "
                f"lsg-convert {__version__} does not know.",
                "Convert the source again, or update lsg-convert.",
            )
        for name in ("source_max_len", "max_len"):
            if not 1 <= getattr(self, name) <= MAX_MAX_LEN:
                raise RequestError(f"{RECORD_NAME}: {name} is {getattr(self, name)}; allowed is 1 to {MAX_MAX_LEN}.")
        for name, file in self.files.items():
            if not is_plain_relative(name):
                raise RequestError(f"{RECORD_NAME} names the file '{printable(name)}', which leads out of the folder.")
            if file.size < 0 or not _SHA256.fullmatch(file.sha256):
                raise RequestError(f"{RECORD_NAME} has no size and SHA-256 of the file '{printable(name)}'.")
        if self.auto_class not in {head.auto_class for head in family.heads.values()}:
            raise RequestError(f"{RECORD_NAME}: auto_class is {printable(self.auto_class)!r}, none of {family.title}.")
        try:
            self.lsg.validate()
        except ValueError as error:
            raise RequestError(f"{RECORD_NAME}: lsg: {error}") from error

    @property
    def library_class(self) -> str:
        """The library's class, whose LSG version the folder is for."""
        return self.architecture.removeprefix("LSG")

    @property
    def converted_family(self) -> Family:
        """The family of the source."""
        family = family_named(self.family)
        assert family is not None
        return family

    @property
    def size(self) -> int:
        """Bytes of all files that the record names."""
        return sum(file.size for file in self.files.values())

    def as_dict(self) -> dict[str, Any]:
        """The record as plain data, without the options that speak of this machine and not of the model."""
        plain = asdict(self)
        for name in _OF_THIS_MACHINE:
            plain["options"].pop(name)
        if self.saved is None:
            plain.pop("saved")
        plain["changes"] = [
            {key: value for key, value in each.items() if value is not None} for each in plain["changes"]
        ]
        first = ("format", "tool", "version")
        return {**{name: plain.pop(name) for name in first}, **plain}


def make_record(source: Source, plan: Plan, options: ConvertOptions, folder: Path, hashes: dict[str, str]) -> Record:
    """The record of a conversion; `hashes` are SHA-256 of files that were hashed while being written.

    Of a folder on this machine only the way there from this one is recorded, since a record is published; of a Hub
    source the commit; never a token.
    """
    way = None if source.repo_id else os.path.relpath(source.folder.resolve(), folder.resolve())
    if way is not None and not is_text(way):  # a name of another encoding has no spelling in JSON
        way = None
    return Record(
        version=__version__,
        source=RecordedSource(printable(source.name, 300), source.repo_id, way, source.revision, source.commit),
        options=options,
        family=plan.family.model_type,
        architecture=plan.family.lsg_class(plan.architecture),
        auto_class=plan.family.heads[plan.architecture].auto_class,
        source_max_len=plan.source_max_len,
        max_len=plan.max_len,
        positions=plan.positions,
        is_lsg_source=plan.is_lsg_source,
        global_init=plan.global_init,
        lsg=plan.lsg,
        changes=tuple(from_json(RecordedChange, change, "change") for change in plan.changes()),
        notes=tuple(plan.notes),
        files=hash_files(folder, hashes),
        date=today(),
    )


def today() -> str:
    """The day, in UTC: that of `SOURCE_DATE_EPOCH` where it is set, so that a folder can be made again as it was."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = int(given) if given.isascii() and given.isdigit() and len(given) < 12 else time.time()
    return datetime.fromtimestamp(moment, timezone.utc).date().isoformat()


def hash_files(folder: Path, known: Mapping[str, str] | None = None) -> dict[str, RecordedFile]:
    """Size and SHA-256 of every file of `folder` but those that a later verification rewrites."""
    known = known or {}
    files = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in REWRITTEN_BY_VERIFY:
            files[name] = RecordedFile(path.stat().st_size, known.get(name) or file_sha256(path))
    return files


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _digest(file)


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(2**20):
        digest.update(chunk)
    return digest.hexdigest()


def read_record(folder: Path) -> Record:
    """The record of a converted folder.

    Raises:
        RequestError: there is none, or it is not one that this version understands.
    """
    return parse_record(read_json_object(safe_file(folder, RECORD_NAME), RECORD_LIMIT, unique_keys=True))


def parse_record(value: Mapping[str, Any]) -> Record:
    """The record in a parsed `lsg_conversion.json`.

    Raises:
        RequestError: it is not one that this version understands.
    """
    options = value.get("options")
    if isinstance(options, Mapping):
        value = {**value, "options": {key: asked for key, asked in options.items() if key not in _OF_THIS_MACHINE}}
    return from_json(Record, value, RECORD_NAME)


def write_record(folder: Path, record: Record) -> None:
    """Write the record into `folder`."""
    write_json(folder / RECORD_NAME, record.as_dict())


def record_text(record: Record) -> str:
    """The record as it is written."""
    return json_text(record.as_dict())
