"""Options stand once: as fields of `ConvertOptions`. Types, keywords and the command line are held to them."""

from __future__ import annotations

import os
import sys
from dataclasses import fields
from pathlib import Path
from subprocess import run
from typing import Any, get_args, get_type_hints

import pytest
import typer.main

from lsg_convert.cli.app import build_app
from lsg_convert.plan.options import ConvertKeywords, ConvertOptions
from lsg_convert.plan.positions import STRATEGIES, Positions
from lsg_convert.plan.rotary import ROPE_CHOICES

ROOT = Path(__file__).resolve().parents[2]
SOUND = 'from lsg_convert import convert\nconvert("x", block_size=3, output="y", dtype="float16", dry_run=True)\n'


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        ('convert("x", block_sze=3)', 'Unexpected keyword argument "block_sze"'),
        ('convert("x", block_size="3")', 'Argument "block_size" to "convert" has incompatible type "str"'),
        ('convert("x", dtype="fp17")', 'Argument "dtype" to "convert" has incompatible type'),
    ],
)
def test_mypy_refuses_a_call_with_a_wrong_option(call: str, complaint: str, tmp_path: Path) -> None:
    done = _mypy(tmp_path, SOUND + call + "\n")
    assert done.count("error:") == 1, done
    assert complaint in done


def _mypy(folder: Path, code: str) -> str:
    (folder / "mypy.ini").write_text(
        "[mypy]\n[mypy-torch.*,transformers.*,numpy.*,huggingface_hub.*]\nfollow_imports = skip\n"
    )
    (folder / "snippet.py").write_text(code)
    cache = ROOT / ".mypy_cache" / "snippets"
    command = [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "--cache-dir", str(cache), "snippet.py"]
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    done = run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def test_keywords_are_the_fields() -> None:
    of_fields = get_type_hints(ConvertOptions)
    assert {**get_type_hints(ConvertKeywords), "output": Path | None} == of_fields
    assert get_args(get_type_hints(ConvertKeywords)["output"]) == (str, Path, type(None))


def test_positions_are_the_strategies() -> None:
    assert get_args(Positions) == (*STRATEGIES, *ROPE_CHOICES)


@pytest.mark.parametrize(("command", "omitted"), [("convert", set()), ("inspect", {"output", "force"})])
def test_commands_take_the_fields_with_their_defaults(command: str, omitted: set[str]) -> None:
    parameters = {each.name: each for each in _command(command).params}
    for field in fields(ConvertOptions):
        if field.name in omitted:
            assert field.name not in parameters
            continue
        parameter = parameters[field.name]
        assert parameter.default == field.default
        assert parameter.help.startswith(field.metadata["help"])
        assert f"--{field.name.replace('_', '-')}" in parameter.opts


def _command(name: str) -> Any:
    return typer.main.get_command(build_app()).commands[name]  # type: ignore[attr-defined]
