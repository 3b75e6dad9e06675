"""LSG for models built like BERT whose layers have an adapter for each language (X-MOD, arXiv 2205.06266)."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from .lsg_bert_style import LSGBertStyleModel
from .lsg_eager import is_captured
from .lsg_encoder import format_output


class AdaptedOutput(nn.Module):
    """The end of a layer, with the adapter of one language for all rows; the library's sorts rows by their values."""

    def __init__(self, source: Any) -> None:
        super().__init__()
        self.dense, self.LayerNorm, self.dropout = source.dense, source.LayerNorm, source.dropout
        self.adapter_layer_norm, self.adapter_modules = source.adapter_layer_norm, source.adapter_modules
        self.adapter_reuse_layer_norm, self.ln_before_adapter = (
            source.adapter_reuse_layer_norm,
            source.ln_before_adapter,
        )

    def forward(self, hidden_states: Tensor, input_tensor: Tensor, language: str) -> Tensor:
        """[batch, length, width] of the feed-forward part's inside and of its input → [batch, length, width]."""
        hidden_states = self.dropout(self.dense(hidden_states)) + input_tensor
        adapted = hidden_states
        if self.adapter_layer_norm is not None:
            adapted = self.adapter_layer_norm(hidden_states)
        elif self.adapter_reuse_layer_norm:
            adapted = self.LayerNorm(hidden_states)
        residual = adapted if self.ln_before_adapter else hidden_states
        return self.dropout(self.adapter_modules[language](adapted)) + residual


class LayerInLanguage(nn.Module):
    """A layer of the model for rows in one language. It is made anew for every call, and no part of the model."""

    def __init__(self, layer: nn.Module, language: str) -> None:
        super().__init__()
        self.layer, self.language, self.training = layer, language, layer.training
        if hasattr(layer, "gradient_checkpointing"):
            self.gradient_checkpointing = True  # which that layer does itself

    def forward(self, hidden_states: Tensor, attention: Any) -> Any:
        """What the library's layer returns."""
        return self.layer(hidden_states, self.language, attention)


class LSGAdaptedModel(LSGBertStyleModel):
    """Mixed in before a library model with adapters. Rows of one language run together."""

    further_layer_inputs = ("language",)

    def __init__(self, config: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        if config.pre_norm:
            self.attention_norm, self.final_norm = "layer.attention.output.LayerNorm", "encoder.LayerNorm"

    def make_layers_lsg(self) -> None:
        """Replace the self-attention of every layer, and what adapts its output."""
        super().make_layers_lsg()
        for layer in self.encoder.layer:
            layer.output = AdaptedOutput(layer.output)

    def encoder_layers(self, language: str | None = None) -> Iterable[nn.Module]:
        """The layers, in the order they run, for rows in a language: that of the configuration unless it is given."""
        language = self.config.default_language if language is None else language
        if language is None:
            raise ValueError("lang_ids are not given, and the model has no default: call set_default_language(...).")
        return [LayerInLanguage(layer, language) for layer in self.encoder.layer]

    def forward(  # type: ignore[override]
        self,
        input_ids: Tensor | None = None,
        lang_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        *,
        inputs_embeds: Tensor | None = None,
        global_attention_mask: Tensor | None = None,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """As the library's model; lang_ids: long [batch], the numbers of the rows' languages."""
        inputs: dict[str, Any] = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "token_type_ids": token_type_ids,
            "position_ids": position_ids,
            "inputs_embeds": inputs_embeds,
            "global_attention_mask": global_attention_mask,
        }
        run = super().forward
        if self.decodes():
            return run(**inputs, lang_ids=lang_ids, return_dict=return_dict, **kwargs)
        groups: list[tuple[Any, Any]] = [(None, None)] if lang_ids is None else self.rows_by_language(lang_ids)
        if len(groups) == 1:
            return run(**inputs, language=groups[0][0], return_dict=return_dict, **kwargs)
        parts = []
        for language, rows in groups:
            given = {name: each if each is None or len(each) == 1 else each[rows] for name, each in inputs.items()}
            parts.append(run(**given, language=language, return_dict=True, **kwargs))
        order = torch.cat([rows for _, rows in groups]).argsort()
        joined = {name: join_rows([part[name] for part in parts], order) for name in parts[0]}
        return format_output(type(parts[0])(**joined), self.config, return_dict)

    def rows_by_language(self, lang_ids: Tensor) -> list[tuple[str, Tensor]]:
        """Each language of long [batch] and its rows, long [rows].

        Raises:
            ValueError: a graph would depend on them, or a decoder is to read rows of several languages.
        """
        if is_captured():
            raise ValueError("lang_ids: a graph is made for one language; leave them out, call set_default_language().")
        names = list(self.encoder.layer[0].output.adapter_modules)
        found = lang_ids.unique().long().tolist()
        if len(found) > 1 and self.passes_globals_to_decoder:
            raise ValueError("lang_ids: the encoder of a pair reads texts of one language at a time.")
        return [(names[number], (lang_ids == number).nonzero().flatten()) for number in found]


def join_rows(values: list[Any], order: Tensor) -> Any:
    """Tensors [rows, ...], or tuples of such, as one with its rows in `order`."""
    if isinstance(values[0], tuple):
        return tuple(join_rows(list(each), order) for each in zip(*values, strict=True))
    return torch.cat(values).index_select(0, order)
