"""Position tables as each strategy extends them: on disk, and as `verify` sees them."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.warm import lsg_convert

TABLE = "embeddings.position_embeddings.weight"
SHARE = 0.4 / 0.6


def expected(strategy: str, table: torch.Tensor, position: int, target: int) -> torch.Tensor:
    """What a position beyond the table is, one at a time."""
    length = len(table)
    repetition, row = divmod(position - 1, length - 1)
    if strategy == "hierarchical":
        return table[1 + row] + SHARE * (table[1 + repetition] - table[1])
    if strategy == "tile":
        return table[1 + row]
    where = 1 + (length - 1) * (position - length) / (target - length)
    below = int(where)
    if strategy == "grouped":
        return table[below]
    return torch.lerp(table[below], table[min(below + 1, length - 1)], where - below)


@pytest.mark.parametrize("strategy", ["tile", "grouped", "interpolate", "hierarchical"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_table_is_extended_and_the_source_kept(
    strategy: str, dtype: str, checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    source = checkpoint("bert", "BertForMaskedLM")
    options = ("--max-len", 200, "--positions", strategy, "--dtype", dtype, "--output", "out")
    done = lsg_convert(source, *options, cwd=tmp_path)
    assert done.code == 0, done.output
    (before,) = (value for name, value in load_file(source / "model.safetensors").items() if name.endswith(TABLE))
    (after,) = (
        value for name, value in load_file(tmp_path / "out" / "model.safetensors").items() if name.endswith(TABLE)
    )
    assert len(after) == 200
    assert torch.equal(after[: len(before)], before.to(after.dtype))
    for position in range(len(before), 200):
        wanted = expected(strategy, before, position, 200)
        assert torch.allclose(after[position].float(), wanted, rtol=1e-6 if dtype == "float32" else 2**-8, atol=1e-7)
