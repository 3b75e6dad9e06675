"""BERT."""

from .family import Family, Head, PositionTable

FAMILY = Family(
    model_type="bert",
    title="BERT",
    example="google-bert/bert-base-uncased",
    modeling_file="modeling_lsg_bert",
    base_prefix="bert",
    base_class="BertModel",
    heads={
        "BertModel": Head("AutoModel"),
        "BertForPreTraining": Head("AutoModelForPreTraining", ("cls.predictions.", "cls.seq_relationship.")),
        "BertForMaskedLM": Head("AutoModelForMaskedLM", ("cls.predictions.",)),
        "BertForNextSentencePrediction": Head("AutoModelForNextSentencePrediction", ("cls.seq_relationship.",)),
        "BertForSequenceClassification": Head("AutoModelForSequenceClassification", ("classifier.",)),
        "BertForTokenClassification": Head("AutoModelForTokenClassification", ("classifier.",)),
        "BertForQuestionAnswering": Head("AutoModelForQuestionAnswering", ("qa_outputs.",)),
        "BertForMultipleChoice": Head("AutoModelForMultipleChoice", ("classifier.",)),
        "BertLMHeadModel": Head("AutoModelForCausalLM", ("cls.predictions.",)),
    },
    word_embeddings=("embeddings.word_embeddings.weight",),
    global_embeddings="embeddings.global_embeddings.weight",
    positions=(PositionTable("embeddings.position_embeddings.weight"),),
    token_types="embeddings.token_type_embeddings.weight",
    obsolete_tensors=("embeddings.position_ids",),
)
