"""What the README shows runs, in order; a folder `bart-base` stands in for the Hub."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.shown import blocks
from tests.texts import long_text
from tests.warm import lsg_convert, python

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_what_it_shows_runs(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    layers = {"encoder_layers": 1, "decoder_layers": 1}
    source = checkpoint("bart", "BartForConditionalGeneration", max_positions=1024, **layers)
    shutil.copytree(source, tmp_path / "bart-base")
    (tmp_path / "articles.txt").write_text(long_text(2000), encoding="utf-8")
    ran = 0
    for language, code in blocks(README):
        if language not in ("python", "bash"):
            continue
        if language == "python":
            done = python(code, cwd=tmp_path)
        else:
            arguments = code.split()[1:]
            repeated = (tmp_path / "lsg-bart-base-4096").exists() and arguments[0] == "bart-base"
            done = lsg_convert(*arguments, *(["--force"] if repeated else []), cwd=tmp_path)
        assert done.code == 0, f"{code}\n{done.output}"
        ran += 1
    assert ran >= 9


def test_make_targets_exist() -> None:
    makefile = (Path(__file__).resolve().parents[2] / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"\bmake ([a-z-]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_options_exist(tmp_path: Path) -> None:
    helps = "".join(lsg_convert(name, "--help", cwd=tmp_path).stdout for name in ("convert", "verify", "push", "sweep"))
    ours = README.replace("uvx --from", "uvx")
    for option in set(re.findall(r"(--[a-z][a-z-]+)", ours)):
        assert option in helps, option
