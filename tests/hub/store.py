"""What the loopback Hub knows: users, repositories, commits, files on disk."""

from __future__ import annotations

import hashlib
import itertools
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

LFS_FROM = 64 * 1024  # files of this size, and all weights, go through LFS
LFS_SUFFIXES = (".safetensors", ".bin", ".model")


@dataclass(frozen=True)
class StoredFile:
    """A file of a repository; its bytes lie in the store under their sha256."""

    sha256: str
    blob_id: str
    size: int
    lfs: bool

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.blob_id


@dataclass
class Repository:
    """Commits are complete file tables; `refs` maps branches, tags and pull requests to them."""

    repo_id: str
    private: bool = False
    gated: bool = False
    granted: set[str] = field(default_factory=set)
    commits: dict[str, dict[str, StoredFile]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)

    @property
    def owner(self) -> str:
        return self.repo_id.split("/")[0]

    def resolve(self, revision: str) -> str | None:
        """The commit of a branch, tag, pull request or commit id."""
        return self.refs.get(revision) or (revision if revision in self.commits else None)

    def files(self, revision: str = "main") -> dict[str, StoredFile]:
        commit = self.resolve(revision)
        return self.commits[commit] if commit else {}


class Store:
    """All state, on disk where it may be large."""

    def __init__(self, folder: Path) -> None:
        self.objects = folder / "objects"
        self.objects.mkdir(parents=True, exist_ok=True)
        self.repositories: dict[str, Repository] = {}
        self.tokens: dict[str, tuple[str, str]] = {}  # token → (user, "read" or "write")
        self._serial = itertools.count()

    def put(self, data: bytes, path: str) -> StoredFile:
        """Keep the content of a regular file."""
        digest = hashlib.sha256(data).hexdigest()
        (self.objects / digest).write_bytes(data)
        return StoredFile(digest, git_blob_id(data), len(data), is_lfs(path, len(data)))

    def put_stream(self, source: BinaryIO, size: int) -> str:
        """Keep `size` bytes of `source`; returns their sha256. Raises ConnectionError when they end early."""
        digest, remaining = hashlib.sha256(), size
        part = self.objects / f"incoming-{next(self._serial)}"
        with part.open("wb") as file:
            while remaining:
                chunk = source.read(min(remaining, 1 << 20))
                if not chunk:
                    raise ConnectionError("upload ended early")
                digest.update(chunk)
                file.write(chunk)
                remaining -= len(chunk)
        part.rename(self.objects / digest.hexdigest())
        return digest.hexdigest()

    def join_parts(self, parts: list[str]) -> str:
        """Make one object of several; returns its sha256."""
        digest = hashlib.sha256()
        joined = self.objects / f"incoming-{next(self._serial)}"
        with joined.open("wb") as file:
            for name in parts:
                with (self.objects / name).open("rb") as part:
                    shutil.copyfileobj(part, file, 1 << 20)
        with joined.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
        joined.rename(self.objects / digest.hexdigest())
        return digest.hexdigest()

    def lfs_file(self, oid: str) -> StoredFile:
        path = self.objects / oid
        size = path.stat().st_size
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n"
        return StoredFile(oid, git_blob_id(pointer.encode()), size, True)

    def commit(self, repository: Repository, files: dict[str, StoredFile], ref: str, message: str) -> str:
        """Record `files` as the state of `ref`; returns the commit id."""
        commit = hashlib.sha1(f"{repository.repo_id}{ref}{next(self._serial)}".encode()).hexdigest()
        repository.commits[commit] = dict(files)
        repository.messages[commit] = message
        repository.refs[ref] = commit
        return commit


def git_blob_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def is_lfs(path: str, size: int) -> bool:
    return size > 0 and (size >= LFS_FROM or path.endswith(LFS_SUFFIXES))


def file_info(path: str, file: StoredFile) -> dict[str, Any]:
    """A file as the tree endpoint describes it."""
    info: dict[str, Any] = {"type": "file", "path": path, "oid": file.blob_id, "size": file.size}
    if file.lfs:
        info["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": 134}
    return info
