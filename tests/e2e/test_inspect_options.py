"""`inspect` takes the options that shape a conversion, and shows the plan that they make."""

from __future__ import annotations

import json
from pathlib import Path

from tests.tiny import make_checkpoint
from tests.warm import lsg_convert


def test_attention_options_reach_the_plan(tmp_path: Path) -> None:
    make_checkpoint("bert", None, tmp_path / "source")
    options = ["--max-len", "128", "--block-size", "16", "--sparsity-type", "pooling", "--num-global-tokens", "3"]
    done = lsg_convert("inspect", "./source", *options, "--json", cwd=tmp_path)
    assert done.code == 0, done.output
    lsg = json.loads(done.stdout)["lsg"]
    assert (lsg["block_size"], lsg["sparsity_type"], lsg["num_global_tokens"]) == (16, "pooling", 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


def test_a_converted_folder_is_planned_again_when_an_option_is_given(tmp_path: Path) -> None:
    make_checkpoint("bert", None, tmp_path / "source")
    made = lsg_convert("./source", "--max-len", "128", "--output", "out", "--no-verify", cwd=tmp_path)
    assert made.code == 0, made.output
    described = json.loads(lsg_convert("inspect", "out", "--json", cwd=tmp_path).stdout)
    assert described["converted"]
    planned = json.loads(lsg_convert("inspect", "out", "--sparsity-factor", "4", "--json", cwd=tmp_path).stdout)
    assert not planned["converted"]
    assert planned["lsg"]["sparsity_factor"] == 4
