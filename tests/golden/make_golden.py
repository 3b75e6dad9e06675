"""Make the golden cases here with the published converter: `python -m tests.golden.make_golden [MODEL_TYPE …]`.

Needs an environment of its own, with transformers 4.36 and `lsg-converter` 0.1.9. Each family gets a folder with what
that package makes of a tiny random checkpoint (config and weights), and `cases.safetensors`: inputs, and for every case
some of the logits, float32, on CPU. Tokenizers are left out: the tests write the same ones.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from tests.tiny import make_checkpoint

HERE = Path(__file__).parent
MODEL_TYPES = (
    "bert", "roberta", "camembert", "xlm-roberta", "distilbert", "albert", "electra", "bart", "mbart", "pegasus"
)  # fmt: skip
SMALL: dict[str, Any] = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}
SMALL_SEQ2SEQ: dict[str, Any] = {
    "d_model": 16, "encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16, "decoder_layers": 1, "bos_token_id": 0,
}  # fmt: skip
SIZES = {
    "distilbert": {"dim": 16, "n_heads": 2, "hidden_dim": 16},
    "albert": {**SMALL, "embedding_size": 8},
    "electra": {**SMALL, "embedding_size": 8},
    "bart": SMALL_SEQ2SEQ,
    "mbart": SMALL_SEQ2SEQ,
    "pegasus": SMALL_SEQ2SEQ,
}
MAX_LEN, BLOCK_SIZE = 128, 16
# Below the dense limit; whole blocks; blocks to be filled up.
LENGTHS = (30, 64, 90)
# Which of the logits are kept.
ROWS, COLUMNS = slice(None, None, 3), slice(0, 4)


def options_of(number: int, selection: str) -> dict[str, Any]:
    """The options of a case; over six selections they vary in all that the published models let vary."""
    return {
        "sparsity_type": selection,
        "block_size": BLOCK_SIZE,
        "sparse_block_size": (BLOCK_SIZE, BLOCK_SIZE // 2)[number % 2] if selection != "norm" else BLOCK_SIZE,
        "sparsity_factor": (2, 4)[number // 2 % 2],
        "num_global_tokens": (1, 3)[number // 3 % 2],
        "mask_first_token": number % 2 == 1,
        "pool_with_global": number % 3 != 2,
        "pass_global_tokens_to_decoder": number % 4 != 3,
    }


def cases() -> dict[str, dict[str, Any]]:
    """Name of each case → its options."""
    selections = ("norm", "pooling", "bos_pooling", "stride", "block_stride", "none")
    named = {}
    for number, selection in enumerate(selections):
        for mask_first_token in (False, True):
            options = options_of(number, selection) | {"mask_first_token": mask_first_token}
            named[f"{selection}-{'masked' if mask_first_token else 'unmasked'}"] = options
    return named


def inputs_of(length: int, vocabulary: int, pad: int, bos: int, eos: int, is_seq2seq: bool) -> dict[str, torch.Tensor]:
    """Two inputs, the second one padded."""
    generator = torch.Generator().manual_seed(length)
    ids = torch.randint(10, vocabulary - 30, (2, length), generator=generator)
    end = length * 3 // 5
    ids[:, 0], ids[0, -1], ids[1, end - 1], ids[1, end:] = bos, eos, eos, pad
    mask = torch.ones_like(ids)
    mask[1, end:] = 0
    inputs = {"input_ids": ids, "attention_mask": mask}
    if is_seq2seq:
        inputs["decoder_input_ids"] = torch.randint(10, vocabulary - 30, (2, 6), generator=generator)
    return inputs


@torch.no_grad()
def make(model_type: str) -> None:
    """Make one family's folder."""
    from lsg_converter import LSGConverter

    with tempfile.TemporaryDirectory() as temporary:
        source = make_checkpoint(model_type, None, Path(temporary) / "source", **SIZES.get(model_type, SMALL))
        converter = LSGConverter(max_sequence_length=MAX_LEN)
        model, tokenizer = converter.convert_from_pretrained(str(source), block_size=BLOCK_SIZE)
        published = Path(temporary) / "published"
        model.save_pretrained(published, safe_serialization=True)
        target = HERE / model_type
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        for name in ("config.json", "model.safetensors"):
            shutil.copyfile(published / name, target / name)
        config = model.config
        first = [getattr(tokenizer, f"{role}_token_id") for role in ("cls", "bos", "eos")]
        last = [getattr(tokenizer, f"{role}_token_id") for role in ("eos", "sep")]
        tensors = {}
        for length in LENGTHS:
            inputs = inputs_of(
                length,
                config.vocab_size,
                tokenizer.pad_token_id,
                next(token for token in first if token is not None),
                next(token for token in last if token is not None),
                config.is_encoder_decoder,
            )
            tensors |= {f"{length}.{name}": value.to(torch.int32) for name, value in inputs.items()}
            for case, options in cases().items():
                changed = type(config).from_pretrained(published, **options)
                lsg = type(model).from_pretrained(published, config=changed).eval()
                # Copies, because the published models edit the caller's mask.
                logits = lsg(**{name: value.clone() for name, value in inputs.items()}).logits
                tensors[f"{length}.{case}"] = logits[:, ROWS, COLUMNS].contiguous()
        save_file(tensors, str(target / "cases.safetensors"), {"options": json.dumps(cases())})
    print(model_type, {path.name: path.stat().st_size for path in sorted(target.iterdir())}, flush=True)


if __name__ == "__main__":
    for name in sys.argv[1:] or MODEL_TYPES:
        make(name)
