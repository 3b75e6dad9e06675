"""MegatronBERT: BERT with its layer norms before attention and feed-forward."""

from .bert_style import bert_style_heads, encoder_family

FAMILY = encoder_family(
    "megatron-bert",
    "MegatronBERT",
    "nvidia/megatron-bert-uncased-345m",
    bert_style_heads("MegatronBert", "ForCausalLM"),
    base_prefix="bert",
)
