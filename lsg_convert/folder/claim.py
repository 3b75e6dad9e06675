"""A name beside the final one, under which something is built; and clearing away what killed runs left there.

Beside `out` lie, while a run works: `.out.partial-<token>`, and its lock `.out.partial-<token>.lock`, which the system
frees when the process ends, however it ends. `.out.replaced-<token>` is a folder that is being replaced, on systems
that cannot exchange two names in one step. Whoever works here next takes the free locks and removes what is theirs.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lsg_convert.common.interruption import RUN
from lsg_convert.common.locks import this_system, try_lock

PARTIAL, REPLACED, _LOCK = ".partial-", ".replaced-", ".lock"
_LONGEST_STEM = 150  # bytes: names may have 255
# Where no lock tells whether a run still works: nobody's, once nothing changed for so long (seconds).
_UNTOUCHED = 24 * 3600
_LOCK_ATTEMPTS = 500


@contextmanager
def claimed(place: Path) -> Iterator[Path]:
    """Yield a free path beside `place`, ours alone; what is there when the block ends is removed."""
    clear_abandoned(place)
    claim = _Claim(place)
    with RUN.undone_by(claim.give_up):
        try:
            claim.take()
            yield claim.path
        finally:
            claim.give_up()


class _Claim:
    """A path beside `place`, its lock, and the folders that were made for them."""

    def __init__(self, place: Path) -> None:
        self.path = place.with_name(f"{_prefix(place)}{PARTIAL}{os.urandom(4).hex()}")
        self._place = place
        self._lock = _lock_of(self.path)
        self._descriptor: int | None = None
        self._made = _missing_parents(place)

    def take(self) -> None:
        """Make and lock the lock; who holds it is written into it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self._lock, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        for _ in range(_LOCK_ATTEMPTS):  # another run may be looking whose it is
            if try_lock(self._descriptor) is not False:
                break
            time.sleep(0.01)
        os.write(self._descriptor, this_system().encode())

    def give_up(self) -> None:
        """Remove everything but `place`; raises OSError when something stays."""
        descriptor, self._descriptor = self._descriptor, None
        try:
            _remove(self.path)
        finally:
            if descriptor is not None and os.name == "nt":  # open files cannot be removed there
                os.close(descriptor)
            # while it is locked: nobody may take over a file that is about to vanish
            self._lock.unlink(missing_ok=True)
            if descriptor is not None and os.name != "nt":
                os.close(descriptor)
        if not os.path.lexists(self._place):
            with suppress(OSError):  # others use it by now, or it was never made
                for parent in self._made:
                    parent.rmdir()


def retired_name(temporary: Path) -> Path:
    """Where the folder that `temporary` replaces is kept meanwhile."""
    head, _, token = temporary.name.rpartition(PARTIAL)
    return temporary.with_name(f"{head}{REPLACED}{token}")


def clear_abandoned(place: Path) -> None:
    """Remove what killed runs left beside `place`; bring back a folder that one of them was replacing."""
    for token in _tokens(place):
        temporary = place.with_name(f"{_prefix(place)}{PARTIAL}{token}")
        lock, retired = _lock_of(temporary), retired_name(temporary)
        with _taken_over(lock, (temporary, retired)) as is_abandoned:
            if not is_abandoned:
                continue
            if os.path.lexists(retired):
                if not os.path.lexists(place):
                    retired.rename(place)
                else:
                    _remove(retired)
            _remove(temporary)
            lock.unlink(missing_ok=True)


def _tokens(place: Path) -> list[str]:
    try:
        names = [path.name for path in place.parent.iterdir()]
    except OSError:  # not there yet, or not to be read: nothing of ours is in it
        return []
    prefix = _prefix(place)
    found = {
        name.removeprefix(prefix + marker).removesuffix(_LOCK)
        for name in names
        for marker in (PARTIAL, REPLACED)
        if name.startswith(prefix + marker)
    }
    return sorted(token for token in found if token.isalnum())


def _prefix(place: Path) -> str:
    """How all names begin that belong to `place`: a name that is too long to be added to stands there as its hash."""
    stem = place.name
    if len(os.fsencode(stem)) > _LONGEST_STEM:
        stem = hashlib.sha256(os.fsencode(stem)).hexdigest()[:32]
    return f".{stem}"


def _lock_of(temporary: Path) -> Path:
    return temporary.with_name(temporary.name + _LOCK)


@contextmanager
def _taken_over(lock: Path, paths: tuple[Path, ...]) -> Iterator[bool]:
    """Yield whether the run that `lock` belongs to is gone; its lock is ours meanwhile."""
    try:
        descriptor = os.open(lock, os.O_RDWR)
    except OSError:  # no lock: of another version of ours, or made this moment
        yield _untouched((lock, *paths))
        return
    try:
        free = try_lock(descriptor)
        owner = os.read(descriptor, 200).decode("utf-8", "replace") if free else ""
        yield free is not False and ((free is True and owner == this_system()) or _untouched((lock, *paths)))
    finally:
        os.close(descriptor)


def _untouched(paths: tuple[Path, ...]) -> bool:
    """Whether nothing in `paths` changed for a day."""
    newest = 0.0
    for path in paths:
        for folder, _, names in os.walk(path):
            newest = max([newest, *(_modified(Path(folder, name)) for name in (".", *names))])
        newest = max(newest, _modified(path))
    return time.time() - newest > _UNTOUCHED


def _modified(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0


def _missing_parents(place: Path) -> list[Path]:
    """The folders above `place` that are not there yet, the innermost first."""
    missing = []
    for parent in place.parents:
        if parent.exists():
            break
        missing.append(parent)
    return missing


def _remove(path: Path) -> None:
    """Remove a file or a folder; raises OSError when it stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        if path.exists():  # a thread that still writes there, or no descriptor is left for rmtree: once more
            _remove_by_names(path)
    else:
        path.unlink(missing_ok=True)


def _remove_by_names(folder: Path) -> None:
    """Remove a folder of ours, one descriptor at a time; `rmtree` takes several. Raises OSError if it stays."""
    for place, folders, files in os.walk(folder, topdown=False):
        with suppress(OSError):
            for name in files:
                Path(place, name).unlink(missing_ok=True)
            for name in folders:
                Path(place, name).rmdir()
    folder.rmdir()
