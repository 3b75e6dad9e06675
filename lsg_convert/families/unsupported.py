"""Why a checkpoint of no known family cannot be converted, in words a user can act on."""

from __future__ import annotations

from typing import Any

_REASONS = {
    "its attention already reaches far": {"longformer", "led", "big_bird", "bigbird_pegasus", "longt5", "modernbert"},
    "its attention is disentangled (content and position attend separately), which LSG blocks do not express": {
        "deberta",
        "deberta-v2",
    },
    "it is a decoder only: LSG attention looks both ways, so it serves encoders": {
        "gpt2", "gpt_neo", "gpt_neox", "gptj", "llama", "mistral", "mixtral", "opt", "bloom", "falcon", "phi", "phi3",
        "gemma", "gemma2", "gemma3", "qwen2", "qwen3", "xglm", "ctrl", "openai-gpt", "transfo-xl", "xlnet", "mamba",
    },
    "it is not a text encoder": {
        "vit", "deit", "beit", "swin", "clip", "siglip", "whisper", "wav2vec2", "hubert", "detr", "dinov2", "blip", "llava",
    },
}  # fmt: skip


def why_unsupported(config: dict[str, Any]) -> str:
    """The reason, for any config without a family."""
    model_type = config.get("model_type")
    if not isinstance(model_type, str):
        return "config.json does not name a model_type, so the kind of model is not known"
    for reason, model_types in _REASONS.items():
        if model_type in model_types:
            return reason
    return "no family here knows its layout"
