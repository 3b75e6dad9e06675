"""A converted folder loads and computes the same on every supported release of transformers, without us and offline.

`make matrix` runs these tests in one environment a release, on folders that other releases made too.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.close import ROUNDING
from tests.command import run
from tests.folder.make import MAX_LEN, make_folder, recipes

RECIPES = list(recipes())
ARCHITECTURES = [architecture for _, architecture in RECIPES]
ELSEWHERE = Path(os.environ.get("LSG_CONVERT_FOLDERS", "nowhere"))
MAKERS = sorted(path.name for path in ELSEWHERE.iterdir()) if ELSEWHERE.is_dir() else []

Findings = dict[str, dict[str, Any]]


def examine(root: Path, cwd: Path, how: str) -> Findings:
    """Return what a fresh process finds out about the folders under `root`, by architecture."""
    done = run([sys.executable, "-I", str(Path(__file__).with_name("load.py")), str(root), how], cwd=cwd, timeout=900)
    assert done.code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """Everything about folders that this release made."""
    root = tmp_path_factory.mktemp("folders")
    for recipe in RECIPES:
        make_folder(root, *recipe)
    return examine(root, tmp_path_factory.mktemp("empty"), "thoroughly")


@pytest.fixture(scope="module", params=MAKERS)
def found_elsewhere(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """The outputs of folders that another release made."""
    return examine(ELSEWHERE / request.param, tmp_path_factory.mktemp("empty"), "quickly")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
class TestFolder:
    def test_loads_as_our_class(self, found: Findings, architecture: str) -> None:
        assert found[architecture]["class"] == f"LSG{architecture}"

    def test_equals_its_source_up_to_the_dense_limit(self, found: Findings, architecture: str) -> None:
        assert found[architecture]["muted"] <= 1e-4
        assert found[architecture].get("shipped", 0.0) <= 1e-4

    def test_computes_what_it_computed_for_its_maker(self, found: Findings, architecture: str) -> None:
        assert found[architecture]["short"] <= ROUNDING
        assert found[architecture]["long"] <= ROUNDING

    def test_computes_the_same_by_the_compiled_kernel(self, found: Findings, architecture: str) -> None:
        assert found[architecture]["cpp"] <= ROUNDING
        assert found[architecture]["kernel"] or not shutil.which("g++"), "SDPA served"

    def test_survives_save_pretrained(self, found: Findings, architecture: str) -> None:
        assert found[architecture]["saved"] <= 1e-6
        assert "lsg_attention.py" in found[architecture]["saved_files"]

    def test_takes_attention_options_when_loaded(self, found: Findings, architecture: str) -> None:
        assert found[architecture]["block_size"] == 8
        assert found[architecture]["overridden"] > 1e-3

    def test_tokenizer_knows_the_new_length(self, found: Findings, architecture: str) -> None:
        assert found[architecture]["model_max_length"] == MAX_LEN
        assert found[architecture]["tokens"] == MAX_LEN


@pytest.mark.skipif(not MAKERS, reason="`make matrix` runs it: other releases of transformers have to make the folders")
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_computes_what_it_computed_on_another_release(found_elsewhere: Findings, architecture: str) -> None:
    assert found_elsewhere[architecture]["short"] <= ROUNDING
    assert found_elsewhere[architecture]["long"] <= ROUNDING
