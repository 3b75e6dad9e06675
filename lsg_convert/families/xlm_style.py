"""What XLM and FlauBERT share."""

from __future__ import annotations

from .bert_style import encoder_family
from .family import Config, Family, Head, PositionTable


def _is_sinusoidal(config: Config) -> bool:
    return bool(config.get("sinusoidal_embeddings"))


def _obstacle(config: Config) -> str | None:
    if config.get("causal"):
        return "it is trained to look back only (causal), and LSG attention looks both ways"
    return None


def xlm_family(model_type: str, title: str, example: str, class_prefix: str) -> Family:
    """A family whose library code is XLM's under another name."""
    heads = {
        "Model": Head("AutoModel"),
        "WithLMHeadModel": Head("AutoModelForMaskedLM", ("pred_layer.",)),
        "ForSequenceClassification": Head("AutoModelForSequenceClassification", ("sequence_summary.",)),
        "ForTokenClassification": Head("AutoModelForTokenClassification", ("classifier.",)),
        "ForQuestionAnsweringSimple": Head("AutoModelForQuestionAnswering", ("qa_outputs.weight", "qa_outputs.bias")),
        "ForMultipleChoice": Head("AutoModelForMultipleChoice", ("sequence_summary.", "logits_proj.")),
    }
    return encoder_family(
        model_type,
        title,
        example,
        {f"{class_prefix}{name}": head for name, head in heads.items()},
        base_prefix="transformer",
        word_embeddings=("embeddings.weight",),
        global_embeddings="global_embeddings.weight",
        positions=(PositionTable("position_embeddings.weight", sinusoid="interleaved", is_sinusoidal=_is_sinusoidal),),
        type_tables=(),
        obsolete_tensors=("position_ids",),
        num_layers="n_layers",
        layers="attentions",
        hidden_size="emb_dim",
        num_heads="n_heads",
        first_token_roles=("bos", "cls"),  # the tokenizers' cls is </s>, and inputs open with <s>
        former_fields={"n_words": "vocab_size"},
        obstacle=_obstacle,
    )
