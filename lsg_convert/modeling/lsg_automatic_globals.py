"""Tokens that are global by themselves: a rule, named by the options, marks them where the caller marks none.

question: the tokens before the first separator, as in question answering.
choice: the tokens behind the first separator and what follows it, as in multiple choice.
first: the first token. none: no token.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers.utils import logging

from .lsg_eager import is_captured
from .lsg_marked import MERGED, merge_masks
from .lsg_options import LSGOptions

logger = logging.get_logger(__name__)


class RuleInput(NamedTuple):
    """What a rule goes by: the options, ids [..., T] or None, which tokens are no padding, bool [..., T]."""

    options: LSGOptions
    input_ids: Tensor | None
    kept: Tensor


def has_rule(options: LSGOptions) -> bool:
    """Whether a rule makes tokens of the input global. (``ends`` is no matter of tokens.)"""
    return options.automatic_globals not in ("none", "ends")


def with_automatic_globals(
    options: LSGOptions, attention_mask: Tensor | None, input_ids: Tensor | None, inputs_embeds: Tensor | None
) -> Tensor | None:
    """The attention mask [..., T] with the tokens marked that the options' rule makes global (see `merge_masks`); as it
    is, if the caller has marked tokens himself.

    Raises:
        ValueError: the rule does not fit the input.
    """
    if not has_rule(options) or (attention_mask is not None and attention_mask.dtype == MERGED):
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
    marked = RULES[options.automatic_globals](RuleInput(options, input_ids, kept))
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


def _mark_none(of: RuleInput) -> Tensor:
    return torch.zeros_like(of.kept)


def _mark_nothing(of: RuleInput) -> None:
    """Other than none, which is a mask."""


def _mark_first(of: RuleInput) -> Tensor:
    return torch.arange(of.kept.shape[-1], device=of.kept.device).expand_as(of.kept) == 0


def _mark_question(of: RuleInput) -> Tensor | None:
    separators = _separators(of)
    return None if separators is None else separators.cumsum(-1) == 0


def _mark_choice(of: RuleInput) -> Tensor | None:
    separators = _separators(of)
    if separators is None:
        return None
    between = 2 if of.options.num_separators == 3 else 1  # separators between the texts
    return (separators.cumsum(-1) > 0).cumsum(-1) > between


def _separators(of: RuleInput) -> Tensor | None:
    """Where the separators are, bool [..., T]; None where the ids are not known.

    Raises:
        ValueError: some row has none, or not as many as two texts have between and behind them.
    """
    rule, token, expected = (
        getattr(of.options, name) for name in ("automatic_globals", "separator_token_id", "num_separators")
    )
    if of.input_ids is None:
        logger.warning_once(
            f"automatic_globals={rule!r} goes by the separators in input_ids: of inputs_embeds no token is global by "
            "itself. Give global_attention_mask."
        )
        return None
    separators = (of.input_ids == token) & of.kept
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


RULES: dict[str, Callable[[RuleInput], Tensor | None]] = {
    "none": _mark_none,
    "first": _mark_first,
    "question": _mark_question,
    "choice": _mark_choice,
    "ends": _mark_nothing,
}
