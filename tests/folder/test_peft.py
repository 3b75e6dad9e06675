"""PEFT, told nothing of which modules to adapt, adapts in a converted folder those that it adapts in the source."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lsg_convert import convert

ADAPT = """
import json, sys
import peft, torch, transformers

def adapted(folder):
    model = transformers.AutoModel.from_pretrained(folder, trust_remote_code=True)
    model = peft.get_peft_model(model, peft.LoraConfig(init_lora_weights=False))
    outputs = model(torch.arange(5, 25)[None].expand(2, -1), **inputs)
    outputs[0].square().mean().backward()
    return sorted(name for name, weight in model.named_parameters() if weight.grad is not None)

inputs = {"decoder_input_ids": torch.ones(2, 3, dtype=torch.long)} if sys.argv[3] == "seq2seq" else {}
print(json.dumps([adapted(folder) for folder in sys.argv[1:3]]))
"""


@pytest.mark.parametrize(("family", "kind"), [("bert", "encoder"), ("roberta", "encoder"), ("t5", "seq2seq")])
def test_default_modules_are_those_of_the_source(
    family: str, kind: str, checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    source, folder = checkpoint(family), tmp_path / "folder"
    convert(source, output=folder, verify=False, max_len=256, block_size=16, sparse_block_size=16)
    command = [sys.executable, "-c", ADAPT, str(source), str(folder), kind]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    wanted, found = json.loads(done.stdout.splitlines()[-1])
    assert wanted and found == wanted
    assert all("lora_" in name for name in found)
