"""The values of a source's config.json, checked before any library builds a model of them.

A model is no larger than its weights: no field may ask for more layers than the tensors are numbered by, nor for a
width that no tensor has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import printable
from lsg_convert.families import dense_model_type
from lsg_convert.sources.checkpoint import Checkpoint

MAX_LABELS = 10_000  # of a head that has no weights yet
MAX_POSITIONS = 2**20  # of tables that are computed, or of positions without a table
_MAX_ID = 2**31

# Whole numbers that the library builds modules by, in every family and in the common decoders of pairs.
_LAYERS = {
    "num_hidden_layers", "num_layers", "n_layers", "n_layer", "num_encoder_layers", "encoder_layers",
    "num_decoder_layers", "decoder_layers", "num_hidden_groups", "inner_group_num",
}  # fmt: skip
_WIDTHS = {
    "hidden_size", "d_model", "dim", "n_embd", "intermediate_size", "encoder_ffn_dim", "decoder_ffn_dim", "d_ff",
    "hidden_dim", "ffn_dim", "n_inner", "embedding_size", "vocab_size", "decoder_vocab_size", "type_vocab_size",
    "task_type_vocab_size", "relative_attention_num_buckets", "cross_attention_hidden_size",
}  # fmt: skip
_PARTS = {  # of a width
    "num_attention_heads", "encoder_attention_heads", "decoder_attention_heads", "num_heads", "n_heads", "n_head",
    "d_kv", "head_dim", "num_key_value_heads",
}  # fmt: skip
_LENGTHS = {
    "max_position_embeddings", "max_encoder_position_embeddings", "max_decoder_position_embeddings", "n_positions",
    "n_ctx", "relative_attention_max_distance", "max_length", "min_length", "chunk_size_feed_forward",
}  # fmt: skip
_WINDOWS = {"attention_window"}
_LABELS = {"num_labels", "_num_labels"}
_LISTS_OF_LABELS = {"id2label", "label2id"}
_NUMBERS = {
    "hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout", "classifier_dropout_prob", "dropout",
    "dropout_rate", "activation_dropout", "attention_dropout", "encoder_layerdrop", "decoder_layerdrop", "layerdrop",
    "qa_dropout", "seq_classif_dropout", "summary_last_dropout", "layer_norm_eps", "layer_norm_epsilon", "init_std",
    "initializer_range", "initializer_factor",
}  # fmt: skip
_FLAGS = {
    "is_decoder", "is_encoder_decoder", "add_cross_attention", "tie_word_embeddings", "tie_encoder_decoder",
    "scale_embedding", "share_encoder_decoder_embeddings", "sinusoidal_pos_embds",
    "is_gated_act", "use_task_id", "use_cache", "output_attentions", "output_hidden_states", "return_dict",
    "torchscript", "onnx_export",
}  # fmt: skip
_TEXTS = {
    "hidden_act", "activation", "activation_function", "dense_act_fn", "feed_forward_proj", "problem_type",
    "torch_dtype", "dtype", "position_embedding_type", "tokenizer_class", "transformers_version", "model_type",
    "_name_or_path",
}  # fmt: skip
_NUMBERED = re.compile(r"(?:^|\.)(\d{1,6})(?=\.)")
_DECODER_LAYER = re.compile(r"(?:^|\.)decoder\.(?:layers|layer|block)\.(\d{1,6})\.")


@dataclass(frozen=True)
class _Bounds:
    """What the tensors give: layers that they are numbered by, and every extent that one of them has."""

    layers: int
    widths: Collection[int]
    widest: int

    @classmethod
    def of(cls, shapes: Mapping[str, tuple[int, ...]]) -> _Bounds:
        layers = max((int(number) + 1 for name in shapes for number in _NUMBERED.findall(name)), default=0)
        widths = {extent for shape in shapes.values() for extent in shape}
        return cls(layers, widths, max(widths, default=0))


def check_config(config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Compare a model's configuration, those of a pair's halves included, with the shapes of its tensors by name.

    Raises:
        RequestError: a field is of the wrong kind, or asks for more than the weights hold; lists them.
    """
    bounds = _Bounds.of(shapes)
    complaints = list(_complaints(config, bounds))
    if dense_model_type(config) == "encoder-decoder":
        for part in ("encoder", "decoder"):
            half = config.get(part)
            if isinstance(half, Mapping):
                complaints += [f"{part}.{text}" for text in (*_complaints(half, bounds), *_unknown(half, bounds))]
            else:
                complaints.append(f"{part} is {_shown(half)}, not an object")
    complaints += _decoder_layers(config, shapes)
    if complaints:
        shown = "; ".join(complaints[:6]) + (f"; and {len(complaints) - 6} more" if len(complaints) > 6 else "")
        raise RequestError(
            f"weights and config.json contradict each other: {shown}.",
            "Restore the config.json that belongs to these weights.",
        )


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration of a model folder whose weights hold what it asks for.

    Raises:
        RequestError: it does not fit the weights, or the folder is not a sound one.
    """
    checkpoint = Checkpoint.open(folder)
    check_config(checkpoint.config, {name: info.shape for name, info in checkpoint.tensors.items()})
    return checkpoint.config


def _complaints(config: Mapping[str, Any], bounds: _Bounds) -> Iterator[str]:
    for name, value in config.items():
        if value is None:
            continue
        for names, rule in _RULES:
            wanted = rule(name, value, config, bounds) if name in names else None
            if wanted:
                yield f"{name} is {_shown(value)}, not {wanted}"
        if name.endswith("_token_id") and not _is_id(value):
            yield f"{name} is {_shown(value)}, not the number of a token"


def _unknown(config: Mapping[str, Any], bounds: _Bounds) -> Iterator[str]:
    """Fields of half a pair, which may be of any family of the library: what they size is not known."""
    known = {name for names, _ in _RULES for name in names}
    for name, value in config.items():
        if name in known or name.endswith(("_id", "_index", "seed")) or isinstance(value, bool):
            continue
        most = bounds.layers if name.endswith(("layers", "blocks", "experts")) else max(MAX_POSITIONS, bounds.widest)
        if isinstance(value, int) and value > most:
            yield f"{name} is {_shown(value)}, not a number up to {most}"


def _shown(value: Any) -> str:
    return printable(repr(value), 40)


def _layers(name: str, value: Any, config: Mapping[str, Any], bounds: _Bounds) -> str | None:
    # layers that share their weights (ALBERT's) are run and not stored, and where there is a name of the family's own
    # the common one says nothing
    own = _LAYERS - {"num_hidden_layers"}
    most = 1000 if name == "num_hidden_layers" and not own.isdisjoint(config) else bounds.layers
    return _whole(value, 0, most, f"a number of layers up to {most}")


def _width(name: str, value: Any, config: Mapping[str, Any], bounds: _Bounds) -> str | None:
    if _whole(value, 0, bounds.widest, "") is None and (value in bounds.widths or value <= 64):
        return None
    return "an extent that any of the tensors has"


def _part(name: str, value: Any, config: Mapping[str, Any], bounds: _Bounds) -> str | None:
    return _whole(value, 1, bounds.widest, f"a number from 1 to {bounds.widest}")


def _length(name: str, value: Any, config: Mapping[str, Any], bounds: _Bounds) -> str | None:
    most = max(MAX_POSITIONS, bounds.widest)
    return _whole(value, 0, most, f"a number of tokens up to {most}")


def _window(name: str, value: Any, config: Mapping[str, Any], bounds: _Bounds) -> str | None:
    wanted = f"an even number of tokens up to {MAX_POSITIONS}, or one for each of the {bounds.layers} layers at most"
    windows = value if isinstance(value, list) else [value]
    even = all(_whole(each, 2, MAX_POSITIONS, wanted) is None and each % 2 == 0 for each in windows)
    return None if even and 1 <= len(windows) <= bounds.layers else wanted


def _labels(name: str, value: Any, config: Mapping[str, Any], bounds: _Bounds) -> str | None:
    most = max(MAX_LABELS, bounds.widest)
    return _whole(value, 0, most, f"a number of labels up to {most}")


def _list_of_labels(name: str, value: Any, config: Mapping[str, Any], bounds: _Bounds) -> str | None:
    most = max(MAX_LABELS, bounds.widest)
    if not isinstance(value, dict) or len(value) > most:
        return f"an object with up to {most} labels"
    if any(isinstance(label, dict | list) for label in value.values()):
        return "an object from labels to numbers, or the other way round"
    if name == "id2label" and not all(key.isascii() and key.isdigit() and len(key) < 8 for key in value):
        return "an object from numbers to labels"
    return None


def _number(name: str, value: Any, config: Mapping[str, Any], bounds: _Bounds) -> str | None:
    sound = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 1000
    return None if sound else "a number"


def _flag(name: str, value: Any, config: Mapping[str, Any], bounds: _Bounds) -> str | None:
    return None if isinstance(value, int) and value in (0, 1) else "true or false"


def _text(name: str, value: Any, config: Mapping[str, Any], bounds: _Bounds) -> str | None:
    return None if isinstance(value, str) and len(value) <= 1000 else "a short text"


def _architectures(name: str, value: Any, config: Mapping[str, Any], bounds: _Bounds) -> str | None:
    sound = isinstance(value, list) and all(isinstance(item, str) for item in value)
    return None if sound else "a list of class names"


_Rule = Callable[[str, Any, Mapping[str, Any], _Bounds], str | None]
_RULES: tuple[tuple[Collection[str], _Rule], ...] = (
    (_LAYERS, _layers),
    (_WIDTHS, _width),
    (_PARTS, _part),
    (_LENGTHS, _length),
    (_WINDOWS, _window),
    (_LABELS, _labels),
    (_LISTS_OF_LABELS, _list_of_labels),
    (_NUMBERS, _number),
    (_FLAGS, _flag),
    (_TEXTS, _text),
    (("architectures",), _architectures),
)


def _whole(value: Any, least: int, most: int, wanted: str) -> str | None:
    """None when `value` is a whole number within bounds, else `wanted`."""
    sound = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    return None if sound else wanted


def _is_id(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) <= 1000 and not any(isinstance(item, list) for item in value) and all(map(_is_id, value))
    return isinstance(value, int) and not isinstance(value, bool) and -_MAX_ID <= value < _MAX_ID


def _decoder_layers(config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """A decoder has the layers that the config says, as an encoder has; weights without a decoder have none."""
    found = len({match[1] for match in map(_DECODER_LAYER.search, shapes) if match})
    name = next((name for name in ("decoder_layers", "num_decoder_layers") if config.get(name) is not None), None)
    if not found or name is None or config[name] == found:
        return []
    return [f"{name} is {_shown(config[name])}, the weights have {found} layers in the decoder"]
