"""A converted folder loads and computes the same on every supported release of transformers, without us and offline.

`make matrix` runs these tests in one environment a release, on folders that other releases made too.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.command import run
from tests.folder.make import MAX_LEN, make_folder, recipes

RECIPES = list(recipes())
ELSEWHERE = Path(os.environ.get("LSG_CONVERT_FOLDERS", "nowhere"))
MAKERS = ["here", *(sorted(path.name for path in ELSEWHERE.iterdir()) if ELSEWHERE.is_dir() else [])]


@pytest.fixture(scope="module", params=MAKERS)
def examined(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What a fresh process found out about the folders of one maker, by architecture."""
    if request.param == "here":
        root = tmp_path_factory.mktemp("folders")
        for recipe in RECIPES:
            make_folder(root, *recipe)
    else:
        root = ELSEWHERE / request.param
    empty = tmp_path_factory.mktemp("empty")
    done = run([sys.executable, "-I", str(Path(__file__).with_name("load.py")), str(root)], cwd=empty)
    assert done.code == 0, done.output
    return json.loads(done.stdout)


@pytest.mark.parametrize("architecture", [architecture for _, architecture in RECIPES])
class TestFolder:
    def test_loads_as_our_class(self, examined: dict[str, Any], architecture: str) -> None:
        assert examined[architecture]["class"] == f"LSG{architecture}"

    def test_equals_its_source_up_to_the_dense_limit(self, examined: dict[str, Any], architecture: str) -> None:
        assert examined[architecture]["muted"] <= 1e-4
        assert examined[architecture].get("shipped", 0.0) <= 1e-4

    def test_computes_what_it_computed_for_its_maker(self, examined: dict[str, Any], architecture: str) -> None:
        assert examined[architecture]["short"] <= 1e-5
        assert examined[architecture]["long"] <= 1e-5

    def test_survives_save_pretrained(self, examined: dict[str, Any], architecture: str) -> None:
        assert examined[architecture]["saved"] <= 1e-6
        assert "lsg_attention.py" in examined[architecture]["saved_files"]

    def test_takes_attention_options_when_loaded(self, examined: dict[str, Any], architecture: str) -> None:
        assert examined[architecture]["block_size"] == 8
        assert examined[architecture]["overridden"] > 1e-3

    def test_tokenizer_knows_the_new_length(self, examined: dict[str, Any], architecture: str) -> None:
        assert examined[architecture]["model_max_length"] == MAX_LEN
        assert examined[architecture]["tokens"] == MAX_LEN
