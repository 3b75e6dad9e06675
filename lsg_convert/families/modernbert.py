"""ModernBERT."""

from .bert_style import encoder_family
from .family import Head, Rope
from .modernbert_style import FULL, local_layers, obstacle, rope, settled, with_rope

_HEADS = {
    "Model": Head("AutoModel"),
    "ForMaskedLM": Head("AutoModelForMaskedLM", ("head.", "decoder.")),
    "ForSequenceClassification": Head("AutoModelForSequenceClassification", ("head.", "classifier.")),
    "ForTokenClassification": Head("AutoModelForTokenClassification", ("head.", "classifier.")),
    "ForQuestionAnswering": Head("AutoModelForQuestionAnswering", ("head.", "classifier.")),
    "ForMultipleChoice": Head("AutoModelForMultipleChoice", ("head.", "classifier.")),
}

FAMILY = encoder_family(
    "modernbert",
    "ModernBERT",
    "answerdotai/ModernBERT-base",
    {f"ModernBert{name}": head for name, head in _HEADS.items()},
    base_prefix="model",
    layers="layers",
    word_embeddings=("embeddings.tok_embeddings.weight",),
    positions=(),
    type_tables=(),
    obsolete_tensors=(),
    tokenizer_class="PreTrainedTokenizer",
    trained_length=("max_position_embeddings", 8192),
    rotary=True,
    rope=Rope(
        lambda config: rope(config, FULL),
        with_rope,
        lambda config: config["hidden_size"] // config["num_attention_heads"],
    ),
    local_layers=local_layers,
    own_fields=("local_attention",),
    settled=settled,
    obstacle=obstacle,
    modules=("lsg_sliding",),
)
