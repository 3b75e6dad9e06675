"""A pair of an encoder with LSG attention and a library decoder. Load with `trust_remote_code=True`.

In a converted folder, the last lines of the code say whose encoder it is.
"""

from dataclasses import asdict
from typing import Any

from transformers.models.encoder_decoder.configuration_encoder_decoder import EncoderDecoderConfig
from transformers.models.encoder_decoder.modeling_encoder_decoder import EncoderDecoderModel

from .lsg_inputs import warn_of_no_attentions
from .lsg_options import LSGOptions, option_field
from .lsg_seq2seq import LSGSeq2SeqModel


class LSGEncoderDecoderConfig(EncoderDecoderConfig):
    """A pair's configuration; the LSG options are fields beside the encoder's and the decoder's configurations."""

    model_type = "lsg-encoder-decoder"
    _auto_class = "AutoConfig"


class LSGEncoderDecoderModel(LSGSeq2SeqModel, EncoderDecoderModel):
    """Generation. Both halves are the library's but for the attention of the encoder."""

    config_class = LSGEncoderDecoderConfig
    _auto_class = "AutoModelForSeq2SeqLM"
    accepts_loss_kwargs = False  # see `TakesGlobalMask`

    lsg_encoder: type
    further_encoder_inputs = ("token_type_ids", "position_ids")

    def __init__(self, config: Any = None, encoder: Any = None, decoder: Any = None) -> None:
        if encoder is None:
            # The pair's options are its encoder's: a pair is loaded with options of its own.
            for name, value in asdict(LSGOptions.from_config(config)).items():
                setattr(config.encoder, option_field(config, name), list(value) if isinstance(value, tuple) else value)
            encoder = self.lsg_encoder(config.encoder)
        super().__init__(config, encoder, decoder)
        self.options = LSGOptions.from_config(self.config.encoder)
        self.encoder.passes_globals_to_decoder = self.options.pass_global_tokens_to_decoder

    def run_encoder(self, output_attentions: bool | None = None, **inputs: Any) -> Any:
        """The encoder's output; the attentions that are asked for are then the decoder's."""
        warn_of_no_attentions(output_attentions)
        return super().run_encoder(**inputs)

    def prepare_inputs_for_generation(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """As the library's, without what only the encoder takes: 4.48 stumbles over it."""
        encoder_only = (*self.further_encoder_inputs, "global_attention_mask")
        kept = {name: value for name, value in kwargs.items() if name not in encoder_only}
        return super().prepare_inputs_for_generation(*args, **kept)
