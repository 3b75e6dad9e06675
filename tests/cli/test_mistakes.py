"""What people type by mistake, and the answer: the exit code, and what has to be in the message or the hint."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lsg_convert.cli.app import run
from lsg_convert.common.interruption import RUN

FILES = {
    "lora/adapter_config.json": "{}",
    "gguf/model.gguf": "",
    "bad.yaml": "max-len: [1",
    "list.yaml": "- bert",
    "typo.yaml": "max-length: 8192",
    "nested.yaml": "max-len: {a: 1}",
    "secret.yaml": "token: hf_abc",
}
# What is typed behind `lsg-convert` (words between spaces, "" is an empty one) → exit code, parts of the answer.
MISTAKES: dict[str, tuple[int, tuple[str, ...]]] = {
    # commands
    "verfiy": (2, ("no command and no model 'verfiy'", "`lsg-convert verify`")),
    "famlies": (2, ("no command and no model 'famlies'", "`lsg-convert families`")),
    "verfy my-bert": (2, ("`lsg-convert verify`",)),
    "Push": (2, ("`lsg-convert push`",)),
    "list": (2, ("`lsg-convert families`",)),
    "upload my-bert": (2, ("`lsg-convert push`",)),
    "info my-bert": (2, ("`lsg-convert inspect`",)),
    "benchmark": (2, ("`lsg-convert bench`",)),
    "login": (2, ("`hf auth login`",)),
    "cache": (2, ("`hf cache ls`",)),
    "convert convert my-bert": (2, ("unknown model 'convert'",)),
    "verify my-bert my-bert": (2, ("unexpected extra argument", "`lsg-convert verify --help`")),
    # names of models
    "bert_base": (2, ("unknown model 'bert_base'", "did you mean bert-base")),
    "funnel-base": (2, ("'funnel-base' cannot be converted", "as LSG blocks do")),
    "gpt2": (2, ("a decoder only",)),
    "Llama-3.1-8B": (2, ("a decoder only",)),
    "long-t5-tglobal-base": (2, ("already reaches far",)),
    "https://huggingface.co/datasets/squad": (2, ("that of a data set, not of a model",)),
    "https://huggingface.co/": (2, ("that of the Hub itself",)),
    "https://example.org/me/bert": (2, ("example.org is not the Hub", "give its folder")),
    "https://huggingface.co/me/bert": (3, ("'me/bert' is not in the cache",)),
    "https://huggingface.co/me/bert/tree/main": (3, ("'me/bert' is not in the cache",)),
    "huggingface.co/me/bert": (3, ("'me/bert' is not in the cache",)),
    "hf://me/bert": (3, ("'me/bert' is not in the cache",)),
    "me/bert/": (3, ("'me/bert' is not in the cache",)),
    "me/bert@v2": (3, ("'me/bert' is not in the cache",)),
    "https://huggingface.co/me/bert/tree/v1 --revision v2": (2, ("names the revision v1", "leave one of them out")),
    "me/bert:v2": (2, ("an @: me/bert@v2",)),
    '""': (2, ("no model was named",)),
    "hf_abcdefghijklmnopqrstuv": (2, ("unknown model '***'",)),
    # folders
    ".": (2, ("'config.json' is missing in the current folder", "below it: my-bert")),
    "lora": (2, ("an adapter (adapter_config.json)", "merge_and_unload")),
    "gguf": (2, ("a GGUF model",)),
    "my-bert/config.json": (2, ("is a file", "give the model's folder")),
    "~/nowhere": (2, ("there is no folder '~/nowhere'",)),
    # options
    "my-bert --max-length 8192": (2, ("No such option: --max-length", "--max-len")),
    "my-bert --blok-size 64": (2, ("--block-size",)),
    "my-bert --max-len 4k": (2, ("--max-len", "in digits", "4096")),
    "my-bert --max-len 4,096": (2, ("--max-len", "without k or commas")),
    "my-bert --max-len": (2, ("'--max-len' requires an argument",)),
    "my-bert —max-len 8192": (2, ("typographic dash", "--max-len")),
    "my-bert --dtype int8": (2, ("'int8' is not one of keep, float32, float16, bfloat16",)),
    "my-bert --quantize 4bit": (2, ("quantized weights are not written",)),
    "my-bert --output-dir out": (2, ("--output (-o)",)),
    "--hf-path my-bert": (2, ("without an option",)),
    "my-bert --upload-repo me/x": (2, ("--push REPO_ID",)),
    "my-bert --trust-remote-code": (2, ("never run",)),
    "my-bert --device cuda": (2, ("`verify` and `bench` take --device",)),
    "my-bert --block-size 100 --sparsity-factor 3": (2, ("`lsg-convert convert --help` explains them",)),
    "my-bert --push me/x/y": (2, ("'me/x/y' cannot be the name of a repository",)),
    "my-bert my-bert": (2, ("would be written to the same folder",)),
    "my-bert me/bert -o out": (2, ("--output names one place for 2 models",)),
    "my-bert me/bert --push me/x": (2, ("--push names one place for 2 models",)),
    "my-bert nosuch": (2, ("unknown model 'nosuch'",)),
    # files of options
    "--config bad.yaml": (2, ("bad.yaml is not valid YAML (line ",)),
    "--config list.yaml": (2, ("list.yaml holds no options",)),
    "--config typo.yaml my-bert": (2, ("no option 'max-length'", "did you mean max-len?")),
    "--config nested.yaml my-bert": (2, ("'max-len' is not one value",)),
    "--config secret.yaml my-bert": (2, ("'token' cannot be in it", "HF_TOKEN")),
    "--config none.yaml my-bert": (2, ("there is no file 'none.yaml'",)),
    "--config bad.yaml --dry-run": (2, ("bad.yaml",)),
    "my-bert --like my-bert": (2, ("'my-bert' is not a converted folder",)),
    # other commands
    "verify my-bert": (2, ("is not a converted folder", "`lsg-convert my-bert`")),
    "verify bart-base": (2, ("is a model, and not a converted folder", "`lsg-convert bart-base`")),
    "verify me/published": (3, ("'me/published' is not in the cache",)),
    "verify my-bert --level 9": (2, ("--level '9'", "5 (reach)")),
    "push me/repo": (2, ("the folder comes first", "`lsg-convert push FOLDER me/repo`")),
    "inspect": (2, ("Missing argument 'MODEL'", "`lsg-convert inspect --help`")),
    "code bert-base": (2, ("no family 'bert-base'", "did you mean")),
    "code bert --quiet": (2, ("--quiet prints nothing", "--output")),
}


@pytest.fixture
def place(checkpoint: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model, and what people mistake for one."""
    shutil.copytree(checkpoint("bert", "BertModel"), tmp_path / "my-bert")
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    RUN.go_on()
    return tmp_path


@pytest.mark.parametrize("typed", MISTAKES)
def test_mistake(typed: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, parts = MISTAKES[typed]
    before = sorted(path.name for path in place.iterdir())
    assert run([word.replace('""', "") for word in typed.split()]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("Error: ") and len(said.err.splitlines()) <= 2, said.err
    for part in parts:
        assert part.lower() in said.err.lower(), said.err
    assert sorted(path.name for path in place.iterdir()) == before


def test_there_are_more_than_were_reported() -> None:
    assert len(MISTAKES) >= 12 + 20


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("help", "Usage: lsg-convert [OPTIONS] COMMAND"),
        ("help verify", "Usage: lsg-convert verify"),
        ("--help verify", "Usage: lsg-convert verify"),
        ("version", "lsg-convert "),
        ("-V", "lsg-convert "),
        ("my-bert --max_len 128 --dry-run", "64 → 128 tokens"),
        ("my-bert --sparsity-type NORM --dry-run", "(norm, factor 2"),
        ("--max-len 128 my-bert --dry-run", "64 → 128 tokens"),
        ("inspect my-bert --block-size 16", "blocks of 16 tokens"),
        ("my-bert --dry-run --output lora", "the output folder lora exists and is not empty"),
    ],
)
def test_what_is_understood(typed: str, says: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(typed.split()) == 0
    assert says in capsys.readouterr().out


def test_an_output_in_home_is_shown_there(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`~` in quotes, or in a file of options, is home too; what to do next can be pasted."""
    monkeypatch.setenv("HOME", str(place / "home of me"))
    (place / "home of me").mkdir()
    (place / "elsewhere").mkdir()
    monkeypatch.chdir(place / "elsewhere")
    assert run(["../my-bert", "--output", "~/long bert", "--no-verify", "--max-len", "128"]) == 0
    said = capsys.readouterr()
    assert "~/long bert: " in said.out
    assert "lsg-convert verify ~/'long bert'\n" in said.err
    assert f"from_pretrained('{place}/home of me/long bert'" in said.err
    assert list((place / "elsewhere").iterdir()) == []


def test_next_steps_are_quoted(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["my-bert", "--output", "a b", "--no-verify", "--max-len", "128"]) == 0
    assert "lsg-convert push './a b'\n" in capsys.readouterr().err


def test_a_missing_head_is_named_without_a_dot(
    checkpoint: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "source"
    shutil.copytree(checkpoint("bert", "BertModel"), source)
    assert run(["inspect", str(source), "--architecture", "BertForQuestionAnswering", "--json"]) == 0
    notes = json.loads(capsys.readouterr().out)["notes"]
    assert any("the source has no qa_outputs: BertForQuestionAnswering gets" in note for note in notes), notes
