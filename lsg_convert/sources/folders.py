"""What a folder without a config.json is, so that the user reads more than that a file is missing."""

from __future__ import annotations

import os
from pathlib import Path

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import printable

_SHOWN = 4


def refuse_other_folder(folder: Path) -> None:
    """Raise RequestError for a folder without a config.json that holds something else, or models below it."""
    names = _names(folder)
    if "config.json" in names:
        return
    shown = "the current folder" if folder == Path() else f"'{printable(folder, 300)}'"
    if "adapter_config.json" in names:
        raise RequestError(
            f"{shown} holds an adapter (adapter_config.json), not a whole model.",
            "merge it into its base model first (merge_and_unload), and save that.",
        )
    if any(name.endswith(".gguf") for name in names):
        raise RequestError(
            f"{shown} holds a GGUF model, which is for llama.cpp.", "give the checkpoint it was made of."
        )
    below = [name for name in names if os.access(folder / name, os.X_OK) and (folder / name / "config.json").is_file()]
    if below:
        models = ", ".join(f"{printable(folder / name, 300)}" for name in below[:_SHOWN])
        raise RequestError(f"the file 'config.json' is missing in {shown}.", f"models in folders below it: {models}.")


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 (names are wanted)
    except OSError:  # what reads the folder says so
        return ["config.json"]
