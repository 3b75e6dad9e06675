"""An encoder that serves a decoder, and a library decoder on it: its cross-attention knows the globals."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutput

from .lsg_automatic_globals import with_automatic_globals
from .lsg_compat import wants_dict
from .lsg_encoder import LSGEncoder, LSGEncoderOutput, format_output
from .lsg_heads import signature_with_global_mask
from .lsg_inputs import refuse_head_mask, require_one_input, warn_of_no_attentions
from .lsg_marked import MERGED, merge_masks
from .lsg_opening import opening_rows
from .lsg_options import LSGOptions


class LSGSeq2SeqEncoder(LSGEncoder):
    """Mixed in before a library encoder that serves a decoder. A style says how it embeds, and which layers run:
    `embed_words`, `embed`, `layers_to_run`.
    """

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        *,
        global_attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """As the library's encoder, for [batch, T] inputs; globals lead the output if the decoder attends to them.

        global_attention_mask: [batch, T], 1 at tokens that attend to all and to which all attend, else 0.
        """
        attention_mask = merge_masks(global_attention_mask, attention_mask, input_ids, inputs_embeds)
        warn_of_no_attentions(output_attentions)
        refuse_head_mask(kwargs)
        given = require_one_input(input_ids, inputs_embeds)
        attention_mask = with_automatic_globals(self.options, attention_mask, input_ids, inputs_embeds)
        if inputs_embeds is None:
            inputs_embeds = self.embed_words(given)
        num_tokens = inputs_embeds.shape[1]
        opening = opening_rows(self.options, attention_mask, input_ids)
        embeddings = self.embed(inputs_embeds, input_ids)
        layers = self.layers_to_run()
        encoded = self.encode(embeddings, attention_mask, layers, output_hidden_states, num_tokens, opening)
        return format_output(encoded, self.config, return_dict)


class LSGSeq2SeqModel:
    """Mixed in before a library encoder-decoder model whose encoder is LSG."""

    options: LSGOptions
    further_encoder_inputs: tuple[str, ...] = ()  # what the encoder takes beside the usual arguments

    def __init_subclass__(cls: Any, **kwargs: Any) -> None:
        """Show the library's signature: trainers drop what it does not name, labels too."""
        super().__init_subclass__(**kwargs)
        library = getattr(super(), "forward", None)
        if library is not None:
            cls.forward = _shown_as(library, cls.forward)

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        decoder_input_ids: torch.Tensor | None = None,
        decoder_attention_mask: torch.Tensor | None = None,
        *,
        global_attention_mask: torch.Tensor | None = None,
        encoder_outputs: Any = None,
        inputs_embeds: torch.Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """As the library's model; encoder attentions, which LSG does not have, are None.

        global_attention_mask: [batch, T], 1 at tokens of the encoder's input that are global, else 0.
        """
        refuse_head_mask(kwargs)
        # Releases from 5.0 on look at the configuration only where an argument is absent.
        wanted = {"output_attentions": output_attentions, "output_hidden_states": output_hidden_states}
        wanted = {name: value for name, value in wanted.items() if value is not None}
        further = {name: kwargs.pop(name) for name in self.further_encoder_inputs if name in kwargs}
        if encoder_outputs is None:
            encoder_outputs = self.run_encoder(
                input_ids=input_ids,
                attention_mask=attention_mask,
                global_attention_mask=global_attention_mask,
                inputs_embeds=inputs_embeds,
                return_dict=True,
                **wanted,
                **further,
            )
        if isinstance(encoder_outputs, LSGEncoderOutput):
            opening = encoder_outputs.opening_rows
        else:  # computed elsewhere, or returned as a tuple
            tokens = token_mask(attention_mask, encoder_outputs[0], self.options)
            opening = opening_rows(self.options, tokens, input_ids)
        if not wants_dict(self.config, return_dict) and isinstance(encoder_outputs, BaseModelOutput):
            encoder_outputs = encoder_outputs.to_tuple()
        return super().forward(
            input_ids=input_ids,
            attention_mask=cross_attention_mask(attention_mask, encoder_outputs[0], self.options, opening),
            decoder_input_ids=decoder_input_ids,
            decoder_attention_mask=decoder_attention_mask,
            encoder_outputs=encoder_outputs,
            return_dict=return_dict,
            **wanted,
            **kwargs,
        )

    def run_encoder(self, **inputs: Any) -> BaseModelOutput:
        """The encoder's output."""
        return self.encoder(**inputs)


def _shown_as(library: Callable[..., Any], own: Callable[..., Any]) -> Callable[..., Any]:
    names = list(inspect.signature(library).parameters)[1:]

    @wraps(library)
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        return own(self, **dict(zip(names, args, strict=False)), **kwargs)

    forward.__signature__ = signature_with_global_mask(library)
    return forward


def cross_attention_mask(
    attention_mask: torch.Tensor | None,
    encoder_states: torch.Tensor,
    options: LSGOptions,
    opening: torch.Tensor | None = None,
) -> torch.Tensor | None:
    """The mask [batch, length] over `encoder_states` [batch, length, width] that the decoder attends to.

    `attention_mask` [batch, T] is the caller's and is not changed; in a mask that already has the states' length (the
    caller extended it), only what global 0 decides is changed. `opening` [batch] is True in the rows in which global 0
    stands in for token 0; None where that is all.
    """
    num_globals = passed_globals(options)
    # A decoder that gets no globals needs token 0; published models are trained without it.
    masks_first = options.mask_first_token and (num_globals > 0 or options.opening_token_id is None)
    batch_size, length = encoder_states.shape[:2]
    if attention_mask is None:
        if not masks_first:
            return None
        attention_mask = torch.ones(batch_size, length, dtype=torch.long, device=encoder_states.device)
    if attention_mask.dtype == MERGED:
        attention_mask = attention_mask.ne(0).long()
    attention_mask = attention_mask.to(encoder_states.device)
    leading, tokens = attention_mask[:, :num_globals], attention_mask[:, num_globals:]
    if attention_mask.shape[1] == length - num_globals:
        leading, tokens = attention_mask.new_ones(batch_size, num_globals), attention_mask
    if masks_first:
        opens = attention_mask.new_ones(batch_size) if opening is None else opening.to(attention_mask)
        opens = opens[:, None]
        tokens = torch.cat([tokens[:, :1] * (1 - opens), tokens[:, 1:]], dim=1)
        leading = torch.cat([leading[:, :1] * opens[:, :num_globals], leading[:, 1:]], dim=1)
    return torch.cat([leading, tokens], dim=1)


def token_mask(
    attention_mask: torch.Tensor | None, encoder_states: torch.Tensor, options: LSGOptions
) -> torch.Tensor | None:
    """The part of `attention_mask` that is about tokens, of a mask over tokens or over all `encoder_states`."""
    if attention_mask is None or attention_mask.shape[1] != encoder_states.shape[1]:
        return attention_mask
    return attention_mask[:, passed_globals(options) :]


def passed_globals(options: LSGOptions) -> int:
    """How many globals lead what the decoder attends to."""
    return options.num_global_tokens if options.pass_global_tokens_to_decoder else 0
