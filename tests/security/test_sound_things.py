"""What the library takes is not refused, and what is nobody's fault is no failure."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lsg_convert import convert, verify
from lsg_convert.common.errors import OutsideError, RequestError
from lsg_convert.modeling.lsg_options import LSGOptions
from lsg_convert.verification.check import NOT_RUN, Check, Level, Measurement, run_check
from lsg_convert.verification.limits import Limits
from lsg_convert.verification.memory import is_out_of_memory
from tests.security.conftest import OPTIONS, edit_json

GENERATION: dict[str, dict[str, Any]] = {
    "num_return_sequences": {"num_beams": 4, "num_return_sequences": 4},
    "return_dict_in_generate": {"return_dict_in_generate": True, "output_scores": True},
    "stop_strings": {"stop_strings": ["end"]},
    "prompt_lookup_num_tokens": {"prompt_lookup_num_tokens": 3},
    "penalty_alpha": {"penalty_alpha": 0.6, "top_k": 4},
    "min_length": {"min_length": 56, "max_length": 142, "no_repeat_ngram_size": 3, "length_penalty": 2.0},
}


@pytest.fixture(scope="module")
def bart(checkpoint: Callable[..., Path]) -> Path:
    return checkpoint("bart")


@pytest.mark.parametrize("title", GENERATION)
def test_generation_settings_do_not_fail_the_greedy_check(title: str, bart: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(bart, tmp_path / "source"))
    edit_json(source / "generation_config.json", decoder_start_token_id=2, **GENERATION[title])
    result = convert(source, output=tmp_path / "out", **OPTIONS)
    assert result.verification is not None
    assert "greedy decoding" in result.verification.named("passed")
    kept = json.loads((result.output / "generation_config.json").read_text())
    assert GENERATION[title].items() <= kept.items()


OUT_OF_MEMORY = [
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 3 bytes."),
    RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("unable to mmap 4096 bytes from file </x>: Cannot allocate memory (12)"),
    OSError(12, "Cannot allocate memory"),
    ImportError("libtorch.so: failed to map segment from shared object"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=str)
def test_too_little_memory_is_not_run(error: Exception) -> None:
    class Greedy(Check):
        name = "greedy"
        level = Level.EXACT

        def measure(self, subject: Any) -> Measurement:
            try:
                raise error
            except Exception as cause:
                raise OutsideError("cannot read the weights.") from cause

    class Nothing:
        limits = Limits()

    result = run_check(Greedy(), Nothing())  # type: ignore[arg-type]
    assert (result.status, result.reason) == (NOT_RUN, "not enough memory")


def test_other_errors_are_no_lack_of_memory() -> None:
    for error in (RuntimeError("size mismatch"), OSError(5, "Input/output error"), ValueError("not enough memory")):
        assert not is_out_of_memory(error)


class TestWholeNumbers:
    def test_written_as_floats_are_taken(self) -> None:
        options = LSGOptions(block_size=64.0, sparsity_factor=2.0)  # type: ignore[arg-type]
        options.validate()
        assert (options.block_size, type(options.block_size), type(options.sparsity_factor)) == (64, int, int)

    @pytest.mark.parametrize(
        ("name", "value"),
        [("block_size", 1.5), ("sparsity_factor", "2"), ("adaptive", 1), ("num_global_tokens", True),
         ("block_size", None), ("sparsity_type", 3), ("block_size", float("nan")), ("block_size", float("inf"))],
    )  # fmt: skip
    def test_that_are_none_are_refused_by_name(self, name: str, value: Any) -> None:
        with pytest.raises(ValueError, match=name):
            LSGOptions(**{name: value}).validate()

    def test_of_a_published_folder(self, folder: Path, tmp_path: Path) -> None:
        edit_json(folder / "config.json", block_size=16.0, sparse_block_size=16.0)
        out = convert(folder, output=tmp_path / "again").output
        config = json.loads((out / "config.json").read_text())
        assert config["block_size"] == 16 and isinstance(config["block_size"], int)
        edit_json(folder / "config.json", block_size=1.5)
        with pytest.raises(RequestError, match=r"block_size=1\.5"):
            convert(folder, output=tmp_path / "never")


def test_a_folder_verifies_from_a_cache_of_links(folder: Path, source: Path, tmp_path: Path) -> None:
    """As the Hub keeps a snapshot: every file a link to a blob."""
    snapshot, blobs = tmp_path / "m" / "snapshots" / "c", tmp_path / "m" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for number, path in enumerate(sorted(folder.rglob("*"))):
        if path.is_file():
            shutil.copyfile(path, blobs / str(number))
            (snapshot / path.name).symlink_to(f"../../blobs/{number}")
    report = verify(snapshot, source, level="exact")
    assert not report.failed
