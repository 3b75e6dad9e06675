"""DistilBERT."""

from .bert_style import encoder_family
from .family import Head

FAMILY = encoder_family(
    "distilbert",
    "DistilBERT",
    "distilbert/distilbert-base-uncased",
    {
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
    type_tables=(),
    num_layers="n_layers",
    layers="transformer.layer",
    hidden_size="dim",
    num_heads="n_heads",
    tied_head_tensors=("vocab_projector.",),
)
