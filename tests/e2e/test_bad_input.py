"""What a user can get wrong: each request is refused clearly, with its exit code, and leaves nothing behind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.command import Run, lsg_convert


@dataclass(frozen=True)
class BadInput:
    """One way to get it wrong: `spoil` changes a sound BERT folder, `arguments` is what is run beside it."""

    title: str
    arguments: Sequence[str]
    says: Sequence[str]
    exit_code: int = 2
    spoil: Callable[[Path], None] = lambda folder: None


def _config(**changes: Any) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return spoil


def _config_text(text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "config.json").write_text(text)


def _truncate(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def _corrupt(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(b"\xff" * 64 + path.read_bytes()[64:])


def _without_a_shard(folder: Path) -> None:
    from safetensors.torch import load_file
    from transformers import AutoConfig, BertForMaskedLM

    tensors = load_file(folder / "model.safetensors")
    model = BertForMaskedLM(AutoConfig.from_pretrained(folder))
    model.load_state_dict(tensors, strict=False)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="50KB")
    shards = sorted(folder.glob("model-*.safetensors"))
    assert len(shards) > 2
    shards[1].unlink()


def _without_tokenizer(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        (folder / name).unlink()


def _existing_output(folder: Path) -> None:
    (folder.parent / "taken").mkdir()
    (folder.parent / "taken" / "thesis.txt").write_text("the only copy")


CASES = (
    BadInput("no such short name", ["bert-bas-uncased"], ["bert-bas-uncased", "bert-base-uncased"]),
    BadInput("no such folder", ["./nowhere"], ["./nowhere", "folder"]),
    BadInput("a file", ["source/config.json"], ["is a file"]),
    BadInput("no model", ["convert"], ["MODEL"]),
    BadInput("two models", ["source", "other"], ["other"]),
    BadInput("unknown option", ["source", "--blocksize", "64"], ["--blocksize", "--block-size"]),
    BadInput("a folder that is no model", ["."], ["config.json"]),
    BadInput("unsupported model type", ["source"], ["gpt2", "decoder", "bert"], spoil=_config(model_type="gpt2")),
    BadInput("unknown model type", ["source"], ["galaxy", "families"], spoil=_config(model_type="galaxy")),
    BadInput("no model type", ["source"], ["model_type"], spoil=_config(model_type=None)),
    BadInput("a decoder", ["source"], ["is_decoder"], spoil=_config(is_decoder=True)),
    BadInput("class of another family", ["source", "--architecture", "BartModel"], ["BartModel", "BertForMaskedLM"]),
    BadInput("shorter than the source", ["source", "--max-len", "32"], ["32", "64"]),
    BadInput("no length at all", ["source", "--max-len", "0"], ["max-len", "0"]),
    BadInput("a length beyond reach", ["source", "--max-len", "1000000000"], ["max-len", "1000000000"]),
    BadInput("length in words", ["source", "--max-len", "long"], ["--max-len"]),
    BadInput(
        "block size not divisible",
        ["source", "--block-size", "100", "--sparsity-factor", "3"],
        ["sparsity_factor=3", "block_size=100"],
    ),
    BadInput("factor above block size", ["source", "--block-size", "8", "--sparsity-factor", "16"], ["16", "8"]),
    BadInput("block size 0", ["source", "--block-size", "0"], ["block_size=0"]),
    BadInput("negative block size", ["source", "--block-size", "-128"], ["block_size=-128"]),
    BadInput("513 globals", ["source", "--num-global-tokens", "513"], ["513", "512"]),
    BadInput("negative globals", ["source", "--num-global-tokens", "-1"], ["-1", "512"]),
    BadInput("unknown sparsity type", ["source", "--sparsity-type", "random"], ["random", "norm", "block_stride"]),
    BadInput("unknown positions", ["source", "--positions", "mirror"], ["mirror", "tile-all"]),
    BadInput("unknown dtype", ["source", "--dtype", "int8"], ["int8", "bfloat16"]),
    BadInput("shard size that is none", ["source", "--max-shard-size", "big"], ["big", "5GB"]),
    BadInput("revision of a folder", ["source", "--revision", "main"], ["--revision", "folder"]),
    BadInput("output exists", ["source", "--output", "taken"], ["taken", "not empty"], spoil=_existing_output),
    BadInput("output is a file", ["source", "--output", "source/config.json", "--force"], ["file"]),
    BadInput("output is the source", ["source", "--output", "source", "--force"], ["source"]),
    BadInput("output is the current folder", ["source", "--output", ".", "--force"], ["current folder"]),
    BadInput("output cannot be written", ["source", "--output", "/proc/lsg"], ["/proc"], exit_code=3),
    BadInput("output below a file", ["source", "--output", "source/config.json/out"], ["config.json", "is a file"]),
    BadInput("truncated weights", ["source"], ["model.safetensors"], spoil=_truncate),
    BadInput("corrupt weights", ["source"], ["model.safetensors"], spoil=_corrupt),
    BadInput("no weights", ["source"], ["weights"], spoil=lambda folder: (folder / "model.safetensors").unlink()),
    BadInput("missing shard", ["source"], ["model-00002-of-"], spoil=_without_a_shard),
    BadInput("config is not JSON", ["source"], ["config.json"], spoil=_config_text("{oops")),
    BadInput("config is a list", ["source"], ["config.json"], spoil=_config_text("[1]")),
    BadInput("hidden size contradicts", ["source"], ["hidden_size=48", "32"], spoil=_config(hidden_size=48)),
    BadInput("layers contradict", ["source"], ["num_hidden_layers"], spoil=_config(num_hidden_layers=5)),
    BadInput("positions contradict", ["source"], ["999", "64"], spoil=_config(max_position_embeddings=999)),
    BadInput("no tokenizer", ["source"], ["tokenizer"], spoil=_without_tokenizer),
    BadInput("inspect nothing", ["inspect", "./nowhere"], ["./nowhere"]),
    BadInput("inspect a foreign family", ["inspect", "source"], ["llama"], spoil=_config(model_type="llama")),
    BadInput("verify nothing", ["verify", "nowhere"], ["nowhere"]),
    BadInput("push nothing", ["push", "nowhere", "me/x"], ["nowhere"]),
    BadInput("push what is no converted folder", ["push", "source", "me/x"], ["source"]),
    BadInput("bench nothing", ["bench", "nowhere"], ["nowhere"]),
)  # fmt: skip


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title.replace(" ", "-"))
def test_refused_with_a_clear_message(
    case: BadInput, form: str, checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    source = tmp_path / "source"
    shutil.copytree(checkpoint("bert", "BertForMaskedLM"), source)
    case.spoil(source)
    before = contents(tmp_path)

    options = ["--json"] if form == "json" else []
    done = lsg_convert(*case.arguments, *options, cwd=tmp_path)

    assert done.code == case.exit_code, done.output
    assert "Traceback" not in done.output
    said = said_as_json(done, case.exit_code) if form == "json" else said_as_text(done)
    for word in case.says:
        assert word in said, f"{word!r} is not in: {said}"
    assert contents(tmp_path) == before


def said_as_text(done: Run) -> str:
    """Return what was said on stderr: an error in one line, and at most three more."""
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert len(done.stderr.strip().splitlines()) <= 4, done.stderr
    return done.stderr


def said_as_json(done: Run, exit_code: int) -> str:
    """Return what was said as JSON: one object on stdout, nothing on stderr."""
    assert done.stderr == ""
    error = done.json["error"]
    assert set(error) == {"message", "hint", "exit_code"}
    assert error["exit_code"] == exit_code
    return f"{error['message']}\n{error['hint']}"


def contents(folder: Path) -> dict[str, bytes | None]:
    """Return everything in a folder, hidden files too."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}
