"""What of a tokenizer's settings travels: values that describe a tokenizer, none that name a file or choose code.

The library hands every key of these files to a tokenizer's constructor, and some of those open what they are given:
`vocab`, `vocab_file`, `sp_model_kwargs`, positional `init_inputs`. Numbers and switches are harmless under any other
name; text is kept under names that are known to take it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lsg_convert.plan.foreign_keys import FOREIGN_KEYS

_TEXTS = frozenset(
    {
        "tokenizer_class", "padding_side", "truncation_side", "truncation_strategy", "errors", "src_lang", "tgt_lang",
        "source_lang", "target_lang", "language_codes", "word_tokenizer_type", "subword_tokenizer_type",
        "wordpieces_prefix", "prepend_scheme", "replacement", "chat_template", "end_of_word_suffix",
        "continuing_subword_prefix", "transformers_version",
    }
)  # fmt: skip
_LISTS_OF_TEXT = frozenset({"model_input_names", "never_split", "language_codes"})
_LISTS_OF_TOKENS = frozenset({"additional_special_tokens", "extra_special_tokens"})
_TABLES_OF_TOKENS = frozenset({"added_tokens_decoder", "extra_special_tokens", "model_specific_special_tokens"})
_OPENED = ("_file", "_path", "_dir", "vocab", "merges", "init_inputs", "_kwargs")
_TOKEN_SWITCHES = ("lstrip", "rstrip", "normalized", "single_word", "special")


def safe_tokenizer_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """A copy of a `tokenizer_config.json` with what may travel."""
    return {key: value for key, value in settings.items() if _is_known(key, value)} | _sentencepiece(settings)


def safe_special_tokens(settings: dict[str, Any]) -> dict[str, Any]:
    """A copy of a `special_tokens_map.json` with its tokens."""
    tokens = ("_token", "_special_tokens")
    return {key: value for key, value in settings.items() if key.endswith(tokens) and _is_known(key, value)}


def _is_known(key: str, value: Any) -> bool:
    if key in FOREIGN_KEYS or key.startswith("_") or key.endswith(_OPENED):
        return False
    if value is None or isinstance(value, bool | int | float):
        return True
    if isinstance(value, str):
        return key in _TEXTS or key.endswith("_token")
    if isinstance(value, list):
        return (key in _LISTS_OF_TEXT and all(isinstance(item, str) for item in value)) or (
            key in _LISTS_OF_TOKENS and all(map(_is_token, value))
        )
    if _is_token(value):
        return key.endswith("_token")
    return isinstance(value, dict) and key in _TABLES_OF_TOKENS and all(map(_is_token, value.values()))


def _is_token(value: Any) -> bool:
    """Whether a value is a token: its text, or an object that says how it is found in texts."""
    if not isinstance(value, dict):
        return isinstance(value, str)
    known = {"content", "id", "__type", *_TOKEN_SWITCHES}
    return (
        isinstance(value.get("content"), str)
        and value.keys() <= known
        and value.get("__type", "AddedToken") == "AddedToken"
        and all(isinstance(value.get(name, False), bool) for name in _TOKEN_SWITCHES)
    )


def _sentencepiece(settings: dict[str, Any]) -> dict[str, Any]:
    """The options of sentencepiece's sampling; another of its options names a model file."""
    given = settings.get("sp_model_kwargs")
    if not isinstance(given, dict):
        return {}
    kinds: dict[str, Callable[[Any], bool]] = {
        "enable_sampling": lambda value: isinstance(value, bool),
        "nbest_size": lambda value: isinstance(value, int),
        "alpha": lambda value: isinstance(value, int | float),
    }
    return {"sp_model_kwargs": {key: given[key] for key, fits in kinds.items() if key in given and fits(given[key])}}
