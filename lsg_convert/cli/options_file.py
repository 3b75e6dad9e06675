"""`--config FILE` and `--like FOLDER`: options that were written down, as defaults of those that are typed."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any

import typer

from lsg_convert.cli import parameters as p
from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import printable, read_limited, user_path

_LIMIT = 2**20
_MODELS = ("models", "model")
# What a folder records of its own source, and what is no business of a file that is passed on.
_OF_THE_SOURCE = ("architecture", "keep_first_global_token")
_NEVER_IN_A_FILE = {
    "token": "set HF_TOKEN, or log in with `hf auth login`",
    "config": "name one file",
    "like": "type it",
}


def from_file(context: typer.Context, path: Path | None) -> Path | None:
    """Take the options in a YAML or JSON file for those that are not typed."""
    if path is not None:
        context.default_map = {**(context.default_map or {}), **_read_file(path, _names(context))}
    return path


def from_folder(context: typer.Context, folder: Path | None) -> Path | None:
    """Take the options that a converted folder was made with for those that are neither typed nor in a file."""
    if folder is not None:
        context.default_map = {**_read_record(folder, _names(context)), **(context.default_map or {})}
    return folder


Config = Annotated[
    p.File,
    p.option(
        "Options from a YAML or JSON file (max-len: 8192), and models; what is typed comes first.",
        "--config",
        panel=p.RUN_PANEL,
        metavar="FILE",
        is_eager=True,
        callback=from_file,
    ),
]
Like = Annotated[
    p.File,
    p.option(
        "The options that this converted folder was made with; what is typed, or in --config, comes first.",
        "--like",
        panel=p.RUN_PANEL,
        metavar="FOLDER",
        is_eager=True,
        callback=from_folder,
    ),
]


def _names(context: typer.Context) -> list[str]:
    return [str(parameter.name) for parameter in context.command.params]


def _read_file(path: Path, names: list[str]) -> dict[str, Any]:
    import yaml

    shown = printable(path, 300)
    try:
        values = yaml.safe_load(read_limited(user_path(path), _LIMIT))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        at = f" (line {where.line + 1})" if where is not None else ""
        raise RequestError(f"--config {shown} is not valid YAML{at}.", "Write one `option: value` a line.") from error
    if not isinstance(values, dict):
        raise RequestError(f"--config {shown} holds no options.", "Write one `option: value` a line.")
    options: dict[str, Any] = {}
    for key, value in values.items():
        name = _parameter(str(key), names, shown)
        if value is not None:
            options[name] = _value(str(key), value, name == "models", shown)
    return options


def _parameter(key: str, names: list[str], shown: str) -> str:
    """The parameter that a key of the file names."""
    name = key.removeprefix("--").replace("-", "_")
    if name in _NEVER_IN_A_FILE:
        raise RequestError(f"--config {shown}: '{printable(key)}' cannot be in it.", f"{_NEVER_IN_A_FILE[name]}.")
    if name in _MODELS:
        return next(model for model in _MODELS if model in names)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        meant = f"Did you mean {near[0].replace('_', '-')}?" if near else "Options are named as on the command line."
        raise RequestError(f"--config {shown}: there is no option '{printable(key)}'.", meant)
    return name


def _value(key: str, value: Any, several: bool, shown: str) -> Any:
    if several:
        value = value if isinstance(value, list) else [value]
    items = value if several else [value]
    if not all(isinstance(item, str | int | float) for item in items):
        kind = "a name or a list of names" if several else "one value"
        raise RequestError(f"--config {shown}: '{printable(key)}' is not {kind}.")
    return [str(item) for item in items] if several else value


def _read_record(folder: Path, names: list[str]) -> dict[str, Any]:
    from dataclasses import asdict

    from lsg_convert.cli.options import asked_for
    from lsg_convert.folder.discovery import find_converted_folder
    from lsg_convert.folder.record import read_record

    asked = asked_for(asdict(read_record(find_converted_folder(folder)).options))
    return {name: value for name, value in asked.items() if name in names and name not in _OF_THE_SOURCE}
