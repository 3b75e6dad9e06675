"""Tokens that are global by themselves: a rule, named by the options, marks them where the caller marks none.

question: the tokens before the first separator, as in question answering.
choice: the tokens behind the first separator and what follows it, as in multiple choice.
first: the first token. none: no token.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor
from transformers.utils import logging

from .lsg_eager import is_captured
from .lsg_marked import MERGED, merge_masks
from .lsg_options import LSGOptions

logger = logging.get_logger(__name__)


def with_automatic_globals(
    options: LSGOptions, attention_mask: Tensor | None, input_ids: Tensor | None, inputs_embeds: Tensor | None
) -> Tensor | None:
    """The attention mask [..., T] with the tokens marked that the options' rule makes global (see `merge_masks`); as it
    is, if the caller has marked tokens himself.

    Raises:
        ValueError: the rule does not fit the input.
    """
    is_rule = options.automatic_globals not in ("none", "ends")  # these are no matter of tokens
    if not is_rule or (attention_mask is not None and attention_mask.dtype == MERGED):
        return attention_mask
    mask = automatic_global_mask(options, attention_mask, input_ids, inputs_embeds)
    return merge_masks(mask, attention_mask, input_ids, inputs_embeds)


def automatic_global_mask(
    options: LSGOptions, attention_mask: Tensor | None, input_ids: Tensor | None, inputs_embeds: Tensor | None
) -> Tensor | None:
    """The `global_attention_mask`, long [..., T], of the options' rule; None where it cannot tell.

    Raises:
        ValueError: the rule does not fit the input.
    """
    given = input_ids if inputs_embeds is None else inputs_embeds[..., 0]
    if given is None:
        return None
    kept = torch.ones_like(given, dtype=torch.bool) if attention_mask is None else attention_mask != 0
    marked = _tokens_of_rule(options, input_ids, kept)
    return None if marked is None else (marked & kept).long()


class RuleInHead:
    """Mixed in before a library head that marks tokens by itself: here the rule of the options does."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.forward = _by_rule(cls.forward)


def _by_rule(library: Callable[..., Any]) -> Callable[..., Any]:
    names = list(inspect.signature(library).parameters)[1:]

    @wraps(library)
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        if given.get("global_attention_mask") is None:
            masks_and_inputs = (given.get(name) for name in ("attention_mask", "input_ids", "inputs_embeds"))
            given["global_attention_mask"] = automatic_global_mask(self.base_model.options, *masks_and_inputs)
        return library(self, **given)

    return forward


def _tokens_of_rule(options: LSGOptions, input_ids: Tensor | None, kept: Tensor) -> Tensor | None:
    """Bool [..., T]; None where the rule is about no tokens, or cannot tell. `kept`: which tokens are no padding."""
    rule = options.automatic_globals
    if rule == "none":
        return torch.zeros_like(kept)
    if rule == "first":
        return torch.arange(kept.shape[-1], device=kept.device).expand_as(kept) == 0
    separators = None if rule == "ends" else _separators(options, input_ids, kept)
    if separators is None:
        return None
    behind = separators.cumsum(-1) > 0
    if rule == "question":
        return ~behind
    between = 2 if options.num_separators == 3 else 1  # separators between the texts
    return behind.cumsum(-1) > between


def _separators(options: LSGOptions, input_ids: Tensor | None, kept: Tensor) -> Tensor | None:
    """Where the separators are, bool [..., T]; None where the ids are not known.

    Raises:
        ValueError: some row has none, or not as many as two texts have between and behind them.
    """
    rule, token, expected = options.automatic_globals, options.separator_token_id, options.num_separators
    if input_ids is None:
        logger.warning_once(
            f"automatic_globals={rule!r} goes by the separators in input_ids: of inputs_embeds no token is global by "
            "itself. Give global_attention_mask."
        )
        return None
    separators = (input_ids == token) & kept
    if not is_captured():
        found = separators.sum(-1)
        wrong = (found == 0) if expected is None else (found != expected)
        if bool(wrong.any()):
            raise ValueError(
                f"automatic_globals={rule!r} looks for {expected or 'some'} separators (token {token}) in each row, as "
                f"the tokenizer sets them in tokenizer(question, text); one row has {int(found[wrong][0])}. Tokenize "
                "the two as a pair, give global_attention_mask, or load the model with automatic_globals='none'."
            )
    return separators
