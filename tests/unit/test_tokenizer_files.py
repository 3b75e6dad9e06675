"""What a tokenizer's files say, against what the library finds when it loads them."""

import json
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from lsg_convert.families import FAMILIES
from lsg_convert.plan.special_tokens import read_special_tokens, special_tokens
from lsg_convert.plan.tokenizer_files import DEFAULT_TOKENS, read_tokenizer_files
from tests.tiny import make_checkpoint
from tests.tiny_tokenizers import LAYOUTS, write_tokenizer

ROLES = ("cls", "bos", "eos", "sep", "pad", "unk", "mask")
READ_FROM_FILES = [
    name for name, layout in LAYOUTS.items() if layout.tokenizer_class.removesuffix("Fast") in DEFAULT_TOKENS
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


def change(path: Path, **values: object) -> None:
    """Set keys of a JSON file; None removes one."""
    settings = {**json.loads(path.read_text()), **values}
    path.write_text(json.dumps({key: value for key, value in settings.items() if value is not None}))


def without_tokens(folder: Path, layout_name: str, **others: object) -> None:
    """Let the files name no special token, as the oldest checkpoints have it."""
    nothing = {f"{role}_token": None for role in LAYOUTS[layout_name].roles}
    change(folder / "tokenizer_config.json", **nothing, **others)
    (folder / "special_tokens_map.json").unlink()


@pytest.mark.parametrize("named", [True, False], ids=["named", "defaults"])
@pytest.mark.parametrize("layout_name", READ_FROM_FILES)
def test_finds_what_the_library_finds(layout_name: str, named: bool, folder: Path) -> None:
    write_tokenizer(layout_name, folder, 64)
    if not named and DEFAULT_TOKENS[LAYOUTS[layout_name].tokenizer_class.removesuffix("Fast")]:
        without_tokens(folder, layout_name)
    files = read_tokenizer_files(folder, None, [])
    assert files is not None
    tokenizer = AutoTokenizer.from_pretrained(folder)
    expected = {role: getattr(tokenizer, f"{role}_token_id") for role in ROLES}
    assert {role: files.roles.get(role) for role in ROLES} == expected


@pytest.mark.parametrize("model_type", FAMILIES)
def test_every_family_gets_the_library_s_tokens(model_type: str, tmp_path: Path) -> None:
    folder, family = make_checkpoint(model_type, None, tmp_path / "tiny"), FAMILIES[model_type]
    expected = special_tokens(AutoTokenizer.from_pretrained(folder), 10**6, family)
    rows = json.loads((folder / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    assert read_special_tokens(folder, rows, family) == expected


@pytest.mark.parametrize("model_type", ["bert", "roberta", "bart", "camembert", "xlm-roberta"])
def test_a_class_that_nobody_names_is_the_library_s(model_type: str, tmp_path: Path) -> None:
    folder = make_checkpoint(model_type, None, tmp_path / "tiny")
    without_tokens(folder, model_type, tokenizer_class=None)
    expected = special_tokens(AutoTokenizer.from_pretrained(folder), 10**6, FAMILIES[model_type])
    assert read_tokenizer_files(folder, FAMILIES[model_type].tokenizer_class, []) is not None
    assert read_special_tokens(folder, 10**6, FAMILIES[model_type]) == expected
    AutoTokenizer.from_pretrained(folder)  # of the class that was written down


class TestLeavesToTheLibrary:
    @pytest.fixture
    def bert(self, folder: Path) -> Path:
        write_tokenizer("bert", folder, 64)
        return folder

    def test_a_class_that_is_not_known(self, bert: Path) -> None:
        change(bert / "tokenizer_config.json", tokenizer_class="HerbertTokenizer")
        assert read_tokenizer_files(bert, None, []) is None

    def test_a_vocabulary_without_tokenizer_json(self, bert: Path) -> None:
        (bert / "tokenizer.json").unlink()
        assert read_tokenizer_files(bert, None, []) is None

    def test_a_broken_tokenizer_json(self, bert: Path) -> None:
        (bert / "tokenizer.json").write_text('{"model": 3}')
        assert read_tokenizer_files(bert, None, []) is None

    def test_files_that_contradict_each_other(self, bert: Path) -> None:
        change(bert / "special_tokens_map.json", mask_token="[UNK]")
        assert read_tokenizer_files(bert, None, []) is None

    def test_a_token_outside_the_vocabulary(self, bert: Path) -> None:
        for name in ("tokenizer_config.json", "special_tokens_map.json"):
            change(bert / name, mask_token="[NEW]")
        assert read_tokenizer_files(bert, None, []) is None

    def test_a_named_token_outside_the_vocabulary(self, bert: Path) -> None:
        assert read_tokenizer_files(bert, None, ["<extra_id_0>"]) is None


def test_tokens_may_be_objects(folder: Path) -> None:
    write_tokenizer("bert", folder, 64)
    token = {"content": "[SEP]", "__type": "AddedToken", "lstrip": True}
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        change(folder / name, mask_token=token)
    files = read_tokenizer_files(folder, None, [])
    assert files is not None and files.roles["mask"] == files.roles["sep"]
