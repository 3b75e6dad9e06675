"""bitsandbytes, where it is installed: what a folder loses is what its source loses, and adapters train on top."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers

from lsg_convert import convert

pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed, and no dependency: pip install bitsandbytes")
# As wide as 4 bits take at least on a CPU.
WIDE = {
    "bert": {"hidden_size": 128, "intermediate_size": 256},
    "t5": {"d_model": 128, "d_kv": 32, "d_ff": 256},
}
TARGETS = {"bert": ["query", "value"], "t5": ["q", "v"]}


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("family", WIDE)
def test_quantised_as_the_source(family: str, bits: int, checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    source = checkpoint(family, **WIDE[family])
    convert(source, output=tmp_path / "lsg", verify=False, max_len=128, block_size=16, sparse_block_size=16)
    name = "AutoModelForMaskedLM" if family == "bert" else "AutoModelForSeq2SeqLM"
    quantised = {"quantization_config": transformers.BitsAndBytesConfig(**{f"load_in_{bits}bit": True})}
    ids = torch.randint(5, 15, (2, 60), generator=torch.Generator().manual_seed(0))
    inputs = {"input_ids": ids} if family == "bert" else {"input_ids": ids, "decoder_input_ids": ids[:, :5]}

    def load(folder: Path, **options: Any) -> Any:
        return getattr(transformers, name).from_pretrained(folder, trust_remote_code=True, **options)

    lost = []
    for folder in (source, tmp_path / "lsg"):
        with torch.no_grad():
            outputs = [load(folder, **options).eval()(**inputs).logits.float() for options in (quantised, {})]
        lost.append(float((outputs[0] - outputs[1]).abs().mean()))
    assert 0 < lost[1] < 2.5 * lost[0]

    model = peft.prepare_model_for_kbit_training(load(tmp_path / "lsg", **quantised))
    model = peft.get_peft_model(model, peft.LoraConfig(target_modules=TARGETS[family]))
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer, losses = torch.optim.AdamW(trained, lr=1e-2), []
    model.train()
    for _ in range(6):
        loss = model(input_ids=ids, labels=ids if family == "bert" else ids[:, :5].contiguous()).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
