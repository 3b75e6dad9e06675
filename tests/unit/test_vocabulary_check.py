"""A tokenizer that knows next to nothing of its vocabulary is an error that names the missing file, never silence."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lsg_convert import convert, verify
from lsg_convert.common.errors import RequestError
from lsg_convert.folder.record import hash_files, read_record, write_record
from lsg_convert.plan.vocabulary_check import check_vocabulary
from tests.tiny import make_checkpoint

OPTIONS = {"max_len": 136, "block_size": 16, "sparse_block_size": 16}


def albert_with_vocab_txt(folder: Path) -> Path:
    """An ALBERT checkpoint whose words are in a file that its tokenizer class does not read."""
    make_checkpoint("albert", None, folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    pieces = [piece for piece, _ in tokenizer["model"]["vocab"]]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    (folder / "tokenizer.json").unlink()
    return folder


def test_a_conversion_names_the_file_that_is_missing(tmp_path: Path) -> None:
    source = albert_with_vocab_txt(tmp_path / "source")
    with pytest.raises(RequestError, match=r"spiece\.model"):
        convert(source, output=tmp_path / "converted", **OPTIONS)
    assert not (tmp_path / "converted").exists()


def test_verify_finds_it_in_a_folder_that_has_it(tmp_path: Path) -> None:
    source = make_checkpoint("albert", None, tmp_path / "source")
    folder = convert(source, output=tmp_path / "converted", verify=False, **OPTIONS).output
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["model"]["vocab"] = tokenizer["model"]["vocab"][:5]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    write_record(folder, replace(read_record(folder), files=hash_files(folder)))
    report = verify(folder, level="integrity")
    assert report["tokenizer"].status == "failed"
    assert "knows 5 tokens" in (report["tokenizer"].reason or "")


@pytest.mark.parametrize(("words", "rows"), [(99, 100), (100, 100), (130, 100), (50, 100)])
def test_tables_that_are_rounded_up_and_words_that_were_added_are_fine(words: int, rows: int, tmp_path: Path) -> None:
    check_vocabulary(tmp_path, "BertTokenizer", words, rows)


@pytest.mark.parametrize(
    ("name", "content"), [("vocab.txt", "a\nb\nc\nd\ne\n"), ("vocab.json", '{"a": 0, "b": 1, "c": 2, "d": 3, "e": 4}')]
)
def test_the_vocabulary_file_counts_too(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    check_vocabulary(tmp_path, "BertTokenizer", 3, 3)
    with pytest.raises(RequestError, match=f"{name} has 5 entries"):
        check_vocabulary(tmp_path, "BertTokenizer", 2, 3)
