"""BART."""

from .bart_style import scaled_by_width, two_rows
from .family import Family, Head, PositionTable

FAMILY = Family(
    model_type="bart",
    title="BART",
    example="facebook/bart-base",
    modeling_file="modeling_lsg_bart",
    base_prefix="model",
    base_class="BartModel",
    heads={
        "BartModel": Head("AutoModel"),
        "BartForConditionalGeneration": Head("AutoModelForSeq2SeqLM", ("final_logits_bias", "lm_head.")),
        "BartForSequenceClassification": Head("AutoModelForSequenceClassification", ("classification_head.",)),
        "BartForQuestionAnswering": Head("AutoModelForQuestionAnswering", ("qa_outputs.",)),
        "BartForCausalLM": Head("AutoModelForCausalLM"),
    },
    word_embeddings=("shared.weight", "encoder.embed_tokens.weight"),
    global_embeddings="encoder.global_embeddings.weight",
    # Encoder and decoder share `max_position_embeddings`, so both tables grow.
    positions=(
        PositionTable("encoder.embed_positions.weight", two_rows),
        PositionTable("decoder.embed_positions.weight", two_rows),
    ),
    num_layers="encoder_layers",
    layers="encoder.layers",
    hidden_size="d_model",
    num_heads="encoder_attention_heads",
    is_seq2seq=True,
    tied_head_tensors=("lm_head.", "final_logits_bias"),
    word_scale=scaled_by_width,
)
