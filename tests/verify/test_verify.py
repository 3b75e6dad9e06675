"""What else verification promises: reasons, levels, thresholds, and what it leaves in the folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

import lsg_convert as package
from lsg_convert import convert
from lsg_convert.common.errors import RequestError, VerificationError
from lsg_convert.common.from_json import from_json
from lsg_convert.folder import global_tokens
from lsg_convert.folder.record import read_record, write_record
from lsg_convert.folder.report import VerificationReport
from lsg_convert.verification.levels import Level, parse_level
from lsg_convert.verification.result import Result
from tests.tiny import make_checkpoint
from tests.verify.conftest import OPTIONS, Converted
from tests.warm import lsg_convert

Maker = Callable[..., Converted]
WROTE_MARKER = "import pathlib\npathlib.Path({marker!r}).write_text('ran')\n"


class TestConversion:
    def test_runs_integrity_and_exact_parity(self, converted: Maker, tmp_path: Path) -> None:
        good = converted("bert")
        result = convert(good.source, output=tmp_path / "fresh", **OPTIONS)
        verification = result.as_dict()["verification"]
        assert verification["verdict"] == "passed"
        assert {check["level"] for check in verification["checks"]} == {"integrity", "exact parity"}
        card = (result.output / "README.md").read_text(encoding="utf-8")
        assert "Passed: all 7 checks, up to exact parity." in card
        assert "attention.png" in card

    def test_says_in_the_card_that_it_did_not(self, converted: Maker, tmp_path: Path) -> None:
        result = convert(converted("bert").source, output=tmp_path / "fresh", verify=False, **OPTIONS)
        assert result.verification is None
        assert "Not verified" in (result.output / "README.md").read_text(encoding="utf-8")

    def test_leaves_nothing_when_the_result_is_wrong(
        self, converted: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def forget_the_types(self: Any, words: Any, positions: Any) -> Any:
            return words * self.word_scale + self.positions[positions % len(self.positions)]

        monkeypatch.setattr(global_tokens.EmbeddingTables, "embed", forget_the_types)
        with pytest.raises(VerificationError, match="parity, as shipped: max"):
            convert(converted("bert").source, output=tmp_path / "place" / "wrong", **OPTIONS)
        assert not list(tmp_path.rglob("*.json"))
        assert not (tmp_path / "place").exists()


class TestWhatCannotRun:
    def test_a_source_that_is_gone_makes_the_verdict_partial(self, breakable: Maker, tmp_path: Path) -> None:
        source = make_checkpoint("bert", None, tmp_path / "source")
        output = convert(source, output=tmp_path / "converted", **OPTIONS).output
        shutil.rmtree(source)
        done = lsg_convert("verify", "--json", cwd=output)
        assert done.code == 0, done.output
        assert done.json["verdict"] == "partial"
        checks = {check["name"]: check for check in done.json["checks"]}
        assert checks["tensors"]["passed"] is None
        assert "no folder" in checks["tensors"]["reason"]
        assert checks["attention by definition"]["passed"] is True
        assert checks["loading"]["passed"] is True

    def test_a_source_that_the_user_names_has_to_be_there(self, converted: Maker, tmp_path: Path) -> None:
        with pytest.raises(RequestError, match="no folder"):
            converted("bert").verify(source=tmp_path / "nowhere")

    def test_too_little_memory_is_a_reason(self, breakable: Maker) -> None:
        report = breakable("bert").verify(max_memory="100MB")
        assert report.verdict == "partial"
        assert "--max-memory is 0.1 GiB" in (report["loss"].reason or "")
        assert report["tensors"].passed

    def test_where_the_source_raises_too_the_folder_is_not_to_blame(self, tmp_path: Path) -> None:
        source = make_checkpoint("t5", None, tmp_path / "source")
        for path in (source / "config.json", source / "generation_config.json"):
            if path.exists():
                path.write_text(json.dumps({**json.loads(path.read_text()), "decoder_start_token_id": None}))
        output = convert(source, output=tmp_path / "converted", **OPTIONS).output
        report = package.verify(output, level="exact")
        assert not report.failed
        assert report["greedy decoding"].status == "not run"
        assert "the source raises ValueError" in (report["greedy decoding"].reason or "")
        assert report["parity, without globals"].passed

    def test_another_model_as_source_is_told_apart(self, breakable: Maker, tmp_path: Path) -> None:
        other = make_checkpoint("bert", None, tmp_path / "other")
        tensors = load_file(other / "model.safetensors")
        tensors["bert.encoder.layer.0.output.dense.weight"] *= 1.5
        save_file(tensors, other / "model.safetensors", metadata={"format": "pt"})
        report = breakable("bert").verify(source=other)
        assert report["tensors"].passed is False
        assert report["parity, without globals"].passed is False

    def test_a_folder_that_is_lsg_already_is_held_against_its_dense_weights(
        self, converted: Maker, tmp_path: Path
    ) -> None:
        source = converted("bert").folder
        again = Converted(source, convert(source, output=tmp_path / "again", max_len=272).output)
        report = again.verify()
        assert report.verdict == "partial"
        assert [result.name for result in report.results if result.status == "not run"] == [
            "parity, as shipped",
            "drift",
            "drift by position",
        ]

    def test_untrained_heads_are_the_same_on_both_sides(self, converted: Maker, tmp_path: Path) -> None:
        options = {**OPTIONS, "architecture": "BertForSequenceClassification"}
        report = package.verify(convert(converted("bert").source, output=tmp_path / "head", **options).output)
        assert report.verdict == "passed"
        assert "new, as in the source: bert.pooler" in (report["loading"].measured or "")


class TestTrust:
    def test_code_of_the_source_never_runs(self, tmp_path: Path) -> None:
        source, marker = make_checkpoint("bert", None, tmp_path / "source"), tmp_path / "marker"
        (source / "modeling_evil.py").write_text(WROTE_MARKER.format(marker=str(marker)))
        for file in ("config.json", "tokenizer_config.json"):
            content = json.loads((source / file).read_text())
            names = {"AutoModel": "modeling_evil.Evil", "AutoModelForMaskedLM": "modeling_evil.Evil"}
            content["auto_map"] = names if file == "config.json" else {"AutoTokenizer": ["modeling_evil.Evil", None]}
            (source / file).write_text(json.dumps(content))
        folder = convert(source, output=tmp_path / "converted", **OPTIONS).output
        assert not package.verify(folder, trust_remote_code=True, level="drift").failed
        assert not marker.exists()

    def test_changed_code_of_the_folder_runs_only_when_trusted(self, breakable: Maker, tmp_path: Path) -> None:
        folder, marker = breakable("bert"), tmp_path / "marker"
        with (folder.folder / "modeling_lsg_bert.py").open("a") as code:
            code.write(WROTE_MARKER.format(marker=str(marker)))
        assert folder.verify().failed
        assert not marker.exists()
        assert folder.verify(trust_remote_code=True, level="exact")["parity, without globals"].passed
        assert marker.exists()
        assert not list(folder.folder.rglob("__pycache__"))


class TestOptions:
    @pytest.mark.parametrize(
        ("given", "level"),
        [(1, Level.INTEGRITY), ("2", Level.EXACT), ("kernel-parity", Level.KERNEL), ("drift", Level.DRIFT), (None, 5)],
    )
    def test_levels_have_numbers_and_names(self, given: Any, level: int) -> None:
        assert parse_level(given) == level

    @pytest.mark.parametrize(
        "options",
        [
            {"level": "6"},
            {"level": ""},
            {"dtype": "int8"},
            {"device": "toaster"},
            {"max_memory": "much"},
            {"min_agreement": 2.0},
            {"atol": -1.0},
            {"text": "nowhere.txt"},
        ],
    )
    def test_nonsense_is_refused(self, options: dict[str, Any], converted: Maker) -> None:
        with pytest.raises(RequestError, match=next(iter(options)).replace("_", "-")):
            converted("bert").verify(**options)

    def test_thresholds_of_drift_are_off_until_set(self, breakable: Maker) -> None:
        folder = breakable("bert")
        report = folder.verify(level="drift")
        assert (report["drift"].status, report["drift"].tolerance) == ("measured", None)
        assert report.verdict == "passed"
        assert "8 passed, 2 measured, up to drift." in report.sentence
        report = folder.verify(level="drift", max_kl=1e-9, min_agreement=1.0)
        assert report["drift"].passed is False
        assert report["drift"].tolerance == "KL ≤ 1e-09, top-1 agreement ≥ 1"
        assert "KL is" in (report["drift"].reason or "")

    def test_atol_decides(self, breakable: Maker) -> None:
        report = breakable("bert").verify(level="exact", atol=0.0)
        assert report["parity, as shipped"].passed is False
        assert report["parity, as shipped"].values["max_abs"] < 1e-4

    def test_own_text_is_measured_on(self, breakable: Maker, tmp_path: Path) -> None:
        text = tmp_path / "mine.txt"
        text.write_text("Nobody asked why the second lamp was never lit. " * 3)
        report = breakable("bert").verify(text=text)
        assert report.verdict == "passed"
        assert report.as_dict()["text"] == "mine.txt"

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
    def test_other_types_have_tolerances_of_their_own(self, dtype: str, breakable: Maker) -> None:
        report = breakable("bert").verify(dtype=dtype)
        assert report.verdict == "passed", report

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
    def test_cast_weights_equal_the_cast_source(self, dtype: str, converted: Maker, tmp_path: Path) -> None:
        output = convert(converted("bert").source, output=tmp_path / "cast", dtype=dtype, **OPTIONS).output
        report = package.verify(output)
        assert report.verdict == "passed", report
        assert report["parity, as shipped"].values["max_abs"] <= 1e-4

    def test_keys_that_tie_leave_the_choice_open(self, converted: Maker, tmp_path: Path) -> None:
        """Where rounding decides between two keys, the folder may choose other sparse tokens than the definition."""
        source = shutil.copytree(converted("bert").source, tmp_path / "source")
        tensors = load_file(source / "model.safetensors")
        tensors["bert.encoder.layer.1.attention.self.key.weight"].mul_(
            1e-8
        )  # all keys are the bias, but for the last bit
        save_file(tensors, source / "model.safetensors", metadata={"format": "pt"})
        check = package.verify(convert(source, output=tmp_path / "ties", **OPTIONS).output)["attention by definition"]
        assert check.passed
        rows, left_out = check.values["rows"], check.values["left_out"]
        assert 0 < left_out <= rows / 2  # those of one of two layers
        assert f"; {left_out:,} of {rows:,} rows left out, as keys tie" in check.measured

    def test_random_globals_are_verified(self, converted: Maker, tmp_path: Path) -> None:
        options = {**OPTIONS, "global_init": "random", "num_global_tokens": 5, "mask_first_token": False}
        output = convert(converted("bert").source, output=tmp_path / "random", **options).output
        assert package.verify(output).verdict == "passed"


class TestWhatStays:
    def test_report_goes_into_record_card_and_picture(self, breakable: Maker) -> None:
        folder = breakable("bert")
        card = folder.folder / "README.md"
        card.write_text(card.read_text(encoding="utf-8").replace("## Use", "My own words.\n\n## Use") + "\nAnd more.\n")
        report = folder.verify()
        record = read_record(folder.folder)
        assert record.verification == report.as_record()
        text = card.read_text(encoding="utf-8")
        assert "My own words." in text
        assert text.endswith("And more.\n")
        assert text.count("## Verification") == 1
        assert "| attention by definition | max" in text
        assert "(verification.png)" in text
        assert (folder.folder / "verification.png").read_bytes().startswith(b"\x89PNG")
        assert not folder.verify().failed

    def test_a_shorter_verification_does_not_replace_a_longer_one(self, breakable: Maker) -> None:
        folder = breakable("bert")
        folder.verify()
        folder.verify(level="integrity")
        assert read_record(folder.folder).verification.level == "reach"

    def test_checks_that_are_no_more_do_not_keep_a_report_there(self, breakable: Maker) -> None:
        folder = breakable("bert")
        record = read_record(folder.folder)
        assert record.verification is not None
        former = replace(record.verification.checks[-1], name="parity, globals muted")
        checks = (*record.verification.checks, former)
        write_record(folder.folder, replace(record, verification=replace(record.verification, checks=checks)))
        report = folder.verify(level="exact")
        assert read_record(folder.folder).verification == report.as_record()

    def test_a_folder_that_cannot_be_written_to_is_verified_all_the_same(
        self, breakable: Maker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = breakable("bert")
        before, write = read_record(folder.folder), Path.write_text

        def refuse(self: Path, *arguments: Any, **options: Any) -> int:
            if self.is_relative_to(folder.folder):
                raise PermissionError(13, "Permission denied", str(self))
            return write(self, *arguments, **options)

        monkeypatch.setattr(Path, "write_text", refuse)
        assert folder.verify(level="kernel").verdict == "passed"
        monkeypatch.undo()
        assert read_record(folder.folder) == before


def test_records_of_earlier_versions_are_still_read() -> None:
    check = {"name": "drift", "level": "drift", "status": "passed", "passed": True, "measured": "max |Δ| 0.1"}
    report = from_json(VerificationReport, {"verdict": "passed", "level": "drift", "checks": [check]}, "report")
    assert report.sentence == "Passed: all 1 checks, up to drift."


def test_numbers_that_are_none_are_still_json() -> None:
    result = Result("check", Level.EXACT, "failed", values={"max_abs": float("inf"), "lines": [[1, float("nan")]]})
    assert json.loads(json.dumps(result.as_dict(), allow_nan=False))["values"] == {
        "max_abs": "inf",
        "lines": [[1, "nan"]],
    }


def test_public_functions_win_over_modules_of_their_name() -> None:
    assert callable(package.verify)
    assert callable(package.convert)
