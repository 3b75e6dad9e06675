"""`lsg-convert sweep`: figures against those computed otherwise, a run that goes on, requests it cannot serve."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lsg_convert import convert, verify
from lsg_convert.common.errors import RequestError
from lsg_convert.sweep import run
from lsg_convert.sweep.report import SweepReport
from lsg_convert.sweep.run import Data, Grid
from lsg_convert.sweep.state import DOMINATED, MEASURED
from tests.command import COMMAND
from tests.texts import LINES, long_text
from tests.warm import lsg_convert

SMALL = Grid(["norm", "none"], [16, 32], [2])
OPTIONS: dict[str, Any] = {"max_len": 128, "block_size": 16, "sparse_block_size": 16, "verify": False}


def sweep(folder: Path, state: Path, grid: Grid | None = None, **data: Any) -> SweepReport:
    """A sweep of the folder on some data."""
    return run.sweep(folder, Data(**data), grid, state)


@pytest.fixture(scope="module")
def make(checkpoint: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A maker of converted folders, of a class each."""
    made: dict[str, Path] = {}

    def folder(model_type: str, architecture: str, **config: Any) -> Path:
        if architecture not in made:
            source = checkpoint(model_type, architecture, **config)
            made[architecture] = tmp_path_factory.mktemp("sweep") / "lsg"
            convert(source, output=made[architecture], **OPTIONS)
        return made[architecture]

    return folder


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(long_text(300), encoding="utf-8")
    return path


def test_the_loss_is_that_of_verify_and_the_own_setting_is_the_folder(
    make: Callable[..., Path], text: Path, tmp_path: Path
) -> None:
    folder = make("bert", "BertForMaskedLM")
    report = sweep(folder, text=text, pieces=1, state=tmp_path / "state.json").as_dict()
    rows = {row["setting"]: row for row in report["results"]}
    assert len(rows) == 15 and next(iter(rows)) == "norm 16/2"
    checked = verify(folder, text=text)
    values = next(result.values for result in checked.results if result.name == "loss")
    assert rows["norm 16/2"]["loss"] == pytest.approx(values["long"], abs=1e-4)
    assert report["source"]["loss"] == pytest.approx(values["source"], abs=1e-4) and report["source"]["tokens"] == 64
    assert rows["lsh 32/4"]["status"] == "not run" and "--sparsity-type lsh" in rows["lsh 32/4"]["reason"]
    # Up to the source's 64 tokens blocks of 32 see all there is: the same outputs.
    assert rows["local 32"]["agreement"] == rows["local 256"]["agreement"] == 1.0
    assert rows["norm 16/2"]["cosine"] < 1 and rows["local 32"]["seconds"] > 0


def test_the_recommended_line_loads_what_was_measured(make: Callable[..., Path], text: Path, tmp_path: Path) -> None:
    import transformers

    report = sweep(make("bert", "BertForMaskedLM"), text=text, grid=SMALL, pieces=2, state=tmp_path / "state.json")
    assert report.line is not None and report.recommended is not None
    model = eval(report.line, {"AutoModelForMaskedLM": transformers.AutoModelForMaskedLM})
    for name, value in report.recommended.options.items():
        assert getattr(model.config, name) == value
    report.plot(tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_goes_on_where_it_was_stopped(
    make: Callable[..., Path], text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, state = make("bert", "BertForMaskedLM"), tmp_path / "state.json"
    real, asked = run._measure_one, []

    def counted(subject: Any, quality: Any, setting: Any, *others: Any) -> Any:
        if len(asked) == 2:
            raise KeyboardInterrupt
        asked.append(setting.name)
        return real(subject, quality, setting, *others)

    monkeypatch.setattr(run, "_measure_one", counted)
    with pytest.raises(KeyboardInterrupt):
        sweep(folder, text=text, grid=SMALL, pieces=2, state=state)
    before = json.loads(state.read_text())["settings"]
    assert list(before) == asked == ["local 16", "norm 16/2"]
    monkeypatch.setattr(run, "_measure_one", real)
    report = sweep(folder, text=text, grid=SMALL, pieces=2, state=state)
    after = json.loads(state.read_text())["settings"]
    assert {name: after[name] for name in before} == before and set(after) == {row["setting"] for row in report.rows()}
    sweep(folder, text=text, grid=SMALL, pieces=1, state=state)  # something else is asked for
    assert all(len(found["pieces"]) == 1 for found in json.loads(state.read_text())["settings"].values())


def test_what_is_plainly_worse_and_dearer_is_left(
    make: Callable[..., Path], text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lsg_convert.bench.meter import Sample
    from lsg_convert.sweep.quality import Loss

    def loss(self: Loss, model: Any, piece: int) -> dict[str, float]:
        return {"loss": 1.0 + (model.config.block_size == 32) + 0.01 * piece}

    monkeypatch.setattr(Loss, "measure", loss)
    monkeypatch.setattr(Loss, "pieces", 6)
    monkeypatch.setattr(run, "measure", lambda call, *rest, **options: Sample(1.0, 1.0, 1))
    report = sweep(make("bert", "BertForMaskedLM"), text=text, grid=SMALL, state=tmp_path / "state.json")
    found = {row["setting"]: (row["status"], row["pieces"]) for row in report.rows()}
    assert found["local 32"] == found["norm 32/2"] == (DOMINATED, 3) and found["norm 16/2"] == (MEASURED, 6)
    assert report.recommended is not None and report.recommended.block_size == 16


def test_questions_are_answered_as_the_figures_of_squad_count(make: Callable[..., Path], tmp_path: Path) -> None:
    folder = make("bert", "BertForQuestionAnswering", num_labels=2)
    asked = [{"id": 1, "question": "Where?", "answers": [{"text": "north", "answer_start": LINES[1].index("north")}]}]
    context = LINES[1] + " " + long_text(100)
    (tmp_path / "task.json").write_text(json.dumps({"data": [{"paragraphs": [{"context": context, "qas": asked}]}]}))
    report = sweep(folder, task=tmp_path / "task.json", grid=SMALL, state=tmp_path / "state.json")
    for row in report.rows():
        assert 0 <= row["exact match"] <= row["F1"] <= 100 and row["pieces"] == 1
    assert report.reference is not None and set(report.reference) == {"F1", "exact match"}


def test_summaries_and_labels(make: Callable[..., Path], tmp_path: Path) -> None:
    rows = [{"text": long_text(80), "summary": LINES[0]}, {"text": long_text(60), "summary": LINES[1]}]
    task = tmp_path / "task.jsonl"
    task.write_text("\n".join(map(json.dumps, rows)))
    grid = Grid(["none"], [16, 32], [0])
    report = sweep(make("bart", "BartForConditionalGeneration"), task=task, grid=grid, state=tmp_path / "one.json")
    for row in report.rows():
        assert row["ROUGE"] == pytest.approx((row["rouge1"] + row["rouge2"] + row["rougeL"]) / 3, abs=1e-3)

    folder = make("bert", "BertForSequenceClassification")
    task.write_text("\n".join(json.dumps({"text": long_text(50 + i), "label": f"LABEL_{i % 3}"}) for i in range(3)))
    report = sweep(folder, task=task, grid=grid, state=tmp_path / "two.json")
    assert all(row["accuracy"] in (0, pytest.approx(100 / 3, abs=1e-3), pytest.approx(200 / 3, abs=1e-3), 100)
               for row in report.rows())  # fmt: skip


def test_other_heads_are_held_against_the_source(make: Callable[..., Path], text: Path, tmp_path: Path) -> None:
    folder = make("bert", "BertModel")
    report = sweep(
        folder, text=text, pieces=1, length=60, grid=Grid(["none"], [16, 32], [0]), state=tmp_path / "s.json"
    )
    likeness = {row["setting"]: row["likeness"] for row in report.rows()}
    assert likeness["local 32"] == pytest.approx(1, abs=1e-3) and likeness["local 16"] < 0.999
    with pytest.raises(RequestError, match="the source"):
        sweep(_without_source(folder, tmp_path), text=text, state=tmp_path / "t.json")


def _without_source(folder: Path, tmp_path: Path) -> Path:
    import shutil

    copy = Path(shutil.copytree(folder, tmp_path / "alone"))
    record = json.loads((copy / "lsg_conversion.json").read_text())
    record["source"] = {"name": "gone", **{key: None for key in record["source"] if key != "name"}}
    (copy / "lsg_conversion.json").write_text(json.dumps(record))
    return copy


def test_the_command_prints_a_table_or_one_object(make: Callable[..., Path], text: Path, tmp_path: Path) -> None:
    command = ["sweep", make("bert", "BertForMaskedLM"), "--text", text, "--pieces", 1]
    command += ["--block-sizes", "16,32", "--factors", "0"]
    done = lsg_convert(*map(str, command), cwd=tmp_path)
    assert done.code == 0 and "local 16" in done.stdout and "from_pretrained(" in done.stderr
    assert (tmp_path / "lsg.sweep.json").is_file()
    again = lsg_convert(*map(str, command), "--json", cwd=tmp_path)
    found = json.loads(again.stdout)
    kept = json.loads((Path(__file__).parents[1] / "cli" / "results" / "sweep.json").read_text())
    assert found.keys() == kept.keys() and found["results"][0].keys() == kept["results"][0].keys()
    assert [row["setting"] for row in found["results"]] == ["local 16", "local 32"] and again.stderr == ""
    assert found["recommended"]["line"].startswith("AutoModelForMaskedLM.from_pretrained(")


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_measured(make: Callable[..., Path], text: Path, tmp_path: Path) -> None:
    command = [str(COMMAND), "sweep", str(make("bert", "BertForMaskedLM")), "--text", str(text), "--pieces", "1"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    state = tmp_path / "lsg.sweep.json"
    while not state.exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    if process.returncode == 0:
        pytest.skip("the run was over before the signal came")
    assert process.returncode == 130 and out == "" and "lsg.sweep.json" in err and "goes on from there" in err
    assert json.loads(state.read_text())["settings"] and list(tmp_path.iterdir()) == [state]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "Give one: --text FILE, or --task FILE"),
        (["--text", "TEXT", "--task", "TEXT"], "Give one"),
        (["--text", "none.txt"], "there is no file"),
        (["--task", "TEXT"], "SQuAD file"),
        (["--task", "none.jsonl"], "none.jsonl"),
        (["--text", "TEXT", "--block-sizes", "many"], "whole numbers"),
        (["--text", "TEXT", "--selections", "best"], "There are: norm"),
        (["--text", "TEXT", "--block-sizes", "30", "--factors", "4"], "not possible"),
        (["--text", "TEXT", "--length", "4096"], "allowed is 8 to 128"),
        (["--text", "TEXT", "--state", "TEXT"], "is there, and not of a sweep"),
        (["--text", "TEXT", "--state", "no/s.json"], "there is no folder"),
    ],
)
def test_what_cannot_be_served(
    make: Callable[..., Path], text: Path, tmp_path: Path, options: list[str], said: str
) -> None:
    given = [str(text) if option == "TEXT" else option for option in options]
    done = lsg_convert("sweep", str(make("bert", "BertForMaskedLM")), *given, cwd=tmp_path)
    assert done.code == 2 and said.lower() in " ".join(done.output.split()).lower()
    assert not list(tmp_path.iterdir())
