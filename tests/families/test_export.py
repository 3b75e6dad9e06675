"""`lsg-convert export`: what it writes computes the same in a process that has neither torch nor our code."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch

import lsg_convert
from lsg_convert import convert
from lsg_convert.common.errors import RequestError
from lsg_convert.export import check, clear_texts, parts, run
from lsg_convert.folder.integrity import check_folder
from tests.close import assert_close
from tests.families.pairs import MAX_LEN, Pair
from tests.tiny import make_pair, one_layer
from tests.verify.plant import edit_tensors

MakePair = Callable[..., Pair]
ALONE = """
import sys
for name in ("torch", "transformers", "lsg_convert"):
    sys.modules[name] = None  # whoever imports it fails
import numpy, onnxruntime
given = dict(numpy.load("inputs.npz"))
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
names = [item.name for item in session.get_inputs()]
outputs = [item.name for item in session.get_outputs()]
numpy.savez("outputs.npz", **dict(zip(outputs, session.run(None, {name: given[name] for name in names}))))
"""


def run_alone(file: Path, place: Path, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The outputs of an ONNX file, by name, computed without torch."""
    numpy.savez(place / "inputs.npz", **{name: value.numpy() for name, value in inputs.items()})
    subprocess.run([sys.executable, "-I", "-c", ALONE, str(file)], cwd=place, check=True)
    return {name: torch.from_numpy(value) for name, value in numpy.load(place / "outputs.npz").items()}


@torch.no_grad()
def test_bert_is_found_and_computes_the_same(pair: MakePair, tmp_path: Path) -> None:
    made = pair("bert", "BertForQuestionAnswering")
    report = run.export(made.folder, quantize="int8")
    assert not report.failed and {row.tokens for row in report.comparisons} == {1, 64, MAX_LEN}
    assert list(report.files) == ["onnx/model.onnx", "onnx/model_quantized.onnx"]
    state = check_folder(made.folder)
    assert not (state.changed or state.missing or state.extra) and set(report.files) <= set(state.files)
    assert set(report.files) <= set(lsg_convert.push(made.folder, "me/it", dry_run=True).files)
    assert "onnx/model.onnx" in (made.folder / "README.md").read_text()
    assert str(made.folder).encode() not in (made.folder / "onnx/model.onnx").read_bytes()
    for length in (7, 32, 50):
        inputs = made.inputs(length, padded=True, labels=False)
        inputs["token_type_ids"] = torch.zeros_like(inputs["input_ids"])
        found = run_alone(made.folder / "onnx/model.onnx", tmp_path, inputs)
        expected = made.converted(**inputs)
        kept = inputs["attention_mask"].bool()
        assert list(found) == ["start_logits", "end_logits"]
        for name, output in found.items():
            assert_close(output[kept], expected[name][kept])


@torch.no_grad()
def test_encoder_and_decoder_generate_the_same(pair: MakePair, tmp_path: Path) -> None:
    """Greedily, as onnxruntime's users write it: the first step without a cache, the others with it."""
    made = pair("bart", "BartForConditionalGeneration", **one_layer("bart"))
    run.export(made.folder)
    place = made.folder / "onnx"
    inputs = made.inputs(50, padded=True, labels=False)
    inputs["input_ids"][1, 0] = inputs["input_ids"][1, 2]  # a row in which global 0 stands in for nothing
    del inputs["decoder_input_ids"]
    start = made.converted.config.decoder_start_token_id
    expected = made.converted.generate(
        **inputs, num_beams=1, do_sample=False, max_new_tokens=3, min_new_tokens=3, forced_eos_token_id=None
    )
    states = run_alone(place / "encoder_model.onnx", tmp_path, inputs)["last_hidden_state"]
    given = {"encoder_attention_mask": inputs["attention_mask"], "encoder_hidden_states": states}
    ids = torch.full((2, 1), start)
    found = run_alone(place / "decoder_model.onnx", tmp_path, {**given, "input_ids": ids})
    past = {name.replace("present", "past_key_values"): value for name, value in found.items() if name != "logits"}
    steps = [found["logits"]]
    for step in (1, 2):
        given["input_ids"] = expected[:, step : step + 1]
        found = run_alone(place / "decoder_with_past_model.onnx", tmp_path, {**given, **past})
        past |= {name.replace("present", "past_key_values"): value for name, value in found.items() if name != "logits"}
        steps.append(found["logits"])
    whole = made.converted(**inputs, decoder_input_ids=expected[:, :3]).logits
    assert_close(torch.cat(steps, dim=1), whole)


def test_what_is_too_large_at_once_is_compared_text_by_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """No row is missing, and a fault in one text, padding included, is found."""
    seen: list[tuple[int, ...]] = []

    def compare(inputs: dict[str, torch.Tensor]) -> tuple[float, float]:
        seen.append(tuple(inputs["input_ids"].shape))
        return 0.5 if inputs["attention_mask"].sum() == 50 else 0.1, 1e-4

    monkeypatch.setattr(check, "MOST_NUMBERS", 2 * 100 * 7)
    texts = parts.Texts(("input_ids", "attention_mask"), 40, 0, None)

    def make(batch: int, length: int) -> tuple[dict[str, torch.Tensor], int]:
        return texts.make(batch, length), 0

    rows = check.compare_all(compare, make, "model.onnx", [10, 100], 7, True, lambda steps: None)
    assert [(row.tokens, row.batch) for row in rows] == [(10, 1), (10, 3), (100, 1), (100, 3)]
    assert seen == [(1, 10), (3, 10), (1, 100), (1, 100), (1, 100), (1, 100)]
    assert [row.difference for row in rows] == [0.1, 0.1, 0.1, 0.5]  # the third text has 50 tokens
    monkeypatch.setattr(check, "available_memory", lambda: 1000)
    monkeypatch.setattr(check, "MOST_NUMBERS", 600)
    rows = check.compare_all(compare, make, "model.onnx", [10, 100], 7, True, lambda steps: None)
    assert [(row.tokens, row.batch) for row in rows] == [(10, 1), (10, 3)]  # one text of 100 has 700 numbers


def test_texts_without_ties_are_looked_for_one_by_one(pair: MakePair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first text is taken from the second try, the second from the first one, the third from the third one."""
    model = pair("bert", "BertModel").converted
    texts = parts.Texts(("input_ids", "attention_mask"), model.config.vocab_size, 0, None)
    tries = [texts.make(3, 50, seed=50 + number * 10_000) for number in range(3)]
    ties = iter([[1, 0, 2], [0, 3, 1], [5, 5, 0]])
    monkeypatch.setattr(clear_texts.ClearTexts, "_ties", lambda *_: torch.tensor(next(ties)))
    found, left = clear_texts.ClearTexts(texts, model).make(3, 50)
    assert left == 0
    for row, number in enumerate((1, 0, 2)):
        assert all(torch.equal(found[name][row], tries[number][name][row]) for name in found)


def test_where_keys_tie_outputs_are_measured(
    pair: MakePair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each runtime may choose another key then, and both are right: above the dense limit there is no tolerance."""
    from lsg_convert.cli.app import run as command

    folder = shutil.copytree(pair("bert", "BertModel", **one_layer("bert")).folder, tmp_path / "ties")
    edit_tensors(folder, lambda tensors: tensors["encoder.layer.0.attention.self.key.weight"].mul_(1e-8))
    report = run.export(folder)
    assert not report.failed
    for row in report.comparisons:
        assert (row.ties > 0, row.passed) == ((False, True) if row.tokens == 1 else (True, None))
    assert command(["export", str(folder)]) == 0
    assert f"measured, ties of keys: {max(row.ties for row in report.comparisons)}" in capsys.readouterr().out


def test_differences_count_where_tokens_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "_ROWS", 4)
    expected, visible = torch.randn(2, 9, 3), torch.ones(2, 9, dtype=torch.bool)
    visible[1, 5:] = False
    ours = expected.clone()
    ours[1, 6] += 9.0
    assert check.largest_difference([ours], [expected], visible)[0] == 0
    ours[1, 4, 2] += 0.25
    found, tolerance = check.largest_difference([ours], [expected], visible)
    assert found == pytest.approx(0.25) and tolerance == pytest.approx(
        max(1e-4, 1e-4 * float(expected[visible].abs().max()))
    )
    assert check.largest_difference([ours[:, 0]], [expected[:, 0]], visible)[0] == 0
    ours[0, 8, 0] = float("nan")
    assert check.largest_difference([ours], [expected], visible)[0] == float("inf")


def test_where_outputs_differ_nothing_is_written(
    pair: MakePair, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from lsg_convert.cli.app import run as command

    made = pair("distilbert", "DistilBertModel", **one_layer("distilbert"))
    before = sorted(path.name for path in made.folder.iterdir())
    monkeypatch.setattr(check, "TOLERANCE", 1e-12)
    assert command(["export", str(made.folder), "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert result["failed"] and any(row["passed"] is False for row in result["comparisons"])
    assert sorted(path.name for path in made.folder.iterdir()) == before


def test_what_is_missing_is_named(pair: MakePair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "PACKAGES", ("onnx", "no_such_package"))
    with pytest.raises(RequestError, match="exporting needs no_such_package, which is not installed") as error:
        run.export(pair("bert", "BertForMaskedLM").folder)
    assert "lsg-convert[onnx]" in str(error.value.hint)


@pytest.mark.parametrize(
    ("model_type", "architecture", "reason"),
    [
        (
            "bart",
            "BartForSequenceClassification",
            "BartForSequenceClassification of an encoder-decoder has no",
        ),
        ("big_bird", "BigBirdModel", "BigBird's attention is full up to .* no graph is right for all lengths"),
    ],
)
def test_what_has_no_onnx_form_is_refused(pair: MakePair, model_type: str, architecture: str, reason: str) -> None:
    made = pair(model_type, architecture)
    with pytest.raises(RequestError, match=reason):
        run.export(made.folder)
    assert not (made.folder / "onnx").exists()


@pytest.mark.parametrize("sides", [("bert", "bert"), pytest.param(("mpnet", "roberta"), marks=pytest.mark.product)])
def test_a_pair_is_encoder_and_decoder(sides: tuple[str, str], tmp_path: Path) -> None:
    source = make_pair(*sides, tmp_path / "source", layers=1)
    convert(source, output=tmp_path / "lsg", verify=False, max_len=MAX_LEN, block_size=16, sparse_block_size=16)
    report = run.export(tmp_path / "lsg", task="summarization")
    assert not report.failed and {row.tokens for row in report.comparisons} == {1, 64, MAX_LEN}
    names = ("decoder_model", "decoder_with_past_model", "encoder_model")
    assert list(report.files) == [f"onnx/{name}.onnx" for name in names]


@torch.no_grad()
def test_a_task_without_a_head_is_exported_without_it(pair: MakePair, tmp_path: Path) -> None:
    made = pair("roberta", "RobertaForMaskedLM", **one_layer("roberta"))
    assert not run.export(made.folder, task="feature-extraction").failed
    inputs = made.inputs(50, padded=True, labels=False)
    found = run_alone(made.folder / "onnx/model.onnx", tmp_path, inputs)
    kept = inputs["attention_mask"].bool()
    assert list(found) == ["last_hidden_state"]
    assert_close(found["last_hidden_state"][kept], made.load("AutoModel")(**inputs).last_hidden_state[kept])


@pytest.mark.parametrize(
    ("model_type", "architecture", "task", "possible"),
    [
        ("bert", "BertForMaskedLM", "text-classification", "fill-mask, feature-extraction"),
        ("bert", "BertModel", "fill-mask", "feature-extraction"),
        ("bart", "BartForConditionalGeneration", "fill-mask", "text2text-generation, text2text-generation-with-past, "),
    ],
)
def test_a_task_that_the_head_cannot_do_is_refused(
    pair: MakePair, model_type: str, architecture: str, task: str, possible: str
) -> None:
    with pytest.raises(RequestError, match=f"'{task}' is not what {architecture} does: it does {possible}"):
        run.export(pair(model_type, architecture).folder, task=task)


def test_foreign_code_is_not_run(pair: MakePair, tmp_path: Path) -> None:
    import shutil

    folder = shutil.copytree(pair("bert", "BertForMaskedLM").folder, tmp_path / "copy")
    (folder / "modeling_lsg_bert.py").write_text("raise SystemExit('run')\n")
    with pytest.raises(RequestError, match="is not the file that ships"):
        run.export(folder)
