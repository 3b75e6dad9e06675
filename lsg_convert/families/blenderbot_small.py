"""BlenderbotSmall: inputs without BOS."""

from .bart_style import bart_style_family, bart_style_heads

FAMILY = bart_style_family(
    "blenderbot-small",
    "BlenderbotSmall",
    "facebook/blenderbot_small-90M",
    bart_style_heads("BlenderbotSmall", "ForSequenceClassification", "ForQuestionAnswering"),
    opens_with_bos=False,
)
