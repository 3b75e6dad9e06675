"""What a model becomes in ONNX: one graph, or those of an encoder and of its decoder, with and without a cache.

Names of files, inputs and outputs are those that optimum, Transformers.js and text-embeddings-inference look for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from lsg_convert.export.cache import flat_cache, make_cache

# Outputs of the library's models that no user of an ONNX file looks for.
_LEFT_OUT = ("loss", "hidden_states", "attentions", "pooler_output", "opening_rows")
TARGET_LENGTH = 5  # tokens of the decoder in examples and checks


@dataclass(frozen=True)
class Part:
    """One graph: a module that takes and returns tensors by position.

    name: the file's, without its ending. inputs: their names → the names of their dynamic dimensions.
    outputs: their names.
    """

    name: str
    module: nn.Module
    inputs: Mapping[str, Mapping[int, str]]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Texts:
    """Inputs of a model as its tokenizer would make them: ids [batch, length], [batch, choices, length] with choices.

    names: what the tokenizer returns. opening: the id that texts open with, None where that does not matter.
    """

    names: tuple[str, ...]
    vocabulary: int
    padding: int
    opening: int | None
    has_choices: bool = False

    def make(self, batch: int, length: int, seed: int = 0) -> dict[str, torch.Tensor]:
        """Random texts; all but the first one are padded, and from the third one on they open otherwise.

        A word comes again once all others have come. Without positions in the embeddings equal words have equal keys in
        the first layer, and which of several equal ones `norm` chooses is up to each runtime.
        """
        generator = torch.Generator().manual_seed(seed)
        shape = (batch, 3, length) if self.has_choices else (batch, length)
        count = math.prod(shape)
        rounds = -(-count // self.vocabulary)
        # In the same order, so that equal words are as far from each other as they can be.
        ids = torch.randperm(self.vocabulary, generator=generator).repeat(rounds)[:count].view(shape)
        if self.opening is not None:
            ids[:2, ..., 0] = self.opening
        mask = torch.ones_like(ids)
        for row in range(1, batch):
            mask[row, ..., max(1, length - row * length // 4) :] = 0
        ids = ids.masked_fill(mask == 0, self.padding)
        values = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}
        return {name: values[name] for name in self.names}

    def dimensions(self) -> dict[int, str]:
        """The names of the dynamic dimensions."""
        names = (
            ("batch_size", "num_choices", "sequence_length") if self.has_choices else ("batch_size", "sequence_length")
        )
        return dict(enumerate(names))


class _Named(nn.Module):
    """A model that takes its inputs by position and returns a tuple."""

    def __init__(self, model: nn.Module, names: tuple[str, ...], outputs: tuple[str, ...]) -> None:
        super().__init__()
        self.model, self.names, self.outputs = model, names, outputs

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The outputs, in their order."""
        found = self.model(**dict(zip(self.names, inputs, strict=True)), return_dict=True)
        return tuple(found[name] for name in self.outputs)


class _Encoder(nn.Module):
    """An encoder whose decoder knows the mask and not the ids: nobody tells it in which rows global 0 stands in for
    token 0. Where it does not, the decoder is to attend to token 0 instead: there that takes its place, and all places
    are the same to a decoder.
    """

    def __init__(self, encoder: Any, names: tuple[str, ...]) -> None:
        super().__init__()
        self.encoder, self.names = encoder, names

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """States [batch, length, width] that a decoder attends to."""
        found = self.encoder(**dict(zip(self.names, inputs, strict=True)), return_dict=True)
        states: torch.Tensor = found.last_hidden_state
        opening = getattr(found, "opening_rows", None)
        if opening is None or not self.encoder.passes_globals_to_decoder:
            return states
        num_globals = self.encoder.options.num_global_tokens
        is_first = torch.arange(states.shape[1])[:, None] == 0
        token = states[:, num_globals : num_globals + 1]
        return torch.where(is_first & ~opening[:, None, None], token, states)


class _Decoder(nn.Module):
    """A decoder on an encoder's states: logits, and what it keeps of its keys and values."""

    def __init__(self, model: Any, step: bool) -> None:
        super().__init__()
        self.model, self.step = model, step

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Of (encoder_attention_mask, input_ids, encoder_hidden_states or keys and values of the cache)."""
        mask, ids, *others = inputs
        if self.step:
            cache, states = make_cache(others), others[2].new_zeros(mask.shape[0], others[2].shape[2], 1)
        else:
            cache, states = make_cache([]), others[0]
        found = self.model(
            attention_mask=mask,
            decoder_input_ids=ids,
            encoder_outputs=(states,),
            past_key_values=cache,
            use_cache=True,
            return_dict=True,
        )
        return (found.logits, *flat_cache(found.past_key_values, with_cross=not self.step))


def output_names(model: nn.Module, inputs: Mapping[str, torch.Tensor]) -> tuple[str, ...]:
    """The names of what a model returns: its tensors that somebody uses."""
    with torch.inference_mode():
        found = model(**inputs, return_dict=True)
    return tuple(name for name, value in found.items() if isinstance(value, torch.Tensor) and name not in _LEFT_OUT)


def whole_model(model: nn.Module, texts: Texts) -> list[Part]:
    """A model that is one graph."""
    outputs = output_names(model, texts.make(2, 8))
    inputs = {name: texts.dimensions() for name in texts.names}
    return [Part("model", _Named(model, texts.names, outputs), inputs, outputs)]


def encoder_and_decoder(model: Any, texts: Texts) -> list[Part]:
    """A model that generates: its encoder, its decoder's first step, and each later one."""
    names = tuple(name for name in texts.names if name != "token_type_ids")
    inputs = {name: texts.dimensions() for name in names}
    states = {0: "batch_size", 1: "encoder_states_length"}
    mask = {0: "batch_size", 1: "sequence_length"}
    ids = {0: "batch_size", 1: "decoder_sequence_length"}
    layers = number_of_decoder_layers(model)
    kept = [f"{i}.{kind}.{part}" for i in range(layers) for kind in ("decoder", "encoder") for part in ("key", "value")]
    past = {
        f"past_key_values.{name}": {
            0: "batch_size",
            2: "encoder_states_length" if ".encoder." in name else "past_length",
        }
        for name in kept
    }
    own = [name for name in kept if ".decoder." in name]
    first = ("logits", *(f"present.{name}" for name in kept))
    later = ("logits", *(f"present.{name}" for name in own))
    return [
        Part(
            "encoder_model",
            _Encoder(model.get_encoder(), names),
            inputs,
            ("last_hidden_state",),
        ),
        Part(
            "decoder_model",
            _Decoder(model, step=False),
            {"encoder_attention_mask": mask, "input_ids": ids, "encoder_hidden_states": states},
            first,
        ),
        Part(
            "decoder_with_past_model",
            _Decoder(model, step=True),
            {"encoder_attention_mask": mask, "input_ids": {0: "batch_size"}, **past},
            later,
        ),
    ]


def number_of_decoder_layers(model: Any) -> int:
    """How many layers its decoder has."""
    decoder = model.get_decoder()
    return len(next(module for module in decoder.modules() if isinstance(module, nn.ModuleList)))
