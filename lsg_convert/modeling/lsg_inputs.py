"""What the models say of inputs that they do not take."""

from typing import Any

import torch
from transformers.utils import logging

from .lsg_graph import holds

logger = logging.get_logger(__name__)


def check_length(num_tokens: int, max_tokens: int) -> None:
    """Say that an input is too long before an index error does.

    Raises:
        ValueError: there are more tokens than positions.
    """
    if holds(num_tokens > max_tokens):
        raise ValueError(
            f"{num_tokens} tokens, but this model has positions for {max_tokens}: truncate the input "
            "(tokenizer(..., truncation=True)), or convert again with a larger --max-len."
        )


def require_one_input(input_ids: torch.Tensor | None, inputs_embeds: torch.Tensor | None) -> torch.Tensor:
    """Whichever of the two is given.

    Raises:
        ValueError: both are, or none.
    """
    given = input_ids if inputs_embeds is None else inputs_embeds
    if given is None or (input_ids is not None and inputs_embeds is not None):
        raise ValueError("Give exactly one of input_ids and inputs_embeds.")
    return given


def refuse_attentions(output_attentions: bool | None, config: Any) -> None:
    """Say what cannot be returned.

    Raises:
        ValueError: attention weights were asked for.
    """
    if output_attentions or (output_attentions is None and getattr(config, "output_attentions", False)):
        raise ValueError(
            "output_attentions=True: LSG attention never forms the attention matrix, so there is nothing to return. "
            "Load the source model where you need them."
        )


def warn_of_no_attentions(output_attentions: bool | None) -> None:
    """Say, where a decoder has attentions to return, that the encoder has none."""
    if output_attentions:
        logger.warning_once("LSG attention forms no attention matrix: encoder_attentions will be None.")


def refuse_head_mask(arguments: dict[str, Any]) -> None:
    """Say what is not supported (4.x has it, 5.x removed it).

    Raises:
        ValueError: a head mask was given.
    """
    if arguments.get("head_mask") is not None:
        raise ValueError("head_mask is given, but LSG attention does not mask heads: leave it out.")
