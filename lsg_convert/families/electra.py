"""ELECTRA, generators and discriminators: embeddings may be narrower than the layers."""

from .family import Family, Head, PositionTable

_GENERATOR = ("generator_predictions.", "generator_lm_head.")

FAMILY = Family(
    model_type="electra",
    title="ELECTRA",
    example="google/electra-base-discriminator",
    modeling_file="modeling_lsg_electra",
    base_prefix="electra",
    base_class="ElectraModel",
    heads={
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
    word_embeddings=("embeddings.word_embeddings.weight",),
    global_embeddings="embeddings.global_embeddings.weight",
    positions=(PositionTable("embeddings.position_embeddings.weight"),),
    type_tables=("embeddings.token_type_embeddings.weight",),
    embedding_size="embedding_size",
    obsolete_tensors=("embeddings.position_ids",),
    tied_head_tensors=("generator_lm_head.",),
)
