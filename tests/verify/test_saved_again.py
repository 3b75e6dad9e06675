"""Converted models that were trained and saved by the library: recognised, verified as far as that goes, published."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from lsg_convert import convert, verify
from lsg_convert.bench.run import run_benchmark
from lsg_convert.common.errors import RequestError
from lsg_convert.folder.discovery import find_converted_folder
from lsg_convert.folder.record import RECORD_NAME, read_record
from lsg_convert.folder.saved_again import is_converted
from lsg_convert.folder.saved_record import read_converted
from lsg_convert.verification.report import Report
from tests.tiny import make_pair
from tests.verify.conftest import OPTIONS, Converted
from tests.verify.plant import edit_json

Maker = Callable[..., Converted]
MLM = ("bert", "BertForMaskedLM")


def train(model: Any, part: str = "") -> Any:
    """Two steps on a loss of anything; `part` names the parameters that are trained."""
    model.train()
    chosen = [parameter for name, parameter in model.named_parameters() if part in name]
    optimizer = torch.optim.SGD(chosen, lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        opening = getattr(model.config, "opening_token_id", None) or 0
        ids = torch.tensor([[opening, *range(5, 44)]])
        model(input_ids=ids)[0].square().mean().backward()
        optimizer.step()
    return model.eval()


def save(converted: Converted, target: Path, auto_class: str = "AutoModelForMaskedLM", **options: Any) -> Path:
    """As `Trainer.save_model` does: the model, its tokenizer, and the arguments of the training."""
    part = options.pop("part", "")
    model = getattr(transformers, auto_class).from_pretrained(converted.folder, trust_remote_code=True)
    tokenizer = transformers.AutoTokenizer.from_pretrained(converted.folder)
    if part is not None:
        train(model, part)
    model.to(options.pop("dtype", torch.float32)).save_pretrained(target, **options)
    tokenizer.save_pretrained(target)
    (target / "training_args.bin").write_bytes(b"anything")
    return target


def passed(report: Report) -> set[str]:
    return {result.name for result in report.results if result.status == "passed"}


ALWAYS = {
    "modeling code", "tokenizer", "loading", "parity, without globals", "attention by definition",
    "finite and deterministic", "batch-invariant", "padding-invariant",
}  # fmt: skip


class TestVerify:
    def test_trained_elsewhere_it_is_held_against_its_own_weights(self, converted: Maker, tmp_path: Path) -> None:
        made = converted(*MLM)
        report = verify(save(made, tmp_path / "trained"), made.source)
        assert report.verdict == "partial", report.sentence
        assert passed(report) == ALWAYS
        tensors = report["tensors"]
        assert tensors.status == "measured"
        assert f"trained since: compared with {made.source.name}, its weights differ" in (tensors.measured or "")
        assert tensors.values["different"] > 30 and 0 < tensors.values["largest"] < 1
        for name in ("parity, as shipped", "drift", "drift by position"):
            assert "trained since: compared with" in (report[name].reason or ""), name
        assert "saved again by transformers" in (report["files"].reason or "")
        assert "the library's own model of these weights" in (report["parity, without globals"].measured or "")
        assert "the same weights" in (report["loss"].measured or "")

    def test_trained_in_place_the_old_record_and_card_are_not_believed(self, breakable: Maker) -> None:
        made = breakable(*MLM)
        folder = save(made, made.folder)
        assert "bit for bit" in (folder / "README.md").read_text()
        assert read_converted(folder).saved is not None
        with (folder / "README.md").open("a") as card_file:
            card_file.write("\nMy own words.\n")
        report = verify(folder)  # the old record still knows the way to the source
        assert passed(report) == ALWAYS
        assert report["tensors"].values["different"] > 30
        card = (folder / "README.md").read_text()
        assert "bit for bit" not in card and "not trained further" not in card
        assert "trained since: compared with" in card and "parity, as shipped | trained since" in card
        assert card.endswith("\nMy own words.\n")
        record = read_record(folder)
        assert record.saved is not None and record.saved.trained is True
        assert record.files["model.safetensors"].size == (folder / "model.safetensors").stat().st_size
        assert "training_args.bin" not in record.files
        train_again = save(Converted(made.source, folder), folder)
        assert read_converted(train_again).verification is None

    def test_saved_and_not_trained_it_is_its_source(self, converted: Maker, tmp_path: Path) -> None:
        made = converted(*MLM)
        report = verify(save(made, tmp_path / "saved", part=None), made.source)
        assert passed(report) == ALWAYS | {"parity, as shipped", "tensors"}
        assert "saved since, not trained" in (report["tensors"].measured or "")

    def test_a_new_head_is_not_held_against_one_that_was_drawn_at_random(
        self, converted: Maker, tmp_path: Path
    ) -> None:
        made = converted(*MLM)
        folder = save(made, tmp_path / "saved", "AutoModelForSequenceClassification", part=None)
        report = verify(folder, made.source, level="exact")
        assert not report.failed, report.sentence
        assert report["tensors"].values["different"] == 0
        assert "4 are new" in (report["tensors"].measured or "")  # classifier and pooler, weight and bias each

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    def test_saved_in_another_type_it_is_its_source_rounded(
        self, dtype: torch.dtype, converted: Maker, tmp_path: Path
    ) -> None:
        made = converted(*MLM)
        folder = save(made, tmp_path / "saved", part=None, dtype=dtype, max_shard_size="20KB")
        assert len(list(folder.glob("model-*.safetensors"))) > 1
        report = verify(folder, made.source, level="exact")
        assert "saved since, not trained" in (report["tensors"].measured or ""), report["tensors"]
        assert report["parity, without globals"].status == "passed"

    def test_trained_globals_are_trained_too(self, converted: Maker, tmp_path: Path) -> None:
        made = converted(*MLM)
        report = verify(save(made, tmp_path / "trained", part="global_embeddings"), made.source, level="integrity")
        assert report["tensors"].values["different"] == 1
        assert "trained since" in (report["tensors"].measured or "")

    @pytest.mark.parametrize(
        ("auto_class", "architecture"),
        [("AutoModelForSequenceClassification", "BertForSequenceClassification"), ("AutoModel", "BertModel")],
    )
    def test_another_head_is_what_the_folder_is_now(
        self, auto_class: str, architecture: str, converted: Maker, tmp_path: Path
    ) -> None:
        made = converted(*MLM)
        folder = save(made, tmp_path / "trained", auto_class)
        assert read_converted(folder).library_class == architecture
        assert passed(verify(folder, made.source)) == ALWAYS

    def test_without_a_source_nothing_is_claimed_of_one(self, converted: Maker, tmp_path: Path) -> None:
        report = verify(save(converted(*MLM), tmp_path / "trained"))
        assert passed(report) == ALWAYS
        assert report["tensors"].status == "not run"
        assert "compared with nothing: the record names no source" in (report["tensors"].reason or "")
        card = (tmp_path / "trained" / "README.md").read_text()
        assert "its weights were not compared with their source" in card and "bit for bit" not in card

    @pytest.mark.parametrize("model_type", ["bart", "t5", "mpnet", "distilbert"])
    def test_other_families(self, model_type: str, converted: Maker, tmp_path: Path) -> None:
        made = converted(model_type)
        auto_class = read_record(made.folder).auto_class
        model = getattr(transformers, auto_class).from_pretrained(made.folder, trust_remote_code=True)
        model.get_input_embeddings().weight.data += 0.01
        model.save_pretrained(tmp_path / "trained")
        transformers.AutoTokenizer.from_pretrained(made.folder).save_pretrained(tmp_path / "trained")
        report = verify(tmp_path / "trained", made.source)
        assert not report.failed, report.sentence
        assert passed(report) >= {"modeling code", "loading", "parity, without globals", "finite and deterministic"}
        assert report["tensors"].values["different"] >= 1

    def test_a_pair(self, tmp_path: Path) -> None:
        source = make_pair("bert", "bert", tmp_path / "source")
        folder = convert(source, output=tmp_path / "converted", verify=False, **OPTIONS).output
        model = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder, trust_remote_code=True)
        model.encoder.get_input_embeddings().weight.data += 0.01
        model.save_pretrained(tmp_path / "trained")
        transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path / "trained")
        record = read_converted(tmp_path / "trained")
        assert (record.family, record.source_max_len, record.max_len) == ("encoder-decoder/bert", 64, 136)
        report = verify(tmp_path / "trained", source)
        assert not report.failed, report
        assert report["tensors"].values["different"] >= 1

    def test_it_can_be_measured(self, converted: Maker, tmp_path: Path) -> None:
        found = run_benchmark(save(converted(*MLM), tmp_path / "trained"), lengths=[32], rounds=1)
        assert found.as_dict()

    def test_a_missing_tokenizer_is_said_once(self, converted: Maker, tmp_path: Path) -> None:
        made = converted(*MLM)
        folder = save(made, tmp_path / "trained")
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (folder / name).unlink()
        report = verify(folder, made.source)
        assert [result.name for result in report.results if result.status == "failed"] == ["tokenizer"]
        assert "tokenizer.save_pretrained(folder)" in (report["tokenizer"].reason or "")
        assert report["attention by definition"].reason == "the folder has no tokenizer"

    def test_code_that_is_not_ours_is_not_run(self, converted: Maker, tmp_path: Path) -> None:
        made = converted(*MLM)
        folder = save(made, tmp_path / "trained")
        with (folder / "modeling_lsg_bert.py").open("a") as code:
            code.write(f"\nopen({str(tmp_path / 'ran')!r}, 'w')\n")
        report = verify(folder, made.source)
        assert report["modeling code"].status == "failed"
        assert report["loading"].status == report["attention by definition"].status == "not run"
        assert not (tmp_path / "ran").exists()

    def test_code_that_computes_something_else_is_found(self, converted: Maker, tmp_path: Path) -> None:
        """What training cannot change is judged: with these weights the library's own model says otherwise."""
        made = converted(*MLM)
        folder = save(made, tmp_path / "trained")
        with (folder / "modeling_lsg_bert.py").open("a") as code:
            code.write("\n_forward = LSGSelfAttention.forward\n")
            code.write("LSGSelfAttention.forward = lambda self, *a, **k: (_forward(self, *a, **k)[0] * 1.01, None)\n")
        report = verify(folder, made.source, level="exact", trust_remote_code=True)
        found = report["parity, without globals"]
        assert found.status == "failed" and found.values["max_abs"] > 1e-4, found

    def test_a_config_that_contradicts_the_weights_is_found(self, converted: Maker, tmp_path: Path) -> None:
        made = converted(*MLM)
        folder = save(made, tmp_path / "trained")
        edit_plain(folder / "config.json", max_position_embeddings=100)
        assert verify(folder, made.source).failed

    @pytest.mark.usefixtures("with_stranger")
    def test_a_stranger_loads_it(self, converted: Maker, tmp_path: Path) -> None:
        made = converted(*MLM)
        found = verify(save(made, tmp_path / "trained"), made.source, level="exact")["as a stranger loads it"]
        assert found.status == "passed", found


def edit_plain(path: Path, **changes: Any) -> None:
    """Change a JSON file, and leave it as the library writes it."""
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")


class TestRecognition:
    def test_weights_that_changed_alone_are_a_fault(self, breakable: Maker) -> None:
        folder = breakable(*MLM).folder
        data = bytearray((folder / "model.safetensors").read_bytes())
        data[-5] ^= 1
        (folder / "model.safetensors").write_bytes(data)
        assert read_converted(folder).saved is None
        assert verify(folder, level="integrity")["files"].status == "failed"

    def test_a_config_that_was_edited_by_hand_is_a_fault(self, breakable: Maker) -> None:
        folder = breakable(*MLM).folder
        recorded = (folder / RECORD_NAME).read_bytes()
        edit_json(folder / "config.json", lambda config: config.update(note="mine"))
        (folder / RECORD_NAME).write_bytes(recorded)
        assert read_converted(folder).saved is None
        assert verify(folder, level="integrity")["files"].status == "failed"

    def test_a_folder_without_its_record_is_said_to_be_that(self, breakable: Maker) -> None:
        made = breakable(*MLM)
        (made.folder / RECORD_NAME).unlink()
        record = read_converted(made.folder)
        assert record.saved is not None and record.saved.by == "an unknown program"
        report = verify(made.folder, made.source)
        assert "saved since, not trained" in (report["tensors"].measured or "")
        assert report["parity, as shipped"].status == "passed"

    @pytest.mark.parametrize(
        "config",
        [{}, {"model_type": "bert"}, {"model_type": "lsg-quasar", "block_size": 1, "num_global_tokens": 0}],
        ids=["empty", "dense", "unknown"],
    )
    def test_other_models_are_not_taken_for_one(self, config: dict[str, Any], tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text(json.dumps(config))
        assert not is_converted(tmp_path)
        with pytest.raises(RequestError, match="not a converted folder"):
            find_converted_folder(tmp_path)

    @pytest.mark.parametrize(
        "changes",
        [
            {"architectures": ["LSGBertForDancing"]},
            {"architectures": 3},
            {"block_size": "many"},
            {"max_position_embeddings": None},
            {"lsg_source": {"repo_id": 7}},
            {"lsg_source": []},
        ],
        ids=str,
    )
    def test_nonsense_is_refused_in_words(self, changes: dict[str, Any], converted: Maker, tmp_path: Path) -> None:
        shutil.copytree(converted(*MLM).folder, tmp_path / "folder")
        (tmp_path / "folder" / RECORD_NAME).unlink()
        edit_plain(tmp_path / "folder" / "config.json", **changes)
        if changes == {"lsg_source": []}:
            assert read_converted(tmp_path / "folder").source.repo_id is None
            return
        with pytest.raises(RequestError, match=r"config\.json"):
            read_converted(tmp_path / "folder")

    def test_where_it_was_converted_from_stays_in_its_configuration(self, converted: Maker, tmp_path: Path) -> None:
        made = converted(*MLM)
        record = read_converted(save(made, tmp_path / "trained"))
        assert record.source.name == made.source.name
        assert (record.source_max_len, record.max_len) == (64, OPTIONS["max_len"])
        written = read_record(made.folder).lsg
        assert replace(record.lsg, opening_token_id=None) == replace(written, opening_token_id=None)
        edit_plain(tmp_path / "trained" / "config.json", lsg_source={"repo_id": "me/bert", "commit": "a" * 40})
        record = read_converted(tmp_path / "trained")
        assert (record.source.repo_id, record.source.commit) == ("me/bert", "a" * 40)

    def test_it_is_found_from_the_folder_above(
        self, converted: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        save(converted(*MLM), tmp_path / "runs" / "trained")
        monkeypatch.chdir(tmp_path)
        assert find_converted_folder() == tmp_path / "runs" / "trained"
