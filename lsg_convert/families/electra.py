"""ELECTRA, generators and discriminators: embeddings may be narrower than the layers."""

from .bert_style import encoder_family
from .family import Head

_GENERATOR = ("generator_predictions.", "generator_lm_head.")

FAMILY = encoder_family(
    "electra",
    "ELECTRA",
    "google/electra-base-discriminator",
    {
        "ElectraModel": Head("AutoModel"),
        "ElectraForPreTraining": Head("AutoModelForPreTraining", ("discriminator_predictions.",)),
        "ElectraForMaskedLM": Head("AutoModelForMaskedLM", _GENERATOR),
        "ElectraForSequenceClassification": Head(
            "AutoModelForSequenceClassification", ("classifier.dense.", "classifier.out_proj.")
        ),
        "ElectraForTokenClassification": Head(
            "AutoModelForTokenClassification", ("classifier.weight", "classifier.bias")
        ),
        "ElectraForQuestionAnswering": Head("AutoModelForQuestionAnswering", ("qa_outputs.",)),
        "ElectraForMultipleChoice": Head("AutoModelForMultipleChoice", ("sequence_summary.", "classifier.")),
        "ElectraForCausalLM": Head("AutoModelForCausalLM", _GENERATOR),
    },
    embedding_size="embedding_size",
    tied_head_tensors=("generator_lm_head.",),
)
