"""Make converted folders with what they must compute: `python -m tests.folder.make ROOT`.

Run with one release of transformers, loaded with all others.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from tests.tiny import make_checkpoint, make_pair

MAX_LEN = 256
OPTIONS = {"max_len": MAX_LEN, "block_size": 16, "sparse_block_size": 16, "sparsity_factor": 2, "num_global_tokens": 3}
SHORT, LONG = 32, 150  # at the dense limit; above it and not a multiple of the block

EXTRA_HEADS = (
    ("bert", "BertModel"),
    ("bert", "BertForSequenceClassification"),
    ("roberta", "RobertaForTokenClassification"),
    ("bart", "BartModel"),
)
PAIR = "EncoderDecoderModel"  # of two models of one family


def recipes() -> Iterator[tuple[str, str]]:
    """Yield (model_type, architecture): the usual class of every family, and some other heads."""
    from lsg_convert.families import FAMILIES
    from tests.tiny import FAMILIES as TINY

    for model_type in FAMILIES:
        yield model_type, TINY[model_type].architecture
    yield from EXTRA_HEADS
    yield "bert", PAIR


def make_folder(root: Path, model_type: str, architecture: str) -> Path:
    """Make `root/<architecture>` with the source, the converted folder, inputs, and what comes out of both models."""
    import transformers

    from lsg_convert import convert

    folder = root / architecture
    if architecture == PAIR:
        source = make_pair(model_type, model_type, folder / "source")
    else:
        source = make_checkpoint(model_type, architecture, folder / "source")
    result = convert(source, output=folder / "converted", verify=False, **OPTIONS)
    # Another code of the same kind: with the kernel, or with another part where the kernel cannot serve.
    has_kernel = "cpp" not in result.plan.family.backends_without
    part = {"attention_backend": "cpp"} if has_kernel else {"sparsity_type": "lsh"}
    convert(source, output=folder / "kernel", verify=False, **{**OPTIONS, **part})
    converted, tokenizer = result.load()
    inputs = make_inputs(converted.config, tokenizer)
    original_class = getattr(transformers, architecture)
    # Without this, 4.48 loads RoBERTa's LM heads with a bias of zero; what counts is the checkpoint.
    original_class._supports_param_buffer_assignment = False
    original = original_class.from_pretrained(source).eval()
    tensors = dict(inputs)
    for name, model, length in (("source", original, SHORT), ("short", converted, SHORT), ("long", converted, LONG)):
        tensors[f"{name}_output"] = compute(model, inputs, length)
    save_file(tensors, str(folder / "expected.safetensors"))
    auto_class = result.plan.family.heads[result.plan.architecture].auto_class
    (folder / "recipe.json").write_text(json.dumps({"auto_class": auto_class, "max_len": MAX_LEN}))
    return folder


def make_inputs(config: Any, tokenizer: Any) -> dict[str, torch.Tensor]:
    """Return two sequences of random tokens, the second one padded at its end."""
    generator = torch.Generator().manual_seed(7)
    vocabulary = len(tokenizer)
    first = tokenizer.cls_token_id
    input_ids = torch.randint(
        5, vocabulary - 110 if vocabulary > 400 else vocabulary - 5, (2, LONG), generator=generator
    )
    if first is not None:
        input_ids[:, 0] = first
    attention_mask = torch.ones_like(input_ids)
    for length in (SHORT, LONG):
        attention_mask[1, length - 9 : length] = 0
    decoder_input_ids = torch.randint(5, 100, (2, 7), generator=generator)
    inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
    return {**inputs, "decoder_input_ids": decoder_input_ids} if config.is_encoder_decoder else inputs


@torch.no_grad()
def compute(model: Any, inputs: dict[str, torch.Tensor], length: int) -> torch.Tensor:
    """Return the model's main output for the first `length` tokens."""
    cut = {name: value if name.startswith("decoder") else value[:, :length] for name, value in inputs.items()}
    return model(**cut)[0].contiguous()


if __name__ == "__main__":
    for recipe in recipes():
        print(make_folder(Path(sys.argv[1]), *recipe))
