"""Library heads on LSG models."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

from .lsg_marked import merge_masks


class TakesGlobalMask:
    """Mixed in before a library model on an LSG encoder: its `forward` takes `global_attention_mask` too."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.accepts_loss_kwargs = getattr(cls, "_auto_class", None) == "AutoModelForCausalLM"  # others ignore them
        forward = getattr(cls, "forward", None)
        if forward is not None and "global_attention_mask" not in inspect.signature(forward).parameters:
            cls.forward = taking_global_mask(forward)


def taking_global_mask(library: Callable[..., Any]) -> Callable[..., Any]:
    """A library model's `forward`, and in its signature, where trainers look, one argument more."""
    names = list(inspect.signature(library).parameters)[1:]

    @wraps(library)
    def forward(self: Any, *args: Any, global_attention_mask: Any = None, **kwargs: Any) -> Any:
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        if global_attention_mask is None or given.get("encoder_outputs") is not None:
            return library(self, *args, **kwargs)
        masks_and_inputs = (given.get(name) for name in ("attention_mask", "input_ids", "inputs_embeds"))
        return library(self, **{**given, "attention_mask": merge_masks(global_attention_mask, *masks_and_inputs)})

    forward.__signature__ = signature_with_global_mask(library)
    return forward


def signature_with_global_mask(library: Callable[..., Any]) -> inspect.Signature:
    """The signature of a library model's `forward`, and `global_attention_mask`."""
    signature = inspect.signature(library)
    if "global_attention_mask" in signature.parameters:
        return signature
    own = inspect.Parameter("global_attention_mask", inspect.Parameter.KEYWORD_ONLY, default=None)
    parameters = sorted([*signature.parameters.values(), own], key=lambda parameter: parameter.kind)
    return signature.replace(parameters=parameters)


class LSGHead(TakesGlobalMask):
    """Mixed in before a library head: builds the head, then puts the family's LSG model under it."""

    lsg_model: type
    supports_gradient_checkpointing = True
    # 4.48 would put loaded parameters in the place of the old ones, which parts the tied biases of RoBERTa's LM head.
    _supports_param_buffer_assignment = False

    def __init__(self, config: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        without_pooler = getattr(self.base_model, "pooler", self) is None
        pooling = {"add_pooling_layer": False} if without_pooler else {}
        setattr(self, self.base_model_prefix, self.lsg_model(config, **pooling))
        self._no_split_modules = self.base_model._no_split_modules  # which 5.x collects from within by itself
        self.post_init()
