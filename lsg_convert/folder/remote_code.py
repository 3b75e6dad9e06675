"""The modeling files that ship in a folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from lsg_convert.families import Family

MODELING = Path(__file__).parents[1] / "modeling"


def modeling_files(family: Family) -> dict[str, bytes]:
    """What ships, by name: the family's modeling file and what it imports.

    The modeling file of a pair ends with lines of its own, which say whose encoder it has.
    """
    if family.inner is not None:
        files = modeling_files(replace(family, inner=None)) | modeling_files(family.inner)
        main = f"{family.modeling_file}.py"
        return files | {main: files[main] + _encoder_lines(family.inner, files.keys() - {main}).encode()}
    found: dict[str, bytes] = {}
    pending = [f"{family.modeling_file}.py"]
    while pending:
        name = pending.pop()
        if name not in found:
            found[name] = (MODELING / name).read_bytes()
            pending += _relative_imports(found[name].decode())
    return dict(sorted(found.items()))


def _relative_imports(code: str) -> list[str]:
    lines = (line.split() for line in code.splitlines())
    return [f"{words[1][1:]}.py" for words in lines if len(words) > 3 and words[0] == "from" and words[1][0] == "."]


def _encoder_lines(encoder: Family, files: Iterable[str]) -> str:
    """Whose encoder a pair has; and all that this rests on, since releases before 5.1 copy only what is named."""
    imports = [f"from .{name.removesuffix('.py')} import __name__ as _  # noqa: E402, F401" for name in sorted(files)]
    base = encoder.lsg_class(encoder.base_class)
    imports.append(f"from .{encoder.modeling_file} import {base}  # noqa: E402")
    return "\n".join(["", "", *imports, "", f"LSGEncoderDecoderModel.lsg_encoder = {base}", ""])
