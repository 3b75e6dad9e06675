"""Why a checkpoint of no known family cannot be converted, in words a user can act on.

What its configuration says of it decides; a list of names serves only where there is nothing but a name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from lsg_convert.common.files import printable
from lsg_convert.families import FAMILIES

from .family import Config

_HAS_DECODER = "it comes with a decoder of its own, so it is converted by itself and not as half of a pair"
_NO_TEXT = "it is not a text encoder"
_DECODER = "it is a decoder only: LSG attention looks both ways, so it serves encoders"
_OTHER_ATTENTION = "its layers do not attend as LSG blocks do, every token to every token by one softmax"
_LONG = "its attention already reaches far"
_OTHER_ENCODER = "its encoder is not built as those are that LSG attention fits into"
_FOREIGN_CODE = "its model is code of its own repository, which is never run"
_UNKNOWN = "no family here knows its layout"
_LONG_LENGTH = 8192
_VOCABULARIES = ("vocab_size", "n_words")
_PARTS = ("_config", "coder")  # configurations within one

# Beginnings of fields that models of images, sound, layout, time series and the like have.
_SENSES = (
    "vision", "visual", "image_", "num_image", "pixel", "patch_size", "backbone", "num_channels", "video",
    "max_2d_position", "audio", "sampling_rate", "num_mel", "mel_", "speech", "codec", "conv_stride", "feat_",
    "feature_size", "input_feat", "num_codebooks", "codebook", "qformer", "perceiver", "prediction_length",
    "num_input_channels", "reward_", "act_dim", "state_dim", "keypoint",
)  # fmt: skip
# The same of attention that is no softmax over all tokens, and of layers that do not attend, or change the length.
_ATTENTIONS = (
    "local_attention", "attention_window", "attn_chunk", "local_attn", "lsh_", "num_hash", "hash_code", "block_sizes",
    "pool_q_only", "downsampling", "num_landmarks", "approx_mode", "head_ratio", "tpu_short_seq", "q_groups",
    "state_size", "ssm_", "mamba", "time_mix", "conv_l_cache", "linear_attn", "linear_num",
)  # fmt: skip
# The same of sparse attention that is made for length, and of positions without an end.
_REACHES = ("local_radius", "global_block_size", "block_size", "rope_", "rotary")
_NAMES_OF_DECODERS = ("ForCausalLM", "LMHeadModel", "DoubleHeadsModel", "ForCausalImageModeling")

# Names by which models are asked for, and that say enough.
_KNOWN_NAMES = {
    _LONG: ("long-t5", "longt5", "nomic-embed", "nomic-bert", "eurobert", "pegasus-x"),
    _OTHER_ATTENTION: ("funnel", "fnet", "convbert", "canine", "mamba", "rwkv", "reformer", "nystromformer"),
    _DECODER: (
        "gpt", "openai-gpt", "llama", "mistral", "mixtral", "opt", "bloom", "falcon", "phi", "gemma", "qwen", "xlnet",
        "ctrl", "olmo", "deepseek", "smollm",
    ),
    _OTHER_ENCODER: ("prophetnet", "t5gemma"),
    _NO_TEXT: (
        "vit", "deit", "beit", "swin", "clip", "siglip", "blip", "llava", "layoutlm", "layoutlmv", "whisper", "wav2vec",
        "hubert", "wavlm", "dinov", "detr",
    ),
}  # fmt: skip


def why_unsupported(config: Mapping[str, Any]) -> str:
    """What cannot be converted and why, for any config without a family."""
    encoder = config.get("encoder")
    if config.get("model_type") == "encoder-decoder":
        if not isinstance(encoder, Mapping):
            return "this encoder-decoder pair cannot be converted: its config.json does not describe an encoder"
        reason = _HAS_DECODER if str(encoder.get("model_type")) in FAMILIES else _reason(encoder)
        return f"the encoder of this pair, model_type {_name(encoder)}, cannot be converted: {reason}"
    if not isinstance(config.get("model_type"), str):
        return "config.json does not name a model_type, so the kind of model is not known"
    return f"model_type {_name(config)} cannot be converted: {_reason(config)}"


def why_unsupported_name(name: str) -> str | None:
    """Why a model of this name, which may be a short one, cannot be converted; None where the name says nothing."""
    words = [word for word in re.split(r"[-_.]", name.rpartition("/")[2].lower()) if word]
    without_number = [word.rstrip("0123456789") for word in words[:1]] + words[1:]
    for reason, names in _KNOWN_NAMES.items():
        for parts in (known.split("-") for known in names):
            if parts in (words[: len(parts)], without_number[: len(parts)]):
                return reason
    return None


def _reason(config: Config) -> str:
    """The first thing that the config says; else what the name says."""
    for reason, find in _FACTS:
        fact = find(config)
        if fact is not None:
            return f"{reason} ({printable(fact)} in config.json)"
    return why_unsupported_name(str(config.get("model_type"))) or _UNKNOWN


def _senses(config: Config) -> str | None:
    """A field of what is no text; or that there is no vocabulary, in a config that has numbers at all."""
    found = _field(config, _SENSES)
    parts = {key: value for key, value in config.items() if key.endswith(_PARTS) and isinstance(value, Mapping)}
    inner = ((part, _field(value, _SENSES)) for part, value in parts.items())
    found = found or next((f"{part}.{field}" for part, field in inner if field is not None), None)
    has_words = any(key.endswith(_VOCABULARIES) for key in config) or _field(config, _ATTENTIONS) is not None
    has_numbers = any(type(value) in (int, float) for value in config.values())
    return found or (None if has_words or parts or not has_numbers else "no vocab_size")


def _decoder(config: Config) -> str | None:
    if config.get("is_encoder_decoder"):
        return None
    if config.get("is_decoder"):
        return "is_decoder"
    named = config.get("architectures")
    named = named if isinstance(named, list) else []
    return next((str(name) for name in named if str(name).endswith(_NAMES_OF_DECODERS)), None)


def _reach(config: Config) -> str | None:
    """A field of attention that is sparse, of a long table, or of positions that have no end."""
    length = config.get("max_position_embeddings")
    if isinstance(length, int) and length >= _LONG_LENGTH:
        return f"max_position_embeddings={length}"
    return _field(config, _REACHES)


def _field(config: Config, beginnings: tuple[str, ...]) -> str | None:
    """The first field whose name begins so, and that has a value."""
    found = (key for key, value in config.items() if str(key).startswith(beginnings) and value not in (None, False))
    return next(found, None)


# What is asked of a config, in this order, and what follows.
_FACTS: tuple[tuple[str, Callable[[Config], str | None]], ...] = (
    (_NO_TEXT, _senses),
    (_DECODER, _decoder),
    (_OTHER_ATTENTION, lambda config: _field(config, _ATTENTIONS)),
    (_LONG, _reach),
    (_OTHER_ENCODER, lambda config: "is_encoder_decoder" if config.get("is_encoder_decoder") else None),
    (_FOREIGN_CODE, lambda config: "auto_map" if config.get("auto_map") else None),
)


def _name(config: Mapping[str, Any]) -> str:
    return repr(printable(config.get("model_type")))
