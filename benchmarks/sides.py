"""The models that are compared: encoders of one size, 6 layers of 768, 12 heads, with random weights.

Importing one side must not need another: each runs in a process, and if need be an environment, of its own.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LAYERS, WIDTH, HEADS, INNER, VOCABULARY, LONGEST = 6, 768, 12, 3072, 1000, 16384
OPENING = 3  # the token that inputs open with
_BERT_LIKE = {
    "num_hidden_layers": LAYERS, "hidden_size": WIDTH, "num_attention_heads": HEADS, "intermediate_size": INNER,
    "vocab_size": VOCABULARY, "pad_token_id": 0, "attention_probs_dropout_prob": 0.0,  # as BART-base has it
}  # fmt: skip
_BART_LIKE = {
    "encoder_layers": LAYERS, "decoder_layers": LAYERS, "d_model": WIDTH, "encoder_attention_heads": HEADS,
    "decoder_attention_heads": HEADS, "encoder_ffn_dim": INNER, "decoder_ffn_dim": INNER, "vocab_size": VOCABULARY,
}  # fmt: skip
_T5_LIKE = {"num_layers": LAYERS, "d_model": WIDTH, "num_heads": HEADS, "d_kv": 64, "vocab_size": VOCABULARY}


def build(name: str) -> Any:
    """The model of a side. It may carry options of its configuration: `lsg:sparsity_type=pooling,block_size=256`."""
    family, _, text = name.partition(":")
    options = {key: option_value(value) for key, value in (pair.split("=") for pair in text.split(",") if pair)}
    if family not in SIDES:
        raise SystemExit(f"Unknown side {family!r}; there are: {', '.join(SIDES)}")
    return SIDES[family](**options).eval()


def option_value(text: str) -> Any:
    """A number or a flag where the text is one, else the text."""
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return {"true": True, "false": False}.get(text.lower(), text)


def _lsg(**options: Any) -> Any:
    sys.path.insert(0, str(ROOT))
    from transformers import BartConfig

    from lsg_convert.modeling.modeling_lsg_bart import LSGBartForConditionalGeneration

    options = {"opening_token_id": OPENING, **options}  # as a conversion writes it
    return LSGBartForConditionalGeneration(BartConfig(**_BART_LIKE, max_position_embeddings=LONGEST, **options))


def _dense(**options: Any) -> Any:
    from transformers import BartConfig, BartForConditionalGeneration

    return BartForConditionalGeneration(BartConfig(**_BART_LIKE, max_position_embeddings=LONGEST, **options))


def _published(**options: Any) -> Any:
    from lsg_converter.bart.modeling_lsg_bart import LSGBartConfig, LSGBartForConditionalGeneration

    settings = {"block_size": 128, "sparse_block_size": 128, "sparsity_factor": 2, "mask_first_token": True, **options}
    return LSGBartForConditionalGeneration(LSGBartConfig(**_BART_LIKE, max_position_embeddings=LONGEST, **settings))


def _lsg_t5(**options: Any) -> Any:
    sys.path.insert(0, str(ROOT))
    from transformers import T5Config

    from lsg_convert.modeling.modeling_lsg_t5 import LSGT5EncoderModel

    return LSGT5EncoderModel(T5Config(**_T5_LIKE, d_ff=INNER, **options))


def _t5(**options: Any) -> Any:
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(T5Config(**_T5_LIKE, d_ff=INNER, **options))


def _longformer(**options: Any) -> Any:
    from transformers import LongformerConfig, LongformerModel

    settings = {**_BERT_LIKE, "attention_window": 512, **options}
    return LongformerModel(LongformerConfig(max_position_embeddings=LONGEST + 2, **settings))


def _lsg_longformer(**options: Any) -> Any:
    sys.path.insert(0, str(ROOT))
    from lsg_convert.families.longformer import FAMILY
    from lsg_convert.modeling.modeling_lsg_longformer import LSGLongformerConfig, LSGLongformerModel

    settings = {**_BERT_LIKE, "attention_window": 512}
    settings |= {**FAMILY.source_options(settings, FAMILY.base_class), **options}
    return LSGLongformerModel(LSGLongformerConfig(max_position_embeddings=LONGEST + 2, **settings))


def _lsg_led(**options: Any) -> Any:
    sys.path.insert(0, str(ROOT))
    from lsg_convert.families.led import FAMILY
    from lsg_convert.modeling.modeling_lsg_led import LSGLEDConfig, LSGLEDForConditionalGeneration

    settings = {**_BART_LIKE, "attention_window": 512, "max_encoder_position_embeddings": LONGEST}
    settings |= {**FAMILY.source_options(settings, FAMILY.base_class), **options}
    return LSGLEDForConditionalGeneration(LSGLEDConfig(**settings))


def _led(**options: Any) -> Any:
    from transformers import LEDConfig, LEDForConditionalGeneration

    settings = {"attention_window": 512, "max_encoder_position_embeddings": LONGEST, **options}
    return LEDForConditionalGeneration(LEDConfig(**_BART_LIKE, **settings))


_BIGBIRD = {**_BERT_LIKE, "block_size": 64, "num_random_blocks": 3, "max_position_embeddings": LONGEST}


def _bigbird(**options: Any) -> Any:
    sys.path.insert(0, str(ROOT))
    from transformers import BigBirdConfig, BigBirdModel

    from lsg_convert.folder.model_loading import keep_attention_type

    # One short input would make its attention full from there on.
    return keep_attention_type(BigBirdModel(BigBirdConfig(**{**_BIGBIRD, **options})))


def _lsg_bigbird(**options: Any) -> Any:
    sys.path.insert(0, str(ROOT))
    from transformers import BigBirdConfig

    from lsg_convert.families import FAMILIES
    from lsg_convert.modeling.modeling_lsg_big_bird import LSGBigBirdModel

    assert FAMILIES["big_bird"].source_options is not None
    own = FAMILIES["big_bird"].source_options(_BIGBIRD, "BigBirdModel")
    return LSGBigBirdModel(BigBirdConfig(**{**_BIGBIRD, **own, **options}))


def _longt5(**options: Any) -> Any:
    from transformers import LongT5Config, LongT5EncoderModel

    # Its feed-forward is gated: 2048 wide it has as many weights as a plain one of 3072.
    settings = {
        "encoder_attention_type": "transient-global",
        "feed_forward_proj": "gated-gelu",
        "d_ff": 2048,
        **options,
    }
    return LongT5EncoderModel(LongT5Config(**_T5_LIKE, **settings))


# DeBERTa-v3-base's shape but for its number of words.
_DEBERTA = {
    **_BERT_LIKE, "num_hidden_layers": 12, "relative_attention": True, "position_buckets": 256, "share_att_key": True,
    "norm_rel_ebd": "layer_norm", "pos_att_type": ["p2c", "c2p"], "position_biased_input": False, "type_vocab_size": 0,
    "max_relative_positions": 512, "max_position_embeddings": LONGEST, "layer_norm_eps": 1e-7,
}  # fmt: skip


def _deberta(**options: Any) -> Any:
    from transformers import DebertaV2Config, DebertaV2Model

    return DebertaV2Model(DebertaV2Config(**{**_DEBERTA, **options}))


def _lsg_deberta(**options: Any) -> Any:
    sys.path.insert(0, str(ROOT))
    from transformers import DebertaV2Config

    from lsg_convert.modeling.modeling_lsg_deberta_v2 import LSGDebertaV2Model

    return LSGDebertaV2Model(DebertaV2Config(**{**_DEBERTA, **options}))


# ModernBERT-base's shape but for its number of words.
_MODERNBERT = {
    "num_hidden_layers": 22, "hidden_size": WIDTH, "num_attention_heads": HEADS, "intermediate_size": 1152,
    "vocab_size": VOCABULARY, "pad_token_id": 0, "cls_token_id": 1, "sep_token_id": 2, "bos_token_id": 1,
    "eos_token_id": 2,
}  # fmt: skip


def _modernbert(**options: Any) -> Any:
    from transformers import ModernBertConfig, ModernBertModel

    return ModernBertModel(ModernBertConfig(**{**_MODERNBERT, **options}))


def _lsg_modernbert(**options: Any) -> Any:
    sys.path.insert(0, str(ROOT))
    from lsg_convert.modeling.modeling_lsg_modernbert import LSGModernBertConfig, LSGModernBertModel

    return LSGModernBertModel(LSGModernBertConfig(**{**_MODERNBERT, **options}))


SIDES: dict[str, Callable[..., Any]] = {
    "lsg": _lsg,
    "dense": _dense,
    "lsg-converter": _published,
    "lsg-t5": _lsg_t5,
    "t5": _t5,
    "longformer": _longformer,
    "led": _led,
    "lsg-longformer": _lsg_longformer,
    "lsg-led": _lsg_led,
    "bigbird": _bigbird,
    "lsg-bigbird": _lsg_bigbird,
    "longt5": _longt5,
    "deberta": _deberta,
    "lsg-deberta": _lsg_deberta,
    "modernbert": _modernbert,
    "lsg-modernbert": _lsg_modernbert,
}
