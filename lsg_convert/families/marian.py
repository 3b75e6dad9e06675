"""Marian (opus-mt): sinusoidal positions, inputs without BOS, each side's words its own in some checkpoints."""

from .bart_style import bart_style_family
from .family import Head

FAMILY = bart_style_family(
    "marian",
    "Marian",
    "Helsinki-NLP/opus-mt-en-de",
    {
        "MarianModel": Head("AutoModel"),
        "MarianMTModel": Head("AutoModelForSeq2SeqLM", ("final_logits_bias", "lm_head.")),
        "MarianForCausalLM": Head("AutoModelForCausalLM"),
    },
    sinusoid="by_width",
    opens_with_bos=False,
)
