"""MPNet."""

from .family import Config, Family, Head, PositionTable


def _two_rows(config: Config) -> int:
    """Positions begin after the padding row, which is row 1 whatever the configuration says."""
    return 2


FAMILY = Family(
    model_type="mpnet",
    title="MPNet",
    example="sentence-transformers/all-mpnet-base-v2",
    modeling_file="modeling_lsg_mpnet",
    base_prefix="mpnet",
    base_class="MPNetModel",
    heads={
        "MPNetModel": Head("AutoModel"),
        "MPNetForMaskedLM": Head("AutoModelForMaskedLM", ("lm_head.",)),
        "MPNetForSequenceClassification": Head(
            "AutoModelForSequenceClassification", ("classifier.dense.", "classifier.out_proj.")
        ),
        "MPNetForTokenClassification": Head(
            "AutoModelForTokenClassification", ("classifier.weight", "classifier.bias")
        ),
        "MPNetForQuestionAnswering": Head("AutoModelForQuestionAnswering", ("qa_outputs.",)),
        "MPNetForMultipleChoice": Head("AutoModelForMultipleChoice", ("classifier.",)),
    },
    word_embeddings=("embeddings.word_embeddings.weight",),
    global_embeddings="embeddings.global_embeddings.weight",
    global_bias="encoder.global_bias.weight",
    positions=(PositionTable("embeddings.position_embeddings.weight", _two_rows),),
    obsolete_tensors=("embeddings.position_ids",),
    config_positions_offset=_two_rows,
)
