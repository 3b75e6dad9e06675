"""Tiny random checkpoints made on the spot: real config shapes, real tokenizers, weights large enough to differ.

    folder = make_checkpoint("roberta", "RobertaForMaskedLM", tmp_path / "tiny", max_positions=64)

`max_positions` is what the user knows as the model's length: 64 tokens, whatever rows the table has beside them.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from tests.tiny_tokenizers import LAYOUTS, write_tokenizer


@dataclass(frozen=True)
class TinyFamily:
    """What a family's tiny config looks like."""

    tokenizer: str
    architecture: str
    config: dict[str, Any]
    positions_field: str | None = "max_position_embeddings"
    position_offset: int = 0
    fixed: dict[str, Any] = field(default_factory=dict)
    conversion: dict[str, Any] = field(default_factory=dict)  # options that differ from those of the other families


# Said aloud, because 5.0.0 ties nothing in some families whose configuration leaves it open, and other releases do.
_TIED = {"tie_word_embeddings": True}
_ENCODER = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
    "type_vocab_size": 2, "num_labels": 3, **_TIED,
}  # fmt: skip
_ROBERTA = {**_ENCODER, "type_vocab_size": 1}
_ENCODER_DECODER = {
    "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "num_labels": 3,
}  # fmt: skip
_T5 = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_decoder_layers": 2, "num_heads": 4,
       "num_labels": 3, "relative_attention_max_distance": 32, "relative_attention_num_buckets": 16}  # fmt: skip
_DEBERTA = {
    **_ENCODER, "type_vocab_size": 0, "relative_attention": True, "position_biased_input": False,
    "pos_att_type": ["p2c", "c2p"], "max_relative_positions": -1, "pooler_hidden_size": 32,
}  # fmt: skip
_XLM = {"emb_dim": 32, "n_layers": 2, "n_heads": 4, "num_labels": 3, **_TIED}
# Dense up to 36 tokens.
_END_BLOCKS = {"block_size": 4, "num_random_blocks": 2}
_OWN_BLOCKS = {"block_size": None}

FAMILIES: dict[str, TinyFamily] = {
    "bert": TinyFamily("bert", "BertForMaskedLM", _ENCODER),
    "roberta": TinyFamily("roberta", "RobertaForMaskedLM", _ROBERTA, position_offset=2),
    "camembert": TinyFamily("camembert", "CamembertForMaskedLM", _ROBERTA, position_offset=2),
    "xlm-roberta": TinyFamily("xlm-roberta", "XLMRobertaForMaskedLM", _ROBERTA, position_offset=2),
    "bart": TinyFamily(
        "bart", "BartForConditionalGeneration",
        {**_ENCODER_DECODER, "decoder_start_token_id": 2, "forced_eos_token_id": 2},
    ),
    "distilbert": TinyFamily(
        "distilbert", "DistilBertForMaskedLM",
        {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48, "num_labels": 3},
    ),
    "albert": TinyFamily(
        "albert", "AlbertForMaskedLM",
        {**_ENCODER, "embedding_size": 16, "num_hidden_groups": 1, "inner_group_num": 1},
    ),
    "electra": TinyFamily("electra", "ElectraForMaskedLM", {**_ENCODER, "embedding_size": 16}),
    "mbart": TinyFamily(
        "mbart", "MBartForConditionalGeneration", {**_ENCODER_DECODER, "scale_embedding": True}
    ),
    "pegasus": TinyFamily(
        "pegasus", "PegasusForConditionalGeneration",
        {**_ENCODER_DECODER, "scale_embedding": True, "decoder_start_token_id": 0},
    ),
    "t5": TinyFamily("t5", "T5ForConditionalGeneration", {**_T5, "decoder_start_token_id": 0}, "n_positions"),
    "mt5": TinyFamily(
        "t5", "MT5ForConditionalGeneration",
        {**_T5, "decoder_start_token_id": 0, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
        "n_positions",
    ),
    # Tied, other than published ones: releases disagree on how the output of an untied UMT5 is scaled.
    "umt5": TinyFamily(
        "t5", "UMT5ForConditionalGeneration",
        {**_T5, "decoder_start_token_id": 0, "feed_forward_proj": "gated-gelu"}, "n_positions",
    ),
    "bert-generation": TinyFamily(
        "general-unigram", "BertGenerationEncoder",
        {name: value for name, value in _ENCODER.items() if name != "type_vocab_size"},
    ),
    "mpnet": TinyFamily(
        "mpnet", "MPNetForMaskedLM",
        {name: value for name, value in _ENCODER.items() if name != "type_vocab_size"},
        position_offset=2,
    ),
    "xlm-roberta-xl": TinyFamily("xlm-roberta", "XLMRobertaXLForMaskedLM", _ROBERTA, position_offset=2),
    "roberta-prelayernorm": TinyFamily("roberta", "RobertaPreLayerNormForMaskedLM", _ROBERTA, position_offset=2),
    "data2vec-text": TinyFamily("roberta", "Data2VecTextForMaskedLM", _ROBERTA, position_offset=2),
    "ernie": TinyFamily("bert", "ErnieForMaskedLM", {**_ENCODER, "use_task_id": True, "task_type_vocab_size": 3}),
    "marian": TinyFamily(
        "general-unigram", "MarianMTModel", {**_ENCODER_DECODER, "scale_embedding": True, "decoder_start_token_id": 0}
    ),
    "m2m_100": TinyFamily(
        "general-unigram", "M2M100ForConditionalGeneration", {**_ENCODER_DECODER, "scale_embedding": True}
    ),
    "blenderbot": TinyFamily("general-unigram", "BlenderbotForConditionalGeneration", _ENCODER_DECODER),
    "blenderbot-small": TinyFamily("general-unigram", "BlenderbotSmallForConditionalGeneration", _ENCODER_DECODER),
    # Windows of which the tests' inputs see the ends, and of each layer another one.
    "longformer": TinyFamily(
        "roberta", "LongformerForMaskedLM", {**_ROBERTA, "attention_window": [16, 32], "sep_token_id": 2},
        position_offset=2,
    ),
    "led": TinyFamily(
        "bart", "LEDForConditionalGeneration",
        {**_ENCODER_DECODER, "attention_window": [32, 16], "max_decoder_position_embeddings": 128},
        "max_encoder_position_embeddings",
    ),
    "plbart": TinyFamily("general-unigram", "PLBartForConditionalGeneration", _ENCODER_DECODER),
    "big_bird": TinyFamily(
        "big_bird", "BigBirdForMaskedLM", {**_ENCODER, **_END_BLOCKS, "sep_token_id": 3}, conversion=_OWN_BLOCKS
    ),
    "bigbird_pegasus": TinyFamily(
        "pegasus", "BigBirdPegasusForConditionalGeneration",
        {**_ENCODER_DECODER, **_END_BLOCKS, "decoder_start_token_id": 2}, conversion=_OWN_BLOCKS,
    ),
    "deberta": TinyFamily("deberta", "DebertaForMaskedLM", _DEBERTA),
    # As v3 has it, and v2's convolution; more distances than the inputs of tests have, so that some share rows.
    "deberta-v2": TinyFamily(
        "deberta-v2", "DebertaV2ForMaskedLM",
        {**_DEBERTA, "position_buckets": 12, "max_relative_positions": 40, "share_att_key": True,
         "norm_rel_ebd": "layer_norm", "conv_kernel_size": 3, "conv_act": "gelu"},
    ),
    # Every other layer sees near tokens only, fewer than a block has.
    "modernbert": TinyFamily(
        "modernbert", "ModernBertForMaskedLM",
        {**{name: value for name, value in _ENCODER.items() if name != "type_vocab_size"},
         "global_attn_every_n_layers": 2, "local_attention": 12},
    ),
    "esm": TinyFamily(
        "esm", "EsmForMaskedLM",
        {**{name: value for name, value in _ENCODER.items() if name != "type_vocab_size"},
         "position_embedding_type": "rotary", "token_dropout": True, "emb_layer_norm_before": False,
         "mask_token_id": 4},
    ),
    "megatron-bert": TinyFamily("bert", "MegatronBertForMaskedLM", _ENCODER),
    "rembert": TinyFamily(
        "rembert", "RemBertForMaskedLM",
        {**_ENCODER, "input_embedding_size": 16, "output_embedding_size": 24, "tie_word_embeddings": False},
    ),
    "flaubert": TinyFamily("xlm", "FlaubertWithLMHeadModel", _XLM),
    "xlm": TinyFamily("xlm", "XLMWithLMHeadModel", {**_XLM, "n_langs": 3}),
    "xmod": TinyFamily(
        "xlm-roberta", "XmodForMaskedLM",
        {**_ROBERTA, "languages": ["en_XX", "de_DE", "fr_XX"], "default_language": "de_DE"}, position_offset=2,
    ),
}  # fmt: skip


def one_layer(model_type: str) -> dict[str, int]:
    """Config values of a checkpoint whose encoder has one layer: a graph of it is captured in half the time."""
    names = ("num_hidden_layers", "num_layers", "encoder_layers", "n_layers")
    return {name: 1 for name in FAMILIES[model_type].config if name in names}


def make_checkpoint(
    model_type: str,
    architecture: str | None,
    folder: Path,
    *,
    seed: int = 0,
    max_positions: int = 64,
    tokenizer: str | None = None,
    dtype: torch.dtype = torch.float32,
    max_shard_size: str = "5GB",
    **config_values: Any,
) -> Path:
    """Write a tiny random checkpoint of `model_type` with class `architecture` (None: the family's usual one).

    `tokenizer` names another layout of `tiny_tokenizers.LAYOUTS`; `config_values` override config fields.
    """
    import transformers

    family = FAMILIES[model_type]
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    layout = tokenizer or family.tokenizer
    vocabulary = write_tokenizer(layout, folder, max_positions)
    values = {**family.config, **_special_ids(layout, vocabulary), "vocab_size": len(vocabulary)}
    if family.positions_field:
        values[family.positions_field] = max_positions + family.position_offset
    values.update(config_values)
    config = transformers.AutoConfig.for_model(model_type, **values)
    model_class = getattr(transformers, architecture or family.architecture)
    save_random(model_class(config), folder, seed, dtype, max_shard_size)
    if values.get("tie_word_embeddings") is False and hasattr(model_class, "get_output_embeddings"):
        _untie(folder, seed)
    return folder


def make_pair(
    encoder: str,
    decoder: str,
    folder: Path,
    *,
    seed: int = 0,
    max_positions: int = 64,
    layers: int = 2,
    **config_values: Any,
) -> Path:
    """Write a tiny random `EncoderDecoderModel` of two families that share the encoder's tokenizer; layers a side."""
    import transformers

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    layout = FAMILIES[encoder].tokenizer
    vocabulary = write_tokenizer(layout, folder, max_positions)
    special = _special_ids(layout, vocabulary)
    sides = []
    for name, role in ((encoder, {}), (decoder, {"is_decoder": True, "add_cross_attention": True})):
        values = {**FAMILIES[name].config, **special, "vocab_size": len(vocabulary), **role}
        values["num_hidden_layers"] = layers
        values["max_position_embeddings"] = max_positions + FAMILIES[name].position_offset
        sides.append(transformers.AutoConfig.for_model(name, **values))
    config = transformers.EncoderDecoderConfig.from_encoder_decoder_configs(*sides)
    config.pad_token_id = special["pad_token_id"]
    config.decoder_start_token_id = special.get("bos_token_id", special["pad_token_id"])
    for name, value in config_values.items():
        setattr(config, name, value)
    save_random(transformers.EncoderDecoderModel(config), folder, seed, torch.float32, "5GB")
    return folder


def save_random(
    model: Any, folder: Path, seed: int = 0, dtype: torch.dtype = torch.float32, max_shard_size: str = "5GB"
) -> None:
    """Fill `model` with random weights that show every difference, and save it."""
    randomize(model, seed)
    model.to(dtype).save_pretrained(folder, max_shard_size=max_shard_size)
    config_path = folder / "config.json"
    config = json.loads(config_path.read_text(encoding="utf-8"))
    config["architectures"] = [type(model).__name__]
    config_path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _untie(folder: Path, seed: int) -> None:
    """Give a checkpoint the LM head of its own that its config asked for: 5.x ties mT5's, published ones are not."""
    from safetensors.torch import load_file, save_file

    path, config_path = folder / "model.safetensors", folder / "config.json"
    tensors = load_file(path) if path.exists() else {}
    config = json.loads(config_path.read_text(encoding="utf-8"))
    if config.get("tie_word_embeddings") and "shared.weight" in tensors and "ConditionalGeneration" in str(config):
        tensors["lm_head.weight"] = 0.2 * _drawn("lm_head.weight", tensors["shared.weight"], seed)
        save_file(tensors, path, metadata={"format": "pt"})
    config["tie_word_embeddings"] = False
    config_path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


@torch.no_grad()
def randomize(model: Any, seed: int = 0) -> None:
    """Draw all weights anew: norms around 1, biases and matrices around 0; fixed (sinusoidal) tables stay."""
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        drawn = _drawn(name, parameter, seed)
        is_norm = parameter.dim() == 1 and name.endswith("weight")
        parameter.copy_(1 + 0.2 * drawn if is_norm else (0.1 if parameter.dim() == 1 else 0.2) * drawn)
    for name, buffer in model.named_buffers():
        if name.endswith("final_logits_bias"):
            buffer.copy_(0.1 * _drawn(name, buffer, seed))
    model.tie_weights()
    model.eval()


def _drawn(name: str, like: torch.Tensor, seed: int) -> torch.Tensor:
    # By name, so that the order in which a library version lists parameters does not matter.
    generator = torch.Generator().manual_seed((zlib.crc32(name.encode()) + 7919 * seed) % 2**32)
    return torch.randn(like.shape, generator=generator)


def _special_ids(layout: str, vocabulary: dict[str, int]) -> dict[str, int]:
    """Return the config's token ids as the family's published configs have them."""
    roles = LAYOUTS[layout].roles
    ids = {"pad_token_id": vocabulary[roles["pad"]]}
    for role in ("bos", "eos"):
        if role in roles:
            ids[f"{role}_token_id"] = vocabulary[roles[role]]
    return ids
