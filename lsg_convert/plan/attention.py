"""The attention of a converted model: its LSG options, whether it is the source's own, and what a user should know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lsg_convert.common.errors import RequestError
from lsg_convert.families import Family
from lsg_convert.families.family import MOST_LAYERS
from lsg_convert.modeling.lsg_options import PUBLISHED_PREFIX, LSGOptions
from lsg_convert.plan.options import ConvertOptions


def lsg_options(
    family: Family,
    config: dict[str, Any],
    options: ConvertOptions,
    own: Mapping[str, Any],
    is_lsg_source: bool,
    global_is_bos: bool,
) -> LSGOptions:
    """The options: those asked for, else the source's, else the defaults.

    Raises:
        RequestError: they break a rule, or the family cannot compute them.
    """
    # A pair that the library built of an LSG encoder and a decoder has the options where the encoder's are.
    source = {**family.encoder_config(config), **config} if is_lsg_source else {**own}
    # The first global is BOS only where inputs open with BOS; elsewhere masking token 0 would lose a word.
    # And a global that stands in for nothing changes every output until it is trained.
    if not is_lsg_source:
        source.setdefault("num_global_tokens", int(global_is_bos))
    source.setdefault("mask_first_token", global_is_bos)
    source.setdefault("pool_with_global", global_is_bos)
    source.setdefault("attend_masked_runs", source.get("base_model_prefix") == PUBLISHED_PREFIX)
    lsg = _with_windows(options.lsg_options(source), options, family.encoder_config(config).get(family.num_layers))
    heads = family.encoder_config(config).get(family.num_heads)
    try:
        lsg.validate(heads if isinstance(heads, int) else None)
    except ValueError as error:
        raise RequestError(str(error)) from error
    if lsg.attention_backend in family.backends_without:
        raise RequestError(
            f"--attention-backend {lsg.attention_backend}: what {family.title} adds to scores depends on queries and "
            "keys, which it does not compute.",
            "Choose auto or sdpa.",
        )
    if lsg.attention_backend == "flex" and family.global_bias:
        raise RequestError(
            f"--attention-backend flex: FlexAttention computes no position bias, and {family.model_type} has one.",
            "Choose auto, sdpa or cpp.",
        )
    return lsg


def _with_windows(lsg: LSGOptions, options: ConvertOptions, num_layers: Any) -> LSGOptions:
    """The options with a window of each layer, where attention is sliding.

    Raises:
        RequestError: there are others than layers, or attention is not sliding and a window was asked for.
    """
    if lsg.local_attention == "block":
        if options.attention_window is not None:
            raise RequestError(
                f"--attention-window {options.attention_window} is for sliding attention, and this is by blocks.",
                "Add --local-attention sliding, or give --block-size.",
            )
        return lsg
    windows = lsg.attention_window or (2 * lsg.block_size,)
    if type(num_layers) is not int or not 0 < num_layers <= MOST_LAYERS:  # whose number the library knows
        return replace(lsg, attention_window=windows)
    windows = windows * num_layers if len(windows) == 1 else windows
    if len(windows) != num_layers:
        raise RequestError(
            f"config.json has {len(windows)} values of attention_window, and the model {num_layers} layers.",
            "Restore the config.json that belongs to these weights.",
        )
    return replace(lsg, attention_window=windows)


def notes_on(options: ConvertOptions, lsg: LSGOptions, own: Mapping[str, Any], is_lsg_source: bool) -> list[str]:
    """What a user should know about the global tokens, and about attention."""
    notes = []
    if is_lsg_source and options.keep_first_global_token and options.global_init is None:
        notes.append("--keep-first-global-token: all globals of an LSG source are kept unless --global-init is given")
    if not (lsg.num_global_tokens or options.num_global_tokens is not None or is_lsg_source or own):
        notes.append(
            "no global tokens: inputs open with no token that one could stand in for. "
            "Add some (--num-global-tokens 16) if the model is to be trained further"
        )
    others = changed(lsg, own)
    if others and not is_lsg_source:
        limit = exact_limit(lsg, own)
        notes.append(
            f"attention is no longer the source's own ({'; '.join(others)}): above {limit} tokens outputs differ from "
            "the source's"
        )
    return notes


def exact_limit(lsg: LSGOptions, own: Mapping[str, Any]) -> int:
    """Tokens up to which every token attends to every other, here and in the source."""
    return min(lsg.dense_limit, LSGOptions(**own).dense_limit) if own else lsg.dense_limit


def changed(lsg: LSGOptions, own: Mapping[str, Any]) -> list[str]:
    """What makes attention another than the source's own, where that is known as the options `own`."""
    kept = {name: getattr(LSGOptions(**own), name) for name in own}
    return [
        f"{name} is {getattr(lsg, name)}, not {value}" for name, value in kept.items() if getattr(lsg, name) != value
    ]
