"""ALBERT: groups of layers that run several times, embeddings narrower than the layers."""

from .family import Family, Head, PositionTable

FAMILY = Family(
    model_type="albert",
    title="ALBERT",
    example="albert/albert-base-v2",
    modeling_file="modeling_lsg_albert",
    base_prefix="albert",
    base_class="AlbertModel",
    heads={
        "AlbertModel": Head("AutoModel"),
        "AlbertForPreTraining": Head("AutoModelForPreTraining", ("predictions.", "sop_classifier.")),
        "AlbertForMaskedLM": Head("AutoModelForMaskedLM", ("predictions.",)),
        "AlbertForSequenceClassification": Head("AutoModelForSequenceClassification", ("classifier.",)),
        "AlbertForTokenClassification": Head("AutoModelForTokenClassification", ("classifier.",)),
        "AlbertForQuestionAnswering": Head("AutoModelForQuestionAnswering", ("qa_outputs.",)),
        "AlbertForMultipleChoice": Head("AutoModelForMultipleChoice", ("classifier.",)),
    },
    word_embeddings=("embeddings.word_embeddings.weight",),
    global_embeddings="embeddings.global_embeddings.weight",
    positions=(PositionTable("embeddings.position_embeddings.weight"),),
    type_tables=("embeddings.token_type_embeddings.weight",),
    num_layers="num_hidden_groups",
    layers="encoder.albert_layer_groups",
    embedding_size="embedding_size",
    obsolete_tensors=("embeddings.position_ids",),
)
