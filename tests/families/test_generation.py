"""Generation with a converted encoder equals generation with the source's, below the dense limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import transformers

from tests.families.pairs import FAMILIES, SEQ2SEQ, Pair

MakePair = Callable[..., Pair]
WAYS: dict[str, dict[str, Any]] = {
    "greedy": {},
    "beams": {"num_beams": 3, "num_return_sequences": 2},
    "sampling": {"do_sample": True, "top_p": 0.9, "top_k": 20},
    "no cache": {"use_cache": False},
}


def generate(model: Any, inputs: dict[str, torch.Tensor], **options: Any) -> list[list[int]]:
    """Generate from the same seed, whatever the model."""
    start = {"decoder_start_token_id": 2} if model.generation_config.decoder_start_token_id is None else {}
    # Seeded behind the encoder, because some of the library's draw random numbers that they do not use.
    seeded = model.get_encoder() if model.config.is_encoder_decoder else model
    hook = seeded.register_forward_hook(lambda *_: torch.manual_seed(7) and None)
    tokens = model.generate(**inputs, max_new_tokens=8, min_new_tokens=3, **start, **options).tolist()
    hook.remove()
    return tokens


@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize(("model_type", "architecture"), SEQ2SEQ)
def test_generates_what_the_source_generates(pair: MakePair, model_type: str, architecture: str, way: str) -> None:
    made = pair(model_type, architecture)
    inputs = {name: made.inputs(20, padded=True)[name] for name in ("input_ids", "attention_mask")}
    assert generate(made.converted, inputs, **WAYS[way]) == generate(made.source, inputs, **WAYS[way])


@pytest.mark.parametrize(("model_type", "architecture"), SEQ2SEQ)
def test_the_encoder_runs_once(pair: MakePair, model_type: str, architecture: str) -> None:
    made = pair(model_type, architecture)
    model = made.load()
    lengths: list[int] = []
    hook = lambda _, __, outputs: lengths.append(outputs[0].shape[1])  # noqa: E731
    model.get_encoder().register_forward_hook(hook)
    inputs = {name: made.inputs(90, padded=True)[name] for name in ("input_ids", "attention_mask")}
    tokens = generate(model, inputs, num_beams=2)
    assert len(tokens) == 2
    assert lengths == [90 + model.config.num_global_tokens]


@pytest.mark.parametrize(("model_type", "architecture"), SEQ2SEQ)
def test_globals_that_are_not_passed_to_the_decoder(pair: MakePair, model_type: str, architecture: str) -> None:
    made = pair(model_type, architecture)
    model = made.load(pass_global_tokens_to_decoder=False, num_global_tokens=4)
    inputs = made.inputs(40, padded=True)
    outputs = model(**inputs)
    assert outputs.encoder_last_hidden_state.shape[1] == 40
    assert torch.isfinite(outputs.logits).all()


DECODERS = [
    (name, architecture)
    for name, family in FAMILIES.items()
    for architecture, head in family.heads.items()
    if head.auto_class == "AutoModelForCausalLM" and not family.is_seq2seq
]


@torch.no_grad()
@pytest.mark.parametrize(("model_type", "architecture"), DECODERS)
def test_a_decoder_is_the_librarys_own(pair: MakePair, model_type: str, architecture: str) -> None:
    """With `is_decoder=True` attention is causal and dense, over the extended positions."""
    made = pair(model_type, architecture)
    # BigBird's decoders read long inputs in blocks, which look both ways, unless they are told not to.
    full = {"attention_type": "original_full"} if hasattr(made.source.config, "attention_type") else {}
    ours, source = made.load(is_decoder=True), made.load_source(is_decoder=True, **full)
    inputs = made.inputs(50)
    assert (ours(**inputs).logits - source(**inputs).logits).abs().max() <= 1e-4
    prompt = {"input_ids": inputs["input_ids"][:, :10]}
    assert generate(ours, prompt) == generate(source, prompt)
    changed = inputs["input_ids"].clone()
    changed[:, -1] += 1
    assert torch.equal(ours(changed).logits[:, :-1], ours(inputs["input_ids"]).logits[:, :-1])


def test_every_seq2seq_family_generates() -> None:
    assert {name for name, family in FAMILIES.items() if family.is_seq2seq} >= {name for name, _ in SEQ2SEQ}
    assert all(hasattr(transformers, architecture) for _, architecture in SEQ2SEQ)
