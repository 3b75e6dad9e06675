"""What BERT and the families built like it share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lsg_convert.common.errors import RequestError

from .family import Config, Family, Head, PositionTable


def after_padding_row(config: Config) -> int:
    """RoBERTa's positions begin after the row of the padding index."""
    padding = config.get("pad_token_id", 1)
    if not isinstance(padding, int) or padding < 0:
        raise RequestError(
            f"pad_token_id in config.json is {padding!r}: positions of this kind of model are counted from it.",
            "Restore the config.json that belongs to these weights.",
        )
    return padding + 1


def encoder_family(
    model_type: str,
    title: str,
    example: str,
    heads: Mapping[str, Head],
    *,
    rows_before_positions: Callable[[Config], int] = lambda config: 0,
    further_type_tables: tuple[str, ...] = (),
    **differences: Any,
) -> Family:
    """A family whose embeddings lie as BERT's do. The first head is the base model."""
    file = model_type.replace("-", "_")
    usual = {
        "base_prefix": file,
        "word_embeddings": ("embeddings.word_embeddings.weight",),
        "global_embeddings": "embeddings.global_embeddings.weight",
        "positions": (PositionTable("embeddings.position_embeddings.weight", rows_before_positions),),
        "type_tables": ("embeddings.token_type_embeddings.weight", *further_type_tables),
        "obsolete_tensors": ("embeddings.position_ids",),
        "config_positions_offset": rows_before_positions,
    }
    return Family(
        model_type=model_type,
        title=title,
        example=example,
        modeling_file=f"modeling_lsg_{file}",
        base_class=next(iter(heads)),
        heads=heads,
        **{**usual, **differences},
    )


def bert_style_heads(class_prefix: str, causal_head: str, without: tuple[str, ...] = ()) -> dict[str, Head]:
    """BERT's heads under another family's name, less those that it lacks."""
    masked, sentence = "cls.predictions.", "cls.seq_relationship."
    heads = {
        "Model": Head("AutoModel"),
        "ForPreTraining": Head("AutoModelForPreTraining", (masked, sentence)),
        "ForMaskedLM": Head("AutoModelForMaskedLM", (masked,)),
        "ForNextSentencePrediction": Head("AutoModelForNextSentencePrediction", (sentence,)),
        "ForSequenceClassification": Head("AutoModelForSequenceClassification", ("classifier.",)),
        "ForTokenClassification": Head("AutoModelForTokenClassification", ("classifier.",)),
        "ForQuestionAnswering": Head("AutoModelForQuestionAnswering", ("qa_outputs.",)),
        "ForMultipleChoice": Head("AutoModelForMultipleChoice", ("classifier.",)),
        causal_head: Head("AutoModelForCausalLM", (masked,)),
    }
    return {f"{class_prefix}{name}": head for name, head in heads.items() if name not in without}


def roberta_style_family(
    model_type: str,
    title: str,
    example: str,
    class_prefix: str,
    base_prefix: str = "roberta",
    without: tuple[str, ...] = (),
    **differences: Any,
) -> Family:
    """A family whose library code is RoBERTa's under another name, less the heads that it lacks."""
    heads = {
        "Model": Head("AutoModel"),
        "ForMaskedLM": Head("AutoModelForMaskedLM", ("lm_head.",)),
        "ForSequenceClassification": Head(
            "AutoModelForSequenceClassification", ("classifier.dense.", "classifier.out_proj.")
        ),
        "ForTokenClassification": Head("AutoModelForTokenClassification", ("classifier.weight", "classifier.bias")),
        "ForQuestionAnswering": Head("AutoModelForQuestionAnswering", ("qa_outputs.",)),
        "ForMultipleChoice": Head("AutoModelForMultipleChoice", ("classifier.",)),
        "ForCausalLM": Head("AutoModelForCausalLM", ("lm_head.",)),
    }
    return encoder_family(
        model_type,
        title,
        example,
        {f"{class_prefix}{name}": head for name, head in heads.items() if name not in without},
        base_prefix=base_prefix,
        rows_before_positions=after_padding_row,
        **differences,
    )
