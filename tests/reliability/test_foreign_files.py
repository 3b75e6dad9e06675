"""Foreign files that used to end in a traceback, a hang, or with somebody else's file in the folder."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.command import Run, lsg_convert
from tests.reliability.conftest import LENGTHS, assert_said_clearly, tree
from tests.reliability.forked import forked
from tests.reliability.hostile import header_file
from tests.reliability.test_hostile_sources import _edit, _header

Row = Callable[..., None]
GROUP = "Foreign files"
DEEP = '{"a":' * 600 + "1" + "}" * 600


def _convert(source: Path, *options: str) -> Run:
    return forked(
        f"./{source.name}", *LENGTHS, "--output", "out", "--no-verify", *options, cwd=source.parent, timeout=60
    )


def _text(name: str, text: str) -> Callable[[Path], None]:
    def build(source: Path) -> None:
        (source / name).unlink(missing_ok=True)
        (source / name).write_text(text, encoding="utf-8")

    return build


def _in_json(name: str, text: str) -> Callable[[Path], None]:
    """Add `"x": text` to a JSON file, as it stands."""

    def build(source: Path) -> None:
        content = (source / name).read_text().rstrip()
        (source / name).write_text(content.removesuffix("}") + f', "x": {text}}}')

    return build


REFUSED: dict[str, Callable[[Path], None]] = {
    "config nested 600 deep": _in_json("config.json", DEEP),
    "tokenizer_config.json nested 600 deep": _in_json("tokenizer_config.json", DEEP),
    "config with half a character, \\ud800": _in_json("config.json", '"\\ud800"'),
    "config with half a character in a name": _in_json("config.json", '{"\\udfff": 1}'),
    "tokenizer_config.json with half a character": _in_json("tokenizer_config.json", '"\\udc00"'),
    "config with NaN": _in_json("config.json", "NaN"),
    "config with 1e999": _in_json("config.json", "1e999"),
    "config with a number of 10,000 digits in a list": _in_json("config.json", f"[{'7' * 10_000}]"),
    "num_labels 10¹⁰": _edit("config.json", num_labels=10**10),
    "id2label of 20,000 labels": _edit("config.json", id2label={str(n): "x" for n in range(20_000)}),
    "id2label that is a list": _edit("config.json", id2label=["a", "b"]),
    "id2label with a text for a number": _edit("config.json", id2label={"one": "a"}),
    "intermediate_size 10⁹": _edit("config.json", intermediate_size=10**9),
    "intermediate_size that no tensor has": _edit("config.json", intermediate_size=200),
    "type_vocab_size 10¹⁰": _edit("config.json", type_vocab_size=10**10),
    "num_attention_heads true": _edit("config.json", num_attention_heads=True),
    "num_hidden_layers that is a list": _edit("config.json", num_hidden_layers=[2]),
    "hidden_size that is a text": _edit("config.json", hidden_size="32"),
    "hidden_dropout_prob that is a list": _edit("config.json", hidden_dropout_prob=[0.1]),
    "hidden_act that is a number": _edit("config.json", hidden_act=3),
    "pad_token_id that is a text": _edit("config.json", pad_token_id="0"),
    "architectures that is a text": _edit("config.json", architectures="BertForMaskedLM"),
    "is_decoder that is a text": _edit("config.json", is_decoder="no"),
}
PAIR = {
    "decoder_layers 10⁷": _edit("config.json", decoder_layers=10**7),
    "decoder_layers more than the weights have": _edit("config.json", decoder_layers=1),
    "decoder_ffn_dim 10⁷": _edit("config.json", decoder_ffn_dim=10**7),
    "decoder_attention_heads 0": _edit("config.json", decoder_attention_heads=0),
}


@pytest.mark.parametrize("title", REFUSED)
def test_refused(title: str, source: Path, row: Row) -> None:
    _assert_refused(title, REFUSED[title], source, row)


@pytest.mark.parametrize("title", PAIR)
def test_decoders_refused(title: str, checkpoint: Callable[..., Path], source: Path, row: Row) -> None:
    for path in (*source.iterdir(),):
        path.unlink()
    for path in checkpoint("bart").iterdir():
        (source / path.name).write_bytes(path.read_bytes())
    _assert_refused(title, PAIR[title], source, row)


def _assert_refused(title: str, build: Callable[[Path], None], source: Path, row: Row) -> None:
    build(source)
    before = tree(source.parent)
    run = _convert(source)
    assert_said_clearly(run, 2)
    assert tree(source.parent) == before
    row(GROUP, title, run)


def _fifo(name: str) -> Callable[[Path], None]:
    def build(source: Path) -> None:
        (source / name).unlink(missing_ok=True)
        os.mkfifo(source / name)

    return build


def _link(name: str, target: str) -> Callable[[Path], None]:
    def build(source: Path) -> None:
        (source / name).unlink(missing_ok=True)
        (source / name).symlink_to(target)

    return build


def _sparse(name: str, size: int) -> Callable[[Path], None]:
    def build(source: Path) -> None:
        with (source / name).open("wb") as file:
            file.truncate(size)

    return build


NO_FILES = {
    "config that is a named pipe": _fifo("config.json"),
    "config linked to /dev/zero": _link("config.json", "/dev/zero"),
    "config that is a folder": lambda source: ((source / "config.json").unlink(), (source / "config.json").mkdir())[0],
    "config of 30 GB": _sparse("config.json", 30 * 10**9),
    "index that is a named pipe": lambda source: (
        (source / "model.safetensors").unlink(),
        _fifo("model.safetensors.index.json")(source),
    )[0],
    "index of 30 GB": lambda source: (
        (source / "model.safetensors").unlink(),
        _sparse("model.safetensors.index.json", 30 * 10**9)(source),
    )[0],
}


@pytest.mark.parametrize("title", NO_FILES)
def test_no_plain_files(title: str, source: Path, row: Row) -> None:
    NO_FILES[title](source)
    run = _convert(source)
    assert_said_clearly(run, 2)
    assert [path.name for path in source.parent.iterdir()] == ["source"]
    row(GROUP, title, run)


WRITTEN_CARDS: dict[str, Callable[[Path], None]] = {
    "model card with !!bool maybe": _text("README.md", "---\nlicense: mit\ntags: [!!bool maybe]\n---\n"),
    "model card with !!int ''": _text("README.md", "---\nlicense: mit\nlanguage: !!int ''\n---\n"),
    "model card with !!timestamp abc": _text("README.md", "---\nlicense: mit\ndatasets: !!timestamp abc\n---\n"),
    "model card nested 10,000 deep": _text("README.md", f"---\nlicense: mit\ntags: {'[' * 10_000}\n---\n"),
    "model card with half a character": _text("README.md", '---\nlicense: mit\ntags: ["\\ud800"]\n---\n'),
    "model card with a link that runs a script": _text(
        "README.md", "---\nlicense: mit\nlicense_link: javascript:alert(1)\n---\n"
    ),
}
CARDS = WRITTEN_CARDS | {
    "model card of 30 GB": _sparse("README.md", 30 * 10**9),
    "model card that is a named pipe": _fifo("README.md"),
    "model card linked to /dev/zero": _link("README.md", "/dev/zero"),
    "model card linked to a file beside the folder": _link("README.md", "../secret"),
}


@pytest.mark.parametrize("title", CARDS)
def test_cards(title: str, source: Path, row: Row) -> None:
    (source.parent / "secret").write_text("---\nlicense: secret\n---\n")
    CARDS[title](source)
    run = _convert(source)
    assert run.code == 0, run.output
    card = (source.parent / "out" / "README.md").read_text()
    metadata = card.removeprefix("---\n").partition("\n---\n")[0]
    assert "secret" not in card and "script" not in card
    assert ("license: mit" in metadata) == (title in WRITTEN_CARDS)
    row(GROUP, title, run, "converted; of its metadata what is sound is kept")


def test_named_like_markup(source: Path, row: Row) -> None:
    """A folder's name is text in the card: no link, no HTML, no code span that ends early."""
    for name, title in {
        "[click](http:evil)": "a Markdown link",
        "<img src=x onerror=alert(1)>": "HTML that runs a script",
        "a`b``<b>": "backticks and HTML",
        "www.evil.example": "an address",
        "x|y": "a bar, which ends cells of tables",
    }.items():
        named = source.rename(source.parent / name)
        run = _convert(named, "--force")
        assert run.code == 0, run.output
        card = (source.parent / "out" / "README.md").read_text()
        outside_of_code = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", card)
        assert name not in outside_of_code and "<img" not in outside_of_code and "](http:evil" not in outside_of_code
        row(GROUP, f"a folder whose name is {title}", run, "converted; the name is text in the card")
        source = named


def test_names_of_other_encodings(source: Path, row: Row) -> None:
    for raw, variables in ((b"caf\xe9", {}), ("modèle".encode(), {"LC_ALL": "C", "PYTHONUTF8": "0"})):
        named = source.rename(os.fsdecode(os.fsencode(source.parent) + b"/" + raw))
        run = lsg_convert(
            named, *LENGTHS, "--output", "out", "--no-verify", "--force", cwd=source.parent, timeout=60, **variables
        )
        assert run.code == 0 and "Traceback" not in run.output, run.output
        title = "a folder whose name is not UTF-8" if raw == b"caf\xe9" else "a folder named modèle, LC_ALL=C"
        row(GROUP, title, run, "converted")
        source = named


def test_a_home_that_does_not_exist(source: Path, row: Row) -> None:
    for command in (["~nobody-at-all/x"], ["inspect", "~nobody-at-all/x"], ["verify", "~nobody-at-all/x"]):
        run = forked(*command, cwd=source.parent)
        assert_said_clearly(run, 2)
    row(GROUP, "a model named ~nobody-at-all/x", run)


@pytest.mark.parametrize("title", ["text that is a named pipe", "text that is /dev/zero", "text that is a folder"])
def test_texts(title: str, converted: Path, row: Row) -> None:
    os.mkfifo(converted.parent / "pipe")
    given = {"text that is a named pipe": "pipe", "text that is /dev/zero": "/dev/zero"}.get(title, ".")
    run = forked("verify", "lsg-tiny", "--text", given, cwd=converted.parent, timeout=60)
    assert_said_clearly(run, 2)
    row(GROUP, f"verify --text, {title}", run)


def test_half_a_character_in_a_tensors_name(source: Path, row: Row) -> None:
    import torch
    from safetensors.torch import load_file

    tensors = load_file(source / "model.safetensors")
    header = json.loads(_header(source / "model.safetensors"))
    size = max(entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__")
    data = (source / "model.safetensors").read_bytes()[-size:]
    header["x\ud800"] = {"dtype": "F32", "shape": [1], "data_offsets": [size, size + 4]}
    header_file(source / "model.safetensors", header, data + bytes(4))
    run = _convert(source)
    assert_said_clearly(run, 2)
    row(GROUP, "half a character in a tensor's name", run)
    (source / "model.safetensors").unlink()
    torch.save({**tensors, "x\ud800": torch.ones(1)}, source / "pytorch_model.bin")
    run = _convert(source)
    assert_said_clearly(run, 2)
    row(GROUP, "half a character in a pickled tensor's name", run)


def _recorded(**values: Any) -> Callable[[Path], None]:
    return _edit("lsg_conversion.json", **values)


RECORDS: dict[str, Callable[[Path], None]] = {
    "record {}": _text("lsg_conversion.json", "{}"),
    "record that is a list": _text("lsg_conversion.json", "[]"),
    "record nested 600 deep": _in_json("lsg_conversion.json", DEEP),
    "record whose source is a list": _recorded(source=[]),
    "record whose options are a list": _recorded(options=[]),
    "record whose files are a list": _recorded(files=["config.json"]),
    "record whose checks are texts": _recorded(verification={"verdict": "passed", "level": "x", "checks": ["x"]}),
    "record with 10¹⁰⁰ tokens": _recorded(max_len=10**100),
    "record with a size below zero": _recorded(files={"config.json": {"size": -1, "sha256": "0" * 64}}),
    "record of a family that nobody knows": _recorded(family="../../etc"),
}


@pytest.mark.parametrize("title", RECORDS)
def test_records(title: str, converted: Path, row: Row) -> None:
    RECORDS[title](converted)
    before = tree(converted)
    for command in (["verify", "lsg-tiny"], ["inspect", "lsg-tiny"], ["push", "lsg-tiny", "me/x", "--dry-run"]):
        run = forked(*command, cwd=converted.parent, timeout=60)
        assert_said_clearly(run, 2)
    assert tree(converted) == before
    row(GROUP, f"verify, inspect, push: {title}", run)
