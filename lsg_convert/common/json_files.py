"""Writing JSON, in the one form that all our files have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def json_text(value: Any, indented: bool = True) -> str:
    """`value` as a file holds it: indented, in UTF-8; half of a surrogate pair is spelled `\\udXXX`, as JSON may."""
    text = json.dumps(value, indent=2 if indented else None, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` into the file `path`; to keep the old file until the new one is whole, see `folder/staging.py`."""
    path.write_text(json_text(value), encoding="utf-8", newline="\n")
