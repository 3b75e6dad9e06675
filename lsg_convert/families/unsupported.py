"""Why a checkpoint of no known family cannot be converted, in words a user can act on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lsg_convert.common.files import printable
from lsg_convert.families import FAMILIES

# How names of checkpoints spell a model_type.
_SPELLINGS = {"gpt": "gpt2", "nomic-embed": "nomic_bert"}
_HAS_DECODER = "it comes with a decoder of its own, so it is converted by itself and not as half of a pair"
_REASONS = {
    "its attention already reaches far": {
        "longt5", "modernbert-decoder",
        "nystromformer",
        "reformer", "pegasus_x", "mega", "eurobert", "neobert", "nomic_bert",
    },
    "its layers do not attend as LSG blocks do, every token to every token by one softmax": {
        "funnel", "fnet", "yoso", "mra", "convbert", "perceiver", "canine", "rwkv", "mamba", "mamba2",
    },
    "it is a decoder only: LSG attention looks both ways, so it serves encoders": {
        "gpt2", "gpt_neo", "gpt_neox", "gptj", "gpt_bigcode", "gpt_oss", "codegen", "llama", "llama4", "llama4_text",
        "mistral", "mistral3", "mixtral", "opt", "bloom", "falcon", "falcon_h1", "phi", "phi3", "phimoe", "gemma",
        "gemma2", "gemma3", "gemma3_text", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "xglm", "ctrl", "openai-gpt",
        "transfo-xl", "xlnet", "biogpt", "stablelm", "starcoder2", "olmo", "olmo2", "cohere", "cohere2", "granite",
        "deepseek_v2", "deepseek_v3", "smollm3", "mpt", "jamba",
    },
    "its encoder is not built as those are that LSG attention fits into": {
        "prophetnet", "xlm-prophetnet", "fsmt", "nllb-moe", "switch_transformers", "t5gemma", "udop", "pix2struct",
    },
    "it is not a text encoder": {
        "vit", "vit_mae", "deit", "beit", "swin", "swinv2", "convnext", "resnet", "segformer", "dinov2", "dinov3_vit",
        "detr", "clip", "siglip", "siglip2", "blip", "blip-2", "llava", "layoutlmv2", "layoutlmv3", "whisper",
        "wav2vec2",
        "hubert", "wavlm", "speech_to_text", "vision-encoder-decoder", "speech-encoder-decoder",
    },
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
    for reason, model_types in _REASONS.items():
        for model_type in (*model_types, *(alias for alias, known in _SPELLINGS.items() if known in model_types)):
            parts = re.split(r"[-_]", model_type)
            if words[: len(parts)] == parts:
                return reason
    return None


def _reason(config: Mapping[str, Any]) -> str:
    known = (reason for reason, model_types in _REASONS.items() if config.get("model_type") in model_types)
    return next(known, "no family here knows its layout")


def _name(config: Mapping[str, Any]) -> str:
    return repr(printable(config.get("model_type")))
