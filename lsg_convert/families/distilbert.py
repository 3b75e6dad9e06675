"""DistilBERT."""

from .family import Family, Head, PositionTable

FAMILY = Family(
    model_type="distilbert",
    title="DistilBERT",
    example="distilbert/distilbert-base-uncased",
    modeling_file="modeling_lsg_distilbert",
    base_prefix="distilbert",
    base_class="DistilBertModel",
    heads={
        "DistilBertModel": Head("AutoModel"),
        "DistilBertForMaskedLM": Head(
            "AutoModelForMaskedLM", ("vocab_transform.", "vocab_layer_norm.", "vocab_projector.")
        ),
        "DistilBertForSequenceClassification": Head(
            "AutoModelForSequenceClassification", ("pre_classifier.", "classifier.")
        ),
        "DistilBertForTokenClassification": Head("AutoModelForTokenClassification", ("classifier.",)),
        "DistilBertForQuestionAnswering": Head("AutoModelForQuestionAnswering", ("qa_outputs.",)),
        "DistilBertForMultipleChoice": Head("AutoModelForMultipleChoice", ("pre_classifier.", "classifier.")),
    },
    word_embeddings=("embeddings.word_embeddings.weight",),
    global_embeddings="embeddings.global_embeddings.weight",
    positions=(PositionTable("embeddings.position_embeddings.weight"),),
    num_layers="n_layers",
    layers="transformer.layer",
    hidden_size="dim",
    num_heads="n_heads",
    obsolete_tensors=("embeddings.position_ids",),
    tied_head_tensors=("vocab_projector.",),
)
