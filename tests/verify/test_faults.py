"""What verification is for: each fault, planted in a good folder, fails on a line that names its cause or place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lsg_convert import Report
from lsg_convert.verification import tensor_comparison
from tests.verify.conftest import Converted
from tests.verify.plant import Tensors, append_code, cover_up, edit_json, edit_tensors
from tests.warm import lsg_convert

Breakable = Callable[..., Converted]
WORDS = "bert.embeddings.word_embeddings.weight"
POSITIONS = "bert.embeddings.position_embeddings.weight"
GLOBALS = "bert.embeddings.global_embeddings.weight"


def failure(report: Report, name: str) -> str:
    """The reason for which the check `name` failed."""
    assert report.verdict == "failed"
    assert report[name].passed is False, report[name]
    return report[name].reason or ""


def layer(index: int, name: str) -> str:
    return f"bert.encoder.layer.{index}.{name}"


def test_one_weight_off_by_one_ulp(breakable: Breakable) -> None:
    folder = breakable("bert")

    def nudge(tensors: Tensors) -> None:
        weight = tensors[layer(1, "output.dense.weight")]
        weight[3, 7] = torch.nextafter(weight[3, 7], torch.tensor(10.0))

    edit_tensors(folder.folder, nudge)
    reason = failure(folder.verify(level="integrity"), "tensors")
    assert layer(1, "output.dense.weight") in reason
    assert "[3, 7]" in reason


def test_every_wrong_tensor_is_named(breakable: Breakable) -> None:
    folder, changed = breakable("bert"), []

    def change(tensors: Tensors) -> None:
        changed[:] = [name for name in tensors if ".layer." in name][::3]
        for name in changed:
            tensors[name].view(-1)[-1] += 1

    edit_tensors(folder.folder, change)
    found = folder.verify(level="integrity")["tensors"]
    assert len(changed) > 5 and f"{len(changed)} wrong" in (found.measured or "")


def test_bytes_that_change_while_they_are_read(breakable: Breakable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensor_comparison, "same_bytes", lambda *_: False)
    assert "changed while it was read" in failure(breakable("bert").verify(level="integrity"), "tensors")


def test_a_swapped_pair_of_layers(breakable: Breakable) -> None:
    folder = breakable("bert")

    def swap(tensors: Tensors) -> None:
        for name in [name for name in tensors if ".layer.0." in name]:
            other = name.replace(".layer.0.", ".layer.1.")
            tensors[name], tensors[other] = tensors[other], tensors[name]

    edit_tensors(folder.folder, swap)
    report = folder.verify(level="exact")
    first = layer(0, "attention.output.LayerNorm.bias")
    assert f"{first} holds the source's {first.replace('.0.', '.1.')}" in failure(report, "tensors")
    assert "positions" in failure(report, "parity, without globals")


def test_a_position_row_shifted_by_one(breakable: Breakable) -> None:
    folder = breakable("bert")

    def shift(tensors: Tensors) -> None:
        tensors[POSITIONS][20] = tensors[POSITIONS][21]

    edit_tensors(folder.folder, shift)
    report = folder.verify(level="exact")
    assert f"{POSITIONS}: row 20 (position 20) is not the source's, it holds row 21" in failure(report, "tensors")
    assert "logits of" in failure(report, "parity, as shipped")


def test_a_repeated_position_row_that_is_none(breakable: Breakable) -> None:
    folder = breakable("bert")
    edit_tensors(folder.folder, lambda tensors: tensors[POSITIONS][100].add_(0.5))
    reason = failure(folder.verify(level="integrity"), "tensors")
    assert f"{POSITIONS}: row 100 is not what the conversion makes of the source" in reason


def test_a_wrong_padding_offset(breakable: Breakable) -> None:
    folder = breakable("roberta")

    def forget_the_offset(tensors: Tensors) -> None:
        name = "roberta.embeddings.position_embeddings.weight"
        table = tensors[name]
        tensors[name] = torch.cat([table[2:], table[:2]])

    edit_tensors(folder.folder, forget_the_offset)
    report = folder.verify(level="exact")
    assert "row 0 (position -2) is not the source's, it holds row 2" in failure(report, "tensors")
    failure(report, "parity, without globals")


def test_a_missing_tensor(breakable: Breakable) -> None:
    folder = breakable("bert")
    edit_tensors(folder.folder, lambda tensors: tensors.pop(layer(1, "attention.self.query.bias")))
    report = folder.verify(level="exact")
    assert f"missing: {layer(1, 'attention.self.query.bias')}" in failure(report, "tensors")
    assert "attention.self.query.bias" in failure(report, "loading")


def test_an_extra_tensor(breakable: Breakable) -> None:
    folder = breakable("bert")
    edit_tensors(folder.folder, lambda tensors: tensors.update({"bert.stowaway": torch.ones(2)}))
    report = folder.verify(level="integrity")
    assert "not the source's: bert.stowaway" in failure(report, "tensors")
    assert "unexpected: bert.stowaway" in failure(report, "loading")


def test_global_row_0_without_the_token_type(breakable: Breakable) -> None:
    folder = breakable("bert")

    def forget(tensors: Tensors) -> None:
        tensors[GLOBALS][0] -= tensors["bert.embeddings.token_type_embeddings.weight"][0]

    edit_tensors(folder.folder, forget)
    report = folder.verify(level="exact")
    expected = f"{GLOBALS}: row 0 is the first token's embedding without the token type"
    assert expected in failure(report, "tensors")
    failure(report, "parity, as shipped")
    assert report["parity, without globals"].passed


def test_a_forgotten_embedding_scale(breakable: Breakable) -> None:
    folder = breakable("bart", scale_embedding=True)

    def forget(tensors: Tensors) -> None:
        words = tensors["model.shared.weight"][0]
        row = tensors["model.encoder.global_embeddings.weight"][0]
        row -= words * (words.shape[0] ** 0.5 - 1)

    edit_tensors(folder.folder, forget)
    report = folder.verify(level="exact")
    assert "row 0 is the first token's embedding without the scale of the word embeddings" in failure(report, "tensors")
    failure(report, "parity, as shipped")
    assert report["parity, without globals"].passed


def test_a_truncated_weights_file(breakable: Breakable) -> None:
    folder = breakable("bert")
    weights = folder.folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    report = folder.verify()
    assert "model.safetensors" in failure(report, "files")
    assert "model.safetensors" in failure(report, "tensors")
    assert report["parity, without globals"].passed is None


def test_a_tokenizer_with_another_vocabulary(breakable: Breakable) -> None:
    folder = breakable("bert")

    def swap_two_words(tokenizer: dict) -> None:
        vocabulary = tokenizer["model"]["vocab"]
        (one, first), (other, second) = list(vocabulary.items())[-2:]
        vocabulary.update({one: second, other: first})

    edit_json(folder.folder / "tokenizer.json", swap_two_words)
    assert "vocabulary is not the source's: 2 tokens differ" in failure(folder.verify(level="integrity"), "tokenizer")


def test_a_tokenizer_with_more_tokens_than_embeddings(breakable: Breakable) -> None:
    folder = breakable("bert")
    edit_json(folder.folder / "tokenizer.json", lambda tokenizer: tokenizer["model"]["vocab"].update(stowaway=9999))
    reason = failure(folder.verify(level="integrity"), "tokenizer")
    assert "id 9999 (stowaway) has no row among" in reason


WINDOW_FAULTS = {
    "an off-by-one window": "local=(window.local[0], window.local[1] - 1)",
    "the wrong sparse side": "right=window.left",
}


@pytest.mark.parametrize("change", WINDOW_FAULTS.values(), ids=WINDOW_FAULTS.keys())
def test_changed_windows(change: str, breakable: Breakable) -> None:
    folder = breakable("bert")
    code = "_planned = plan_windows\n\n\ndef plan_windows(*arguments):\n"
    code += f"    return [window._replace({change}) for window in _planned(*arguments)]\n"
    file = append_code(folder.folder, "def plan_windows(", code)
    report = folder.verify(level="kernel")
    assert file in failure(report, "modeling code")
    assert "--trust-remote-code" in (report["attention by definition"].reason or "")
    report = folder.verify(level="kernel", trust_remote_code=True)
    assert report["parity, without globals"].passed
    assert "attention.self, " in failure(report, "attention by definition")


def test_a_mask_that_ignores_padding(breakable: Breakable) -> None:
    folder = breakable("bert")
    code = "LSGEncoder._token_mask = lambda self, *arguments: None\n"
    file = append_code(folder.folder, "def _token_mask(", code)
    assert file in failure(folder.verify(level="integrity"), "modeling code")
    report = folder.verify(trust_remote_code=True)
    assert "padded to" in failure(report, "parity, without globals")
    assert "padding" in failure(report, "attention by definition")
    assert "states of fr, 111 tokens, from position 0 on" in failure(report, "padding-invariant")


def test_generation_that_only_the_folder_fails_at(breakable: Breakable) -> None:
    folder = breakable("t5")
    code = "def _fail(self, *arguments, **options):\n    raise RuntimeError('not today')\n\n\n"
    append_code(folder.folder, "class LSGSeq2SeqModel", f"{code}LSGSeq2SeqModel.generate = _fail\n")
    report = folder.verify(trust_remote_code=True, level="exact")
    assert "RuntimeError: not today" in failure(report, "greedy decoding")


def test_a_broken_configuration(breakable: Breakable) -> None:
    folder = breakable("bert")
    config = folder.folder / "config.json"
    config.write_bytes(config.read_bytes()[:-40])
    report = folder.verify()
    assert "config.json" in failure(report, "files")
    assert "config.json is not valid JSON" in failure(report, "modeling code")
    assert report["attention by definition"].passed is None


def test_changed_files_are_named(breakable: Breakable) -> None:
    folder = breakable("bert")
    with (folder.folder / "config.json").open("a") as config:
        config.write("\n")
    (folder.folder / "vocab.txt").unlink(missing_ok=True)
    (folder.folder / "tokenizer_config.json").unlink()
    reason = failure(folder.verify(level="integrity"), "files")
    assert "changed since the conversion: config.json" in reason
    assert "missing: tokenizer_config.json" in reason


def test_the_command_exits_with_1_and_names_the_place(breakable: Breakable) -> None:
    folder = breakable("bert")
    edit_tensors(folder.folder, lambda tensors: tensors[WORDS][5].neg_())
    done = lsg_convert("verify", "--level", "integrity", cwd=folder.folder)
    assert done.code == 1
    assert "✗" in done.stdout
    assert f"{WORDS} at [5, 0]" in done.stdout.replace("\n", "")
    assert "Failed: 1 of 5 checks (tensors)." in done.stdout


def test_the_record_says_so_when_a_check_failed(breakable: Breakable) -> None:
    folder = breakable("bert")
    edit_tensors(folder.folder, lambda tensors: tensors[WORDS][5].neg_())
    folder.verify(level="integrity")
    card = (folder.folder / "README.md").read_text(encoding="utf-8")
    assert "Failed: 1 of 5 checks" in card
    cover_up(folder.folder)
    assert Path(folder.folder / "lsg_conversion.json").read_text().count('"verdict": "failed"') == 1
