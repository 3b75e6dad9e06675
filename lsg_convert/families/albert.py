"""ALBERT: groups of layers that run several times, embeddings narrower than the layers."""

from .bert_style import encoder_family
from .family import Head

FAMILY = encoder_family(
    "albert",
    "ALBERT",
    "albert/albert-base-v2",
    {
        "AlbertModel": Head("AutoModel"),
        "AlbertForPreTraining": Head("AutoModelForPreTraining", ("predictions.", "sop_classifier.")),
        "AlbertForMaskedLM": Head("AutoModelForMaskedLM", ("predictions.",)),
        "AlbertForSequenceClassification": Head("AutoModelForSequenceClassification", ("classifier.",)),
        "AlbertForTokenClassification": Head("AutoModelForTokenClassification", ("classifier.",)),
        "AlbertForQuestionAnswering": Head("AutoModelForQuestionAnswering", ("qa_outputs.",)),
        "AlbertForMultipleChoice": Head("AutoModelForMultipleChoice", ("classifier.",)),
    },
    num_layers="num_hidden_groups",
    layers="encoder.albert_layer_groups",
    embedding_size="embedding_size",
)
