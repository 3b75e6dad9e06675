"""What T5 and the families built like it share."""

from __future__ import annotations

from .family import Family, Head


def t5_style_family(model_type: str, title: str, example: str, class_prefix: str) -> Family:
    """A family whose library code is T5's under another name."""
    return Family(
        model_type=model_type,
        title=title,
        example=example,
        modeling_file=f"modeling_lsg_{model_type}",
        base_prefix="transformer",
        base_class=f"{class_prefix}Model",
        heads={
            f"{class_prefix}Model": Head("AutoModel"),
            f"{class_prefix}EncoderModel": Head("AutoModelForTextEncoding"),
            f"{class_prefix}ForConditionalGeneration": Head("AutoModelForSeq2SeqLM", ("lm_head.",)),
            f"{class_prefix}ForSequenceClassification": Head(
                "AutoModelForSequenceClassification", ("classification_head.",)
            ),
            f"{class_prefix}ForTokenClassification": Head("AutoModelForTokenClassification", ("classifier.",)),
            f"{class_prefix}ForQuestionAnswering": Head("AutoModelForQuestionAnswering", ("qa_outputs.",)),
        },
        former_heads={f"{class_prefix}WithLMHeadModel": f"{class_prefix}ForConditionalGeneration"},
        word_embeddings=("shared.weight", "encoder.embed_tokens.weight"),
        always_tied=("encoder.embed_tokens.weight", "decoder.embed_tokens.weight"),
        global_embeddings="encoder.global_embeddings.weight",
        global_bias="encoder.global_bias.weight",
        positions=(),
        trained_length=("n_positions", 512),
        num_layers="num_layers",
        layers="encoder.block",
        hidden_size="d_model",
        num_heads="num_heads",
        head_width="d_kv",
        opens_with_bos=False,
        # EOS ends every input that the encoder was trained on; what BOS would be here, the padding token, it never saw.
        first_token_roles=("eos", "pad"),
        mask_token="<extra_id_0>",
        is_seq2seq=True,
        tied_head_tensors=("lm_head.",),
    )
