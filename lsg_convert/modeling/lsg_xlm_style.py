"""LSG for XLM and FlauBERT: no module embeds or is a layer, the parts of layers lie in lists of the model itself."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .lsg_bert_style import LSGBertStyleModel
from .lsg_encoder import LSGEncoderOutput
from .lsg_inputs import require_one_input


class LSGXLMLayer(nn.Module):
    """One layer, made of a model's parts for every call: it is no part of the model, whose tensors keep their names."""

    def __init__(self, model: Any, number: int) -> None:
        super().__init__()
        self.attention, self.layer_norm1 = model.attentions[number], model.layer_norm1[number]
        self.ffn, self.layer_norm2 = model.ffns[number], model.layer_norm2[number]
        self.normalises_first, self.dropout, self.training = model.normalises_first, model.dropout, model.training

    def forward(self, hidden_states: Tensor, attention: Any) -> Tensor:
        """[batch, length, width] → [batch, length, width]."""
        if self.normalises_first:
            hidden_states = hidden_states + self.attend(self.layer_norm1(hidden_states), attention)
            return hidden_states + self.ffn(self.layer_norm2(hidden_states))
        hidden_states = self.layer_norm1(hidden_states + self.attend(hidden_states, attention))
        return self.layer_norm2(hidden_states + self.ffn(hidden_states))

    def attend(self, hidden_states: Tensor, attention: Any) -> Tensor:
        """What attention adds."""
        attended = self.attention(hidden_states, attention)[0]
        return functional.dropout(attended, p=self.dropout, training=self.training)


class LSGXLMStyleModel(LSGBertStyleModel):
    """Mixed in before a library model built like XLM.

    Languages and token types are added to every token, types as words; globals get what the first token does.
    """

    global_embeddings_holder = ""
    can_decode = False
    further_embedding_inputs = ("langs", "types")
    normalises_first = False

    def __init__(self, config: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        self.normalises_first = getattr(config, "pre_norm", False)
        if self.normalises_first:
            self.attention_norm = "layer_norm1"
        self._no_split_modules = [type(self).__name__]  # the parts of a layer lie far from each other

    def make_layers_lsg(self) -> None:
        """Replace the self-attention of every layer."""
        self.replace_self_attention(
            ((self.attentions, str(number)) for number in range(len(self.attentions))),
            ("q_lin", "k_lin", "v_lin", "out_lin"),
            num_heads=self.config.n_heads,
            dropout=self.config.attention_dropout,
        )

    def encoder_layers(self) -> Iterable[nn.Module]:
        """The layers, in the order they run; in training without those that are dropped."""
        share = getattr(self, "layerdrop", 0.0) if self.training else 0.0
        numbers = range(len(self.attentions))
        return [LSGXLMLayer(self, number) for number in numbers if not share or float(torch.rand([])) >= share]

    def forward(  # type: ignore[override]
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        langs: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        lengths: Tensor | None = None,
        cache: Any = None,
        *,
        inputs_embeds: Tensor | None = None,
        global_attention_mask: Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """As the library's model. Without a mask, `lengths` [batch] say where rows end, or how many are no padding."""
        if cache is not None:
            raise ValueError("cache is given, but a model that looks both ways has none: leave it out.")
        if attention_mask is None:
            attention_mask = self.mask_by_length(input_ids, inputs_embeds, lengths)
        return super().forward(
            input_ids,
            attention_mask,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            global_attention_mask=global_attention_mask,
            langs=langs,
            types=token_type_ids,
            **kwargs,
        )

    def mask_by_length(
        self, input_ids: Tensor | None, inputs_embeds: Tensor | None, lengths: Tensor | None
    ) -> Tensor | None:
        """Bool [batch, T], False behind where a row ends; None where nothing says that."""
        if lengths is None and input_ids is not None:
            lengths = torch.ne(input_ids, self.pad_index).sum(1)
        if lengths is None:
            return None
        given = require_one_input(input_ids, inputs_embeds)
        return torch.arange(given.shape[1], device=given.device) < lengths[:, None]

    def embed(self, **embedding_inputs: Any) -> Tensor:
        """The embeddings of [batch, T] tokens, globals in front."""
        ids, words, positions = (embedding_inputs[name] for name in ("input_ids", "inputs_embeds", "position_ids"))
        words = self.embeddings(ids) if words is None else words
        positions = self.position_ids[:, : words.shape[1]] if positions is None else positions
        embeddings, globals_ = words + self.position_embeddings(positions), self.embed_globals(words.device)
        langs, types = embedding_inputs["langs"], embedding_inputs["types"]
        if langs is not None and hasattr(self, "lang_embeddings"):
            of_language = self.lang_embeddings(langs)
            embeddings, globals_ = embeddings + of_language, globals_ + of_language[:, :1]
        if types is not None:
            of_type = self.embeddings(types)
            embeddings, globals_ = embeddings + of_type, globals_ + of_type[:, :1]
        embeddings = self.layer_norm_emb(self.prepend_globals(embeddings, globals_))
        return functional.dropout(embeddings, p=self.dropout, training=self.training)

    def encode(self, hidden_states: Tensor, attention_mask: Tensor | None, *args: Any) -> LSGEncoderOutput:
        """As of any encoder; padding gets zeros, as the library's layers leave it."""
        encoded = super().encode(hidden_states, attention_mask, *args)
        if attention_mask is None:
            return encoded
        num_globals = self.options.num_global_tokens if self.passes_globals_to_decoder else 0
        padding = functional.pad(torch.eq(attention_mask, 0), (num_globals, 0), value=False)[..., None]
        states = encoded.hidden_states
        return LSGEncoderOutput(
            last_hidden_state=encoded.last_hidden_state.masked_fill(padding, 0.0),
            hidden_states=None if states is None else tuple(each.masked_fill(padding, 0.0) for each in states),
            opening_rows=encoded.opening_rows,
        )

    def max_tokens(self) -> int:
        """Tokens that the position table has rows for."""
        return self.position_embeddings.num_embeddings

    def first_position(self) -> int:
        """The row of the position table that token 0 has."""
        return 0
