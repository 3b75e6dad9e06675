"""The one gate to the code of a converted folder: what may run, and how it is run.

A folder's modeling files are read once. They run when they are, byte for byte, the ones that ship with lsg-convert, or
when the user trusts them; and what runs is compiled from the very bytes that were compared. Python's import system is
never asked for a file: no compiled neighbour, cached bytecode or package of the same name can take a module's place,
and what becomes of the files afterwards does not matter.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import printable, read_limited, safe_file
from lsg_convert.families import Family
from lsg_convert.folder.remote_code import modeling_files, ships

_PACKAGE = "lsg_convert_folder_"
_FILE_LIMIT = 4 * 2**20
_MOST_FILES = 200


@dataclass(frozen=True)
class FolderCode:
    """A folder's code as it was read, once: its files by name, and those that differ from ours or are missing."""

    files: Mapping[str, bytes]
    foreign: tuple[str, ...]

    @classmethod
    def read(cls, folder: Path, family: Family) -> FolderCode:
        """Read the code files at the top of `folder`; raises RequestError for one that is no plain file of our size."""
        names = sorted(path.name for path in folder.glob("*.py"))
        if len(names) > _MOST_FILES:
            raise RequestError(f"{printable(folder, 300)} has {len(names)} code files; {_MOST_FILES} are read at most.")
        files = {name: read_limited(safe_file(folder, name), _FILE_LIMIT) for name in names}
        foreign = (name for name in modeling_files(family) if not ships(family, name, files.get(name, b"")))
        return cls(files, tuple(foreign))

    def why_not(self, trusted: bool) -> str | None:
        """Why the code is not run, None where it may be; `trusted` is the user's word for it."""
        if trusted or not self.foreign:
            return None
        return f"{self.foreign[0]} is not the file that ships with lsg-convert; --trust-remote-code runs it"

    def load(self, family: Family, trusted: bool = False) -> ModuleType:
        """The family's modeling module, run from the bytes that were read.

        Raises:
            RequestError: it is not what ships, and is not trusted.
        """
        reason = self.why_not(trusted)
        if reason is not None:
            raise RequestError(f"the folder's {reason}.", "convert the source again, or trust the folder's own code.")
        # Where nothing is foreign, files that are not ours are not even there.
        ours = self.files if self.foreign else {name: self.files[name] for name in modeling_files(family)}
        return load_modules(ours, family.modeling_file)


def load_modules(files: Mapping[str, bytes], module: str) -> ModuleType:
    """Run `module` of a private package whose modules are `files` (name.py → source), and nothing else.

    Equal files are one package: what was run once in this process is not run again.

    Raises:
        RequestError: there is no such module among them.
        Exception: whatever the code raises.
    """
    if f"{module}.py" not in files:
        raise RequestError(f"the folder has no {printable(module)}.py.", "convert the source again.")
    digest = hashlib.sha256()
    for name, code in sorted(files.items()):
        digest.update(f"{name}\0{len(code)}\0".encode() + code)
    package = _PACKAGE + digest.hexdigest()[:32]
    if not any(isinstance(finder, _GivenFiles) for finder in sys.meta_path):
        sys.meta_path.insert(0, _GivenFiles())
    if package not in sys.modules:
        parent = ModuleType(package)
        parent.__path__ = []
        parent.__dict__["__lsg_files__"] = dict(files)
        sys.modules[package] = parent
    return importlib.import_module(f"{package}.{module}")


class _GivenFiles(MetaPathFinder):
    """Answers for our private packages, before any other finder, and says no for what was not given."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, name = fullname.partition(".")
        if not package.startswith(_PACKAGE):
            return None
        files = getattr(sys.modules.get(package), "__lsg_files__", {})
        if f"{name}.py" not in files:
            raise ModuleNotFoundError(f"no module {name!r} among the folder's own files", name=fullname)
        return ModuleSpec(fullname, _GivenSource(files[f"{name}.py"]), origin=f"{package}/{name}.py")


class _GivenSource(InspectLoader):
    """Compiles a module from the bytes at hand; they stay readable for whoever shows or inspects its source."""

    def __init__(self, code: bytes) -> None:
        self._code = code

    def get_source(self, fullname: str) -> str:
        return self._code.decode("utf-8")

    def is_package(self, fullname: str) -> bool:
        return False

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        exec(compile(self._code, module.__spec__.origin or "", "exec", dont_inherit=True), module.__dict__)
