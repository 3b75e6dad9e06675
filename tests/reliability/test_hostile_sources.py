"""Hostile sources through the installed command: refused with a sentence, or converted without running anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.command import Run, lsg_convert
from tests.reliability.conftest import LENGTHS, assert_said_clearly, tree
from tests.reliability.forked import forked
from tests.reliability.hostile import CANARY, CASES, header_file

Row = Callable[..., None]


def _convert(source: Path, *options: str) -> Run:
    return forked("./source", *LENGTHS, "--output", "out", "--no-verify", *options, cwd=source.parent, timeout=60)


@pytest.mark.parametrize("name", CASES)
def test_refused(name: str, source: Path, row: Row) -> None:
    case = CASES[name]
    case.build(source)
    before = tree(source.parent)
    if (source / "pytorch_model.bin").exists():  # read by torch, which takes its time to load
        run = _convert(source)
    else:
        run = lsg_convert("./source", *LENGTHS, "--output", "out", cwd=source.parent, timeout=60)
    assert_said_clearly(run, case.exit_code)
    assert tree(source.parent) == before, "something was left behind, or the source was changed"
    row("Hostile source", case.title, run)


def _edit(name: str, **values: Any) -> Callable[[Path], None]:
    def edit(source: Path) -> None:
        path = source / name
        content = json.loads(path.read_text()) if path.is_file() else {}
        path.write_text(json.dumps(content | values))

    return edit


CONFIGS: dict[str, dict[str, Any]] = {
    "config that asks for 10¹² positions": {"max_position_embeddings": 10**12},
    "config that asks for a vocabulary of 10¹²": {"vocab_size": 10**12},
    "config that asks for 10⁹ layers": {"num_hidden_layers": 10**9},
    "config that asks for a width of 10¹²": {"hidden_size": 10**12},
    "config with a number of 400 digits": {"max_position_embeddings": 10**400},
    "config with negative positions": {"max_position_embeddings": -5},
    "config with text for a number": {"max_position_embeddings": "many"},
    "config with null for a number": {"max_position_embeddings": None},
    "config with a list for a number": {"vocab_size": [1, 2]},
    "config with an unknown model_type": {"model_type": "quasar"},
    "config with escape codes in model_type": {"model_type": "be\x1b[2J\nrt"},
    "config with a number for model_type": {"model_type": 7},
    "config with a path for model_type": {"model_type": "../../etc"},
    "config with an unknown architecture": {"architectures": ["Bert\x1b[31mForEverything"]},
}


@pytest.mark.parametrize("title", CONFIGS)
def test_config_refused(title: str, source: Path, row: Row) -> None:
    _edit("config.json", **CONFIGS[title])(source)
    before = tree(source.parent)
    run = _convert(source)
    if run.code == 0:  # what can be read from the tensors themselves needs no config
        assert "architectures" in CONFIGS[title]
    else:
        assert_said_clearly(run, 2)
        assert tree(source.parent) == before
    row("Hostile source", title, run, "converted by what the weights themselves say" if run.code == 0 else None)


EVIL = f"import os\nos.mkdir(os.path.join({{folder!r}}, {CANARY!r}))\nclass Evil: pass\n"


def _code(*edits: Callable[[Path], None]) -> Callable[[Path], None]:
    def build(source: Path) -> None:
        for edit in edits:
            edit(source)
        for name in ("evil.py", "modeling_evil.py", "modeling_lsg_bert.py", "custom_generate/generate.py"):
            (source / name).parent.mkdir(exist_ok=True)
            (source / name).write_text(EVIL.format(folder=str(source.parent)))

    return build


_AUTO = {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil", "AutoTokenizer": ["evil.Evil", "evil.Evil"]}
CODE: dict[str, Callable[[Path], None]] = {
    "config whose auto_map points at code": _code(_edit("config.json", auto_map=_AUTO)),
    "auto_map that points at another repository": _code(
        _edit("config.json", auto_map={"AutoModel": "somebody/evil--evil.Evil"})
    ),
    "tokenizer whose auto_map points at code": _code(
        _edit("tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Evil", None]})
    ),
    "tokenizer of a foreign class": _code(_edit("tokenizer_config.json", tokenizer_class="EvilTokenizer")),
    "tokenizer of the class os.system": _code(_edit("tokenizer_config.json", tokenizer_class="os.system")),
    "modules.json that names code": _code(
        lambda source: (source / "modules.json").write_text(
            json.dumps([{"idx": 0, "name": "0", "path": "", "type": "evil.Evil"}])
        )
    ),
    "modules.json that leads out of the folder": _code(
        lambda source: (source / "modules.json").write_text(
            json.dumps([{"idx": 0, "name": "0", "path": "../../..", "type": "sentence_transformers.models.Pooling"}])
        )
    ),
}

VERIFIED = "config whose auto_map points at code"


@pytest.mark.parametrize("title", CODE)
def test_code_of_a_source_is_never_run(title: str, source: Path, row: Row) -> None:
    CODE[title](source)
    before = tree(source)
    # what a verification does to a folder it does after all else: once is enough
    run = _convert(source, *(["--verify"] if title == VERIFIED else []))
    assert not (source.parent / CANARY).exists()
    assert tree(source) == before
    assert {path.name for path in source.parent.iterdir()} <= {"source", "out"}
    if run.code == 0:
        out = source.parent / "out"
        assert not list(out.rglob("*evil*"))
        assert "evil" not in (out / "config.json").read_text()
        assert "auto_map" not in json.loads((out / "tokenizer_config.json").read_text())
        assert CANARY not in (out / "modeling_lsg_bert.py").read_text()
    else:
        assert_said_clearly(run, 2)
    row("Hostile source", title, run, "converted; the code was not run, and does not travel" if run.code == 0 else None)


CARDS = {
    "model card with a broken header": b"---\nlicense: [mit\ntags: {a: b\n---\ntext",
    "model card of random bytes": bytes(range(256)) * 20,
    "model card that YAML could run": b"---\nlicense: !!python/object/apply:os.mkdir ['"
    + CANARY.encode()
    + b"']\n---\n",
    "model card that grows when it is read": b"---\na: &a [x,x,x,x,x,x,x,x,x]\n"
    + b"".join(b"%c: &%c [%s]\n" % (98 + i, 98 + i, b",".join([b"*%c" % (97 + i)] * 9)) for i in range(9))
    + b"tags: *j\n---\n",
}


@pytest.mark.parametrize("title", CARDS)
def test_a_broken_card_does_not_stop_a_conversion(title: str, source: Path, row: Row) -> None:
    (source / "README.md").write_bytes(CARDS[title])
    run = _convert(source)
    assert run.code == 0, run.output
    assert not (source.parent / CANARY).exists()
    assert (source.parent / "out" / "README.md").stat().st_size < 100_000
    row("Hostile source", title, run, "converted; nothing was run, and the new card is sound")


def test_names_with_control_characters_are_never_printed_raw(source: Path, row: Row) -> None:
    header, *_ = (json.loads(_header(source / "model.safetensors")),)
    size = max(entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__")
    header["evil\x1b[2J\r\nname"] = {"dtype": "F32", "shape": [1], "data_offsets": [size, size + 4]}
    data = (source / "model.safetensors").read_bytes()[-size:]
    header_file(source / "model.safetensors", header, data + bytes(4))
    run = _convert(source)
    assert "\x1b[2J" not in run.output and "\r" not in run.output
    assert run.code in (0, 2)
    happened = "converted; the name is shown escaped" if run.code == 0 else None
    row("Hostile source", "sound weights with escape codes in a tensor's name", run, happened)


def _header(path: Path) -> bytes:
    data = path.read_bytes()
    return data[8 : 8 + int.from_bytes(data[:8], "little")]
