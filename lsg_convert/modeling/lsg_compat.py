"""What differs between the transformers releases an LSG folder runs on (4.48 up to 5.x), each with its reason.

Everything else in these files is written once, for all of them.
"""

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import transformers
from packaging.version import Version
from torch import nn
from transformers.modeling_outputs import ModelOutput


def _before(release: str) -> bool:
    return Version(transformers.__version__) < Version(release)


# Before 4.54 the seq2seq layers unpack three values (output, weights, cache) from their self-attention, later two.
# Layers that take the first value only, as BERT's, do not mind either.
_SELF_ATTENTION_VALUES = 3 if _before("4.54") else 2

# 4.x heads slice `outputs[2:]` of a base model's tuple, so an absent pooler must hold its place; 5.x tuples skip None.
_TUPLES_KEEP_ABSENT_POOLER = _before("5.0.0.dev0")


def self_attention_inputs(*args: Any, **kwargs: Any) -> tuple[torch.Tensor, Any]:
    """Hidden states and attention mask of a library layer's call; before 5.0 some layers call them query and mask."""
    values = iter(args)
    hidden_states = next(values, None)
    if hidden_states is None:
        hidden_states = kwargs["hidden_states"] if "hidden_states" in kwargs else kwargs["query"]
    mask = next(values, None)
    if mask is None:
        mask = kwargs["attention_mask"] if "attention_mask" in kwargs else kwargs["mask"]
    return hidden_states, mask


def self_attention_values(context: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    """The tuple that a library layer expects of its self-attention: the context, and no weights."""
    return (context, *([None] * (_SELF_ATTENTION_VALUES - 1)))


def run_layer(encoder: Any, layer: nn.Module, hidden_states: torch.Tensor, *args: Any) -> torch.Tensor:
    """Run one library layer on `hidden_states` [batch, length, width] and return its hidden states.

    Below 5.0 layers return tuples and some demand a head mask; below 4.54 gradient checkpointing is the encoder's
    business, later the layer's own.
    """
    kwargs = {"layer_head_mask": None} if _takes_head_mask(type(layer).forward) else {}
    if _checkpointed_by_encoder(encoder, layer):
        arguments = (hidden_states, *args, *kwargs.values())
        outputs = encoder._gradient_checkpointing_func(layer.__call__, *arguments)
    else:
        outputs = layer(hidden_states, *args, **kwargs)
    return outputs[0] if isinstance(outputs, tuple) else outputs


@cache
def _takes_head_mask(forward: Callable[..., Any]) -> bool:
    return "layer_head_mask" in inspect.signature(forward).parameters


def _checkpointed_by_encoder(encoder: Any, layer: nn.Module) -> bool:
    enabled = encoder.training and getattr(encoder, "gradient_checkpointing", False)
    return enabled and not hasattr(layer, "gradient_checkpointing")


def library_class(module: Any, name: str) -> type:
    """A class of the library's; where this release has none of the name, one that says so when it is built."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        raise ImportError(f"transformers {transformers.__version__} has no {name}: install a newer release.")

    return getattr(module, name, None) or type(name, (), {"__init__": __init__})


def wants_dict(config: Any, return_dict: bool | None) -> bool:
    """Whether the caller gets a `ModelOutput` (the configuration's choice unless the call says otherwise)."""
    return getattr(config, "return_dict", True) if return_dict is None else return_dict


def as_tuple(output: ModelOutput) -> tuple[Any, ...]:
    """`output` as the tuple that this release's heads index into."""
    if _TUPLES_KEEP_ABSENT_POOLER and "pooler_output" in output.__dataclass_fields__ and output.pooler_output is None:
        return (output.last_hidden_state, None, *output.to_tuple()[1:])
    return output.to_tuple()
