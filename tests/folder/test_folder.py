"""A converted folder loads and computes the same on every supported release of transformers, without us and offline.

`make matrix` loads folders in the same way on every release, each in an environment of its own.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lsg_convert.families import FAMILIES
from tests import warm
from tests.close import ROUNDING
from tests.compiler import HAS_KERNEL
from tests.folder.everywhere import FORMS, Findings, load_everywhere
from tests.folder.make import MAX_LEN, make_folder, recipes

RECIPES = list(recipes())
ARCHITECTURES = [architecture for _, architecture in RECIPES]
WITHOUT_KERNEL = {architecture for name, architecture in RECIPES if "cpp" in FAMILIES[name].backends_without}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """Everything about folders that this release made."""
    root = tmp_path_factory.mktemp("folders")
    with warm.tokenizers():
        for recipe in RECIPES:
            make_folder(root, *recipe)
    return load_everywhere(Path(sys.executable), root, tmp_path_factory.mktemp("empty"), "thoroughly")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
class TestFolder:
    def test_loads_as_our_class(self, found: Findings, architecture: str) -> None:
        assert found[architecture]["class"] == f"LSG{architecture}"

    def test_equals_its_source_up_to_the_dense_limit(self, found: Findings, architecture: str) -> None:
        assert found[architecture]["muted"] <= 1e-4
        assert found[architecture].get("shipped", 0.0) <= 1e-4

    def test_computes_what_it_computed_for_its_maker(self, found: Findings, architecture: str) -> None:
        assert found[architecture]["short"] <= ROUNDING
        assert found[architecture]["folder"] <= ROUNDING

    @pytest.mark.parametrize("form", FORMS)
    def test_computes_the_same_in_every_form(self, found: Findings, architecture: str, form: str) -> None:
        assert found[architecture][form] <= ROUNDING
        assert found[architecture]["links"], "the Hub's cache had files and not links"

    def test_each_form_ran_its_own_code(self, found: Findings, architecture: str) -> None:
        assert len(set(found[architecture]["modules"].values())) == len(FORMS)

    def test_asks_for_trust_and_is_never_dense(self, found: Findings, architecture: str) -> None:
        assert "untrusted_model" not in found[architecture]
        assert found[architecture]["untrusted_error"] == "ValueError"
        assert "trust_remote_code=True" in found[architecture]["untrusted_message"]

    def test_computes_the_same_by_the_compiled_kernel(self, found: Findings, architecture: str) -> None:
        if architecture in WITHOUT_KERNEL:
            assert "cpp" not in found[architecture]
            return
        assert found[architecture]["cpp"] <= ROUNDING
        assert found[architecture]["kernel"] or not HAS_KERNEL, "SDPA served"

    def test_says_that_the_kernel_is_not_in_the_code(self, found: Findings, architecture: str) -> None:
        assert "this folder has no code for it" in found[architecture]["no_kernel"]
        assert "--attention-backend cpp" in found[architecture]["no_kernel"]

    def test_says_so_where_the_library_runs_another_folders_code(self, found: Findings, architecture: str) -> None:
        assert found[architecture]["warned"] == found[architecture]["should_warn"]

    def test_has_one_code_file_when_saved_again(self, found: Findings, architecture: str) -> None:
        (name,) = (name for name in found[architecture]["saved_files"] if name.endswith(".py"))
        assert name.startswith("modeling_lsg_")

    def test_takes_attention_options_when_loaded(self, found: Findings, architecture: str) -> None:
        assert found[architecture]["block_size"] == 8
        assert found[architecture]["overridden"] > 1e-3

    def test_tokenizer_loads_without_trust(self, found: Findings, architecture: str) -> None:
        assert found[architecture]["same_tokens"]

    def test_tokenizer_knows_the_new_length(self, found: Findings, architecture: str) -> None:
        assert found[architecture]["model_max_length"] == MAX_LEN
        assert found[architecture]["tokens"] == MAX_LEN
