"""Made-up and damaged headers, indexes and configs: each is read, or refused with a sentence."""

from __future__ import annotations

import json
import random
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from lsg_convert.common.errors import LSGConvertError
from lsg_convert.plan.options import ConvertOptions
from lsg_convert.plan.plan import make_plan
from lsg_convert.sources.checkpoint import Checkpoint
from lsg_convert.sources.safetensors_header import read_header
from tests.reliability.hostile import header_file, tensor
from tests.reliability.table import FUZZED

# without a database and with fixed seeds: every run of the suite is the same
STEADY = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "suppress_health_check": list(HealthCheck),
}
NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70), st.sampled_from([0, 1, 4, 8, 16, 2**31, 2**63, 2**64, -1, 10**30]), st.floats()
)
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=8), st.just("../../x"), st.just("\x1b[2J\n"))
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)),
    max_leaves=8,
)


def _check_header(path: Path) -> None:
    """Read or refused; what is read lies in the file without overlap, and safetensors itself reads it too."""
    try:
        entries = read_header(path)
    except LSGConvertError as error:
        assert error.message.isprintable() and len(error.message) < 600
        return
    size, end = path.stat().st_size, None
    for entry in entries:
        assert end is None or entry.offset == end
        end = entry.offset + entry.nbytes
    assert end is None or end == size
    with safe_open(path, "pt") as opened:
        assert set(opened.keys()) == {entry.name for entry in entries}


DESCRIPTIONS = st.builds(
    lambda dtype, shape, begin, end, extra: {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]} | extra,
    st.one_of(st.sampled_from(["F32", "F16", "BF16", "I64", "U8", "BOOL", "F4"]), LEAVES),
    st.one_of(st.lists(st.integers(0, 6), max_size=4), st.lists(NUMBERS, max_size=3), LEAVES),
    st.one_of(st.integers(0, 64), NUMBERS),
    st.one_of(st.integers(0, 64), NUMBERS),
    st.one_of(st.just({}), st.dictionaries(st.text(max_size=5), LEAVES, max_size=1)),
)


@settings(max_examples=600, **STEADY)
@given(
    header=st.dictionaries(st.text(max_size=6), st.one_of(DESCRIPTIONS, JSON), max_size=4),
    data=st.binary(max_size=64),
    length=st.one_of(st.none(), st.integers(0, 2**64 - 1)),
)
def test_made_up_headers(
    header: dict[str, Any], data: bytes, length: int | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    FUZZED["safetensors headers"] += 1
    path = _place(tmp_path_factory) / "made-up.safetensors"
    header_file(path, header, data, length)
    _check_header(path)


@settings(max_examples=700, **STEADY)
@given(seed=st.integers(0, 2**32), edits=st.integers(1, 6))
def test_damaged_files(seed: int, edits: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    FUZZED["safetensors headers"] += 1
    path = _place(tmp_path_factory) / "damaged.safetensors"
    header_file(path, {"a": tensor(), "b.c": tensor(16, 24, (2, 2), "F16"), "d": tensor(24, 24, (0, 7))}, bytes(24))
    data = bytearray(path.read_bytes())
    chance = random.Random(seed)
    for _ in range(edits):
        kind, at = chance.randrange(5), chance.randrange(len(data) or 1)
        if kind == 0:
            data[at : at + 1] = bytes([chance.randrange(256)])
        elif kind == 1:
            data[at : at + 1] = chance.choice([b"9", b"-", b'"', b"[", b"}", b"0", b","])
        elif kind == 2:
            del data[at:]
        elif kind == 3:
            data[at:at] = data[at : at + chance.randrange(40)]
        else:
            data[: min(8, len(data))] = chance.randrange(300).to_bytes(8, "little")[: min(8, len(data))]
    path.write_bytes(data)
    _check_header(path)


@settings(max_examples=200, **STEADY)
@given(
    index=st.one_of(
        JSON,
        st.fixed_dictionaries({"weight_map": st.dictionaries(st.sampled_from("abc"), JSON, max_size=3)}),
        st.fixed_dictionaries(
            {
                "weight_map": st.dictionaries(
                    st.sampled_from("abw"),
                    st.sampled_from(
                        [
                            "one.safetensors",
                            "../one.safetensors",
                            "/etc/passwd",
                            "one.safetensors\0",
                            "x/../one.safetensors",
                        ]
                    ),
                    max_size=3,
                )
            }
        ),
    )
)
def test_made_up_indexes(index: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    FUZZED["shard indexes"] += 1
    folder = _place(tmp_path_factory) / "sharded"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text("{}")
    header_file(folder / "one.safetensors", {"w": tensor()}, bytes(16))
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    try:
        checkpoint = Checkpoint.open(folder)
    except LSGConvertError as error:
        assert error.message.isprintable()
        return
    assert {info.file for info in checkpoint.tensors.values()} == {folder / "one.safetensors"}


@settings(max_examples=600, **STEADY)
@given(data=st.data(), is_converted=st.booleans())
def test_damaged_configs(data: st.DataObject, is_converted: bool, tiny: Path, _converted: Path) -> None:
    """A config is never a reason to crash, to take memory, or to plan what the weights do not give."""
    FUZZED["configs"] += 1
    folder = _converted if is_converted else tiny
    sound = _opened(folder)
    config = dict(sound.config)
    for name in data.draw(st.lists(st.sampled_from([*config, "auto_map", "x"]))):
        if data.draw(st.booleans()):
            config[name] = data.draw(JSON)
        else:
            config.pop(name, None)
    try:
        plan = make_plan(Checkpoint(folder, config, sound.tensors), ConvertOptions())
    except LSGConvertError as error:
        assert error.exit_code == 2 and len(error.message) < 2000
        return
    assert plan.max_len in (64, 256, 4096)
    assert json.dumps(plan.config, default=str)


def test_damaged_pickles(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever zipfile and torch make of a damaged file, it is the file that is wrong, and not the disk."""
    import torch

    folder = _place(tmp_path_factory) / "pickled"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text("{}")
    path = folder / "pytorch_model.bin"
    torch.save({f"layer.{number}": torch.ones(number) for number in range(40)}, path)
    sound = path.read_bytes()
    for seed in range(300):
        data = bytearray(sound)
        chance = random.Random(seed)
        for _ in range(chance.randint(1, 3)):
            # one byte of the list of parts, which is at the end; or some bytes more or less anywhere
            at = chance.randrange(len(data) - 120, len(data)) if chance.random() < 0.5 else chance.randrange(len(data))
            data[at : at + chance.choice((0, 1, 1, 9))] = bytes([chance.randrange(256)])
        path.write_bytes(data)
        try:
            Checkpoint.open(folder)
        except LSGConvertError as error:
            assert error.exit_code == 2, (seed, error.message)


@lru_cache
def _opened(folder: Path) -> Checkpoint:
    return Checkpoint.open(folder)


def _place(factory: pytest.TempPathFactory) -> Path:
    place = factory.getbasetemp() / "fuzz"
    place.mkdir(exist_ok=True)
    return place
