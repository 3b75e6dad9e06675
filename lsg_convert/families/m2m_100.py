"""M2M100 and NLLB: sinusoidal positions that skip padding, a language before or behind each input."""

from .bart_style import bart_style_family, scaled_by_width
from .bert_style import after_padding_row
from .family import Config, Head


def _scale(config: Config) -> float:
    """The library scales unless the configuration says otherwise."""
    return scaled_by_width({"scale_embedding": True, **config})


FAMILY = bart_style_family(
    "m2m_100",
    "M2M100, NLLB",
    "facebook/m2m100_418M",
    {
        "M2M100Model": Head("AutoModel"),
        "M2M100ForConditionalGeneration": Head("AutoModelForSeq2SeqLM", ("lm_head.",)),
    },
    rows_before_positions=after_padding_row,
    sinusoid="by_half_width",
    opens_with_bos=False,
    # Old checkpoints hold tables that the library computes for itself.
    obsolete_tensors=("encoder.embed_positions.weights", "decoder.embed_positions.weights"),
    word_scale=_scale,
)
