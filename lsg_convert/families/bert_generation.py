"""BertGeneration: BERT without token types and pooler, one half of a sequence-to-sequence model."""

from .family import Family, Head, PositionTable

FAMILY = Family(
    model_type="bert-generation",
    title="BertGeneration",
    example="google/bert_for_seq_generation_L-24_bbc_encoder",
    modeling_file="modeling_lsg_bert_generation",
    base_prefix="bert",
    base_class="BertGenerationEncoder",
    heads={
        "BertGenerationEncoder": Head("AutoModel"),
        "BertGenerationDecoder": Head("AutoModelForCausalLM", ("lm_head.",)),
    },
    word_embeddings=("embeddings.word_embeddings.weight",),
    global_embeddings="embeddings.global_embeddings.weight",
    positions=(PositionTable("embeddings.position_embeddings.weight"),),
    obsolete_tensors=("embeddings.position_ids",),
    tied_head_tensors=("lm_head.",),
    # Its own tokenizer adds no special tokens at all; checkpoints made of others come with theirs.
    opens_with_bos=False,
    bos_tokenizers=("BertTokenizer", "RobertaTokenizer"),
)
