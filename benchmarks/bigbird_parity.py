"""Converted BigBird and BigBird-Pegasus against the library's own, random weights of real shape.

    python benchmarks/bigbird_parity.py

Blocks of 64, three random ones; 12 layers of 768, and an encoder of 16 layers of 1024. Every row is the largest
difference of all hidden states, padding included, over the largest number among them: lengths that fit no block, whole,
and padded by more than a block on either side. Then every head, and the gradients of its loss in evaluation mode.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

import torch
import transformers

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lsg_convert.families import FAMILIES
from lsg_convert.folder.model_loading import keep_attention_type
from tests.tiny import randomize

BOUND = 1e-4
SIZES: dict[str, dict[str, Any]] = {
    "big_bird": {"num_hidden_layers": 12},
    "bigbird_pegasus": {"encoder_layers": 16, "decoder_layers": 2},
}


def main() -> None:
    """Measure and print; exit code 1 if a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", default="big_bird,bigbird_pegasus")
    parser.add_argument("--lengths", default="5,704,705,1000,1024,2047,3072,4095,4096")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    logging.disable(logging.WARNING)
    lengths, worst = [int(part) for part in arguments.lengths.split(",")], 0.0
    for name in arguments.families.split(","):
        for title, difference in chain(base_model(name, lengths), heads(name)):
            worst = max(worst, difference)
            print(f"{name:16}{title:62}{difference:9.1e}", flush=True)
    print(f"worst: {worst:.1e}, bound {BOUND:.0e}")
    sys.exit(worst > BOUND)


def base_model(name: str, lengths: list[int]) -> Iterator[tuple[str, float]]:
    """Encoder states at every length, whole and padded."""
    source, converted = both(name, FAMILIES[name].base_class, SIZES[name])
    encoders = [model.get_encoder() if FAMILIES[name].is_seq2seq else model for model in (source, converted)]
    for number, length in enumerate(lengths):
        ways = ("whole", "padded right", "padded left")
        for way in ways if length < 2000 else [ways[number % 3]]:
            inputs = batch(length, way, rows=1 if length > 2000 else 2)
            with torch.inference_mode():
                expected, ours = (encoder(**inputs, output_hidden_states=True).hidden_states for encoder in encoders)
            gap = max(float((one[:, :length] - other).abs().max()) for one, other in zip(expected, ours, strict=True))
            yield f"{length} tokens, {way}", gap / max(float(state.abs().max()) for state in expected)


def heads(name: str) -> Iterator[tuple[str, float]]:
    """The outputs of each head with four layers, and its gradients."""
    family, width = FAMILIES[name], 4
    for head in family.heads:
        if head.endswith("Model") or (family.is_seq2seq and head.endswith("CausalLM")):
            continue
        sizes = {key: min(width, layers) for key, layers in SIZES[name].items()}
        source, converted = both(name, head, sizes)
        inputs = batch(1001, "padded right", rows=2)
        if family.is_seq2seq:  # it classifies a text by the state of its last token
            last = inputs["attention_mask"].sum(1) - 1
            inputs["input_ids"][torch.arange(2), last] = source.config.eos_token_id
        if head.endswith("MultipleChoice"):
            inputs = {key: value[None] for key, value in inputs.items()}
        found = []
        for model in (source, converted):
            outputs = model(**inputs)
            logits = [value for key, value in outputs.items() if key.endswith("logits")]
            sum(value.clamp(min=-1e4).square().mean() for value in logits).backward()
            gradients = {key: part.grad for key, part in model.named_parameters() if part.grad is not None}
            found.append((logits, gradients))
        (expected, wanted), (ours, gradients) = found
        # Of a question no token is an answer: there the logits are about -1e6, and coarse.
        pairs = [(one[one > -1e5], other[one > -1e5]) for one, other in zip(expected, ours, strict=True)]
        gap = max(float((one - other).detach().abs().max()) for one, other in pairs)
        size = max(float(one.detach().abs().max()) for one, _ in pairs)
        yield f"{head}, 1001 tokens", gap / size
        size = max(float(gradient.abs().max()) for gradient in wanted.values())
        gap = max(float((gradients[key] - gradient).abs().max()) for key, gradient in wanted.items())
        yield f"{head}, gradients of {len(wanted)} tensors", gap / size


def both(name: str, architecture: str, sizes: dict[str, Any]) -> tuple[Any, Any]:
    """A library model with random weights, and ours with the same."""
    family = FAMILIES[name]
    assert family.source_options is not None
    values = {"vocab_size": 1000, "num_labels": 2, "attention_type": "block_sparse", **sizes}
    config = transformers.AutoConfig.for_model(name, **values)
    source = getattr(transformers, architecture)(config).eval()
    randomize(source)
    for parameter in source.parameters():
        if parameter.dim() > 1:
            parameter.data *= 0.25  # so that layers of this width stay in a sane range
    module = import_module(f"lsg_convert.modeling.{family.modeling_file}")
    model_class = getattr(module, family.lsg_class(architecture))
    own = {**values, **family.source_options(config.to_dict(), architecture)}
    converted = model_class(model_class.config_class(**own)).eval()
    missing, unknown = converted.load_state_dict(source.state_dict(), strict=False)
    assert not unknown and all(key.endswith("global_embeddings.weight") for key in missing), (missing, unknown)
    return keep_attention_type(source), converted


def batch(length: int, way: str, rows: int) -> dict[str, torch.Tensor]:
    """Random tokens; in the last row a third of them is padding."""
    ids = torch.randint(70, 1000, (rows, length), generator=torch.Generator().manual_seed(length))
    mask = torch.ones_like(ids)
    if way == "padded right":
        mask[-1, length - length // 3 :] = 0
    elif way == "padded left":
        mask[-1, : length // 3] = 0
    return {"input_ids": ids, "attention_mask": mask}


if __name__ == "__main__":
    main()
