"""Any JSON value where a foreign file belongs is read, or refused with a sentence; never anything else."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lsg_convert.common.errors import LSGConvertError, RequestError
from lsg_convert.common.files import read_json_object, read_limited
from lsg_convert.common.json_values import MAX_DEPTH, parse_json
from lsg_convert.folder import markdown
from lsg_convert.folder.card_metadata import LISTS, TEXTS, source_metadata
from lsg_convert.folder.record import parse_record
from lsg_convert.plan.config_values import check_config
from lsg_convert.plan.options import ConvertOptions
from lsg_convert.plan.plan import make_plan
from lsg_convert.sources.checkpoint import Checkpoint

STEADY: dict[str, Any] = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
NUMBERS = st.one_of(st.integers(), st.sampled_from([0, 1, 10**7, 10**10, 2**31, 2**63, 10**39]), st.floats())
TEXT = st.one_of(st.text(max_size=12), st.sampled_from(["", "bert", "../x", "\x1b[2J", "é💥", "<b>", "`", "[x](y)"]))
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=10,
)


@given(depth=st.integers(1, 3000), opening=st.sampled_from(["[", '{"a":', '[{"[]":', '["]]",']))
@settings(**STEADY)
def test_depth_is_bounded_before_anything_is_built(depth: int, opening: str) -> None:
    closing = {"[": "]", '{"a":': "}", '[{"[]":': "}]", '["]]",': "]"}[opening]
    text = (opening * depth + "1" + closing * depth).encode()
    if depth * (2 if opening.startswith("[{") else 1) > MAX_DEPTH:
        with pytest.raises(ValueError, match="nested too deeply"):
            parse_json(text)
    else:
        assert parse_json(text) == json.loads(text)


@given(value=JSON, escaped=st.booleans())
@settings(**STEADY)
def test_what_is_sound_is_read_as_it_is(value: Any, escaped: bool) -> None:
    text = json.dumps(value, ensure_ascii=escaped)
    sound = not re.search(r"(?<![\w\"])(?:NaN|-?Infinity)(?![\w\"])|\d{41}", text)
    try:
        assert parse_json(text.encode()) == value
    except ValueError:
        assert not sound


@pytest.mark.parametrize(
    "text", ['"\\ud800"', '{"\\udfff": 1}', '[["\\ud83d"]]', "[NaN]", "-Infinity", "1e999", "9" * 41]
)
def test_what_is_no_value_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_json(text.encode())


def test_pairs_of_surrogates_are_characters() -> None:
    assert parse_json(b'"\\ud83d\\ude00"') == "😀"


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero"), tmp_path / "nothing"):
        with pytest.raises(RequestError):
            read_limited(path, 100)
    (tmp_path / "file").write_bytes(b"x" * 101)
    with pytest.raises(RequestError, match="larger"):
        read_limited(tmp_path / "file", 100)
    with pytest.raises(LSGConvertError):
        read_json_object(tmp_path / "file")


@pytest.fixture(scope="module", params=["bert", "roberta", "albert", "bart", "t5", "mpnet"])
def sound(request: pytest.FixtureRequest, checkpoint: Callable[..., Path]) -> Checkpoint:
    return Checkpoint.open(checkpoint(request.param))


@given(data=st.data())
@settings(max_examples=150, **STEADY)
def test_any_value_in_a_config(data: st.DataObject, sound: Checkpoint) -> None:
    """It is planned, within what the weights hold, or refused."""
    names = st.sampled_from([*sound.config, "num_labels", "id2label", "decoder_layers", "pad_token_id", "dtype"])
    config = sound.config | data.draw(st.dictionaries(names, JSON, min_size=1, max_size=3))
    try:
        plan = make_plan(Checkpoint(sound.folder, config, sound.tensors), ConvertOptions())
    except LSGConvertError as error:
        assert error.exit_code == 2
        return
    for name, value in plan.config.items():
        if name.endswith(("layers", "_ffn_dim", "intermediate_size", "d_ff", "vocab_size", "num_labels")):
            assert value is None or (type(value) is int and value <= 10_000)


@given(value=JSON)
@settings(**STEADY)
def test_any_value_as_a_config(value: Any) -> None:
    if isinstance(value, dict):
        try:
            check_config(value, {"encoder.layer.0.weight": (32, 32)})
        except RequestError as error:
            assert len(error.message) < 3000


@given(value=st.dictionaries(st.sampled_from(["version", "source", "options", "files", "lsg", "family"]), JSON))
@settings(**STEADY)
def test_any_value_as_a_record(value: dict[str, Any]) -> None:
    with pytest.raises(RequestError):
        parse_record(value)


@given(lines=st.lists(st.one_of(st.text(max_size=30), st.sampled_from([f"{name}: x" for name in (*TEXTS, *LISTS)]))))
@settings(**STEADY)
def test_any_card(lines: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Texts and lists of texts come out, which YAML writes and reads back as they are."""
    folder = tmp_path_factory.getbasetemp()
    (folder / "README.md").write_text("---\n" + "\n".join(lines) + "\n---\n", encoding="utf-8", errors="replace")
    metadata = source_metadata(folder)
    assert yaml.safe_load(yaml.safe_dump(metadata, allow_unicode=True)) == metadata
    for name, value in metadata.items():
        assert name in (*TEXTS, *LISTS)
        assert all(
            isinstance(item, str) and item.isprintable() for item in ([value] if isinstance(value, str) else value)
        )


@given(name=st.one_of(TEXT, st.text(alphabet="`[]()<>!_*|ab. \\@&", max_size=20)))
@settings(**STEADY)
def test_names_are_text_in_markdown(name: str) -> None:
    for shown in (markdown.code(name), markdown.name(name)):
        fence = re.match(r"`*", shown)[0]  # type: ignore[index]
        inside = shown[len(fence) : len(shown) - len(fence)]
        if fence:
            assert shown.endswith(fence) and fence not in re.findall(r"`+", inside) and "\n" not in shown
        else:
            assert re.fullmatch(r"[\w./-]+", shown, re.ASCII)
    text = markdown.text(name)
    assert not re.search(r"(?<!\\)[\[\]`*|<>]", re.sub(r"\\\\", "", text)) and "\n" not in text
