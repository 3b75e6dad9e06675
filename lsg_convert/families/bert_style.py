"""What BERT and the families built like it share."""

from __future__ import annotations

from .family import Config, Family, Head, PositionTable


def after_padding_row(config: Config) -> int:
    """RoBERTa's positions begin after the row of the padding index."""
    return int(config.get("pad_token_id", 1)) + 1


def bert_style_family(
    model_type: str,
    title: str,
    example: str,
    class_prefix: str,
    *,
    causal_head: str,
    further_type_tables: tuple[str, ...] = (),
) -> Family:
    """A family whose library code is BERT's under another name."""
    return Family(
        model_type=model_type,
        title=title,
        example=example,
        modeling_file=f"modeling_lsg_{model_type}",
        base_prefix=model_type,
        base_class=f"{class_prefix}Model",
        heads={
            f"{class_prefix}Model": Head("AutoModel"),
            f"{class_prefix}ForPreTraining": Head(
                "AutoModelForPreTraining", ("cls.predictions.", "cls.seq_relationship.")
            ),
            f"{class_prefix}ForMaskedLM": Head("AutoModelForMaskedLM", ("cls.predictions.",)),
            f"{class_prefix}ForNextSentencePrediction": Head(
                "AutoModelForNextSentencePrediction", ("cls.seq_relationship.",)
            ),
            f"{class_prefix}ForSequenceClassification": Head("AutoModelForSequenceClassification", ("classifier.",)),
            f"{class_prefix}ForTokenClassification": Head("AutoModelForTokenClassification", ("classifier.",)),
            f"{class_prefix}ForQuestionAnswering": Head("AutoModelForQuestionAnswering", ("qa_outputs.",)),
            f"{class_prefix}ForMultipleChoice": Head("AutoModelForMultipleChoice", ("classifier.",)),
            causal_head: Head("AutoModelForCausalLM", ("cls.predictions.",)),
        },
        word_embeddings=("embeddings.word_embeddings.weight",),
        global_embeddings="embeddings.global_embeddings.weight",
        positions=(PositionTable("embeddings.position_embeddings.weight"),),
        type_tables=("embeddings.token_type_embeddings.weight", *further_type_tables),
        obsolete_tensors=("embeddings.position_ids",),
    )


def roberta_style_family(
    model_type: str, title: str, example: str, class_prefix: str, base_prefix: str = "roberta"
) -> Family:
    """A family whose library code is RoBERTa's under another name."""
    return Family(
        model_type=model_type,
        title=title,
        example=example,
        modeling_file=f"modeling_lsg_{model_type.replace('-', '_')}",
        base_prefix=base_prefix,
        base_class=f"{class_prefix}Model",
        heads={
            f"{class_prefix}Model": Head("AutoModel"),
            f"{class_prefix}ForMaskedLM": Head("AutoModelForMaskedLM", ("lm_head.",)),
            f"{class_prefix}ForSequenceClassification": Head(
                "AutoModelForSequenceClassification", ("classifier.dense.", "classifier.out_proj.")
            ),
            f"{class_prefix}ForTokenClassification": Head(
                "AutoModelForTokenClassification", ("classifier.weight", "classifier.bias")
            ),
            f"{class_prefix}ForQuestionAnswering": Head("AutoModelForQuestionAnswering", ("qa_outputs.",)),
            f"{class_prefix}ForMultipleChoice": Head("AutoModelForMultipleChoice", ("classifier.",)),
            f"{class_prefix}ForCausalLM": Head("AutoModelForCausalLM", ("lm_head.",)),
        },
        word_embeddings=("embeddings.word_embeddings.weight",),
        global_embeddings="embeddings.global_embeddings.weight",
        positions=(PositionTable("embeddings.position_embeddings.weight", after_padding_row),),
        type_tables=("embeddings.token_type_embeddings.weight",),
        obsolete_tensors=("embeddings.position_ids",),
        config_positions_offset=after_padding_row,
    )
