"""Keys of configurations that choose code or speak of the source's place: they neither travel nor are heeded."""

from __future__ import annotations

from typing import Any

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import printable

# What `from_pretrained` takes to another repository, another file or a kernel, and where the source came from.
FOREIGN_KEYS = frozenset(
    {
        "auto_map", "custom_pipelines", "custom_generate", "trust_remote_code", "code_revision", "base_model_prefix",
        "attn_implementation", "experts_implementation", "use_kernels", "kernel_config", "gguf_file", "adapter_kwargs",
        "_attn_implementation", "_attn_implementation_internal", "_experts_implementation",
        "_experts_implementation_internal", "_attn_implementation_autoset", "_auto_class", "_from_auto",
        "_from_pipeline", "_name_or_path", "name_or_path", "_commit_hash",
    }
)  # fmt: skip


def without_foreign_keys(config: dict[str, Any]) -> dict[str, Any]:
    """A copy without such keys, in nested configurations too; nor with names that Python itself gives a meaning."""
    return {key: _cleaned(value) for key, value in config.items() if key not in FOREIGN_KEYS and key[:2] != "__"}


def _cleaned(value: Any) -> Any:
    if isinstance(value, dict):
        return without_foreign_keys(value)
    return [_cleaned(item) for item in value] if isinstance(value, list) else value


def refuse_quantized(config: dict[str, Any]) -> None:
    """Raise RequestError for quantized weights: only the code of their own library can read them."""
    parts = [config, *(value for value in config.values() if isinstance(value, dict))]
    for part in parts:
        settings = part.get("quantization_config") or part.get("compression_config")
        if settings:
            method = settings.get("quant_method") if isinstance(settings, dict) else settings
            raise RequestError(
                f"the source's weights are quantized ({printable(method or 'quantization_config in its config')}).",
                "convert the checkpoint that they were made from, or save them dequantized first.",
            )
