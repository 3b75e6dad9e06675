"""LSG for DeBERTa, its first and its later versions: built like BERT, with disentangled attention.

Positions are distances, up to a table's end; there may be absolute positions in the embeddings too. Global 0 has the
position of the opening token, for which it stands in; other globals have none.
"""

import sys
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .lsg_bert_style import LSGBertStyleModel
from .lsg_disentangled import DistanceRows
from .lsg_disentangled_call import DisentangledBias, DisentangledPlan
from .lsg_self_attention import LSGSelfAttention
from .lsg_windows import AttentionPlan


class LSGDisentangledSelfAttention(LSGSelfAttention):
    """Self-attention with terms of position, made of an encoder's embeddings of distances.

    position_projections: names of the projections for what queries attend to, and for what attends to keys; one that is
        missing has no term.
    """

    position_projections = ("", "")
    encoder: tuple[Any] | None = None

    def take_position_projections(self, source: nn.Module) -> None:
        """Take over those that the library's module has, and the dropout of the embeddings."""
        for name in ("pos_dropout", *self.position_projections):
            if hasattr(source, name):
                self.add_module(name, getattr(source, name))

    def use_distances(self, encoder: nn.Module, rows: DistanceRows) -> None:
        """Take the embeddings of distances from an encoder, which layers share."""
        # In a tuple, so that the encoder is not registered here.
        self.encoder, self.rows = (encoder,), rows

    def attend(self, hidden_states: Tensor, plan: AttentionPlan, position_bias: Any = None) -> Tensor:
        """Attention context [batch, length, heads · head width] of `hidden_states` [batch, length, width]."""
        if self.encoder is not None:
            # Anew in every layer: a checkpointed layer can be run again on its own.
            embedded = self.encoder[0].get_rel_embedding()[: 2 * self.rows.span].to(hidden_states.device)
            embedded = self.pos_dropout(embedded)
            keys, queries = (self._table(name, embedded) for name in self.position_projections)
            position_bias = DisentangledBias(self.rows, keys, queries, plan.options.global_has_position)
        context = super().attend(hidden_states, plan, position_bias)
        if plan.no_padding is None or not plan.is_dense:
            return context
        # In the library padding attends to all tokens alike, padding or not: losses over all positions show it.
        tokens = hidden_states[:, plan.num_globals :]
        mean = self.project_in(tokens.mean(1, keepdim=True))[2]
        padding = functional.pad(~plan.no_padding, (plan.num_globals, 0), value=False)
        return torch.where(padding[..., None], mean, context)

    def forward(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """What a library layer calls, which unpacks two values on every release."""
        return (super().forward(*args, **kwargs)[0], None)

    def _table(self, projection: str, embedded: Tensor) -> Tensor | None:
        """[heads, rows, head width] of embeddings of distances [rows, width]; None where there is no such term."""
        if not hasattr(self, projection):
            return None
        table: Tensor = getattr(self, projection)(embedded).unflatten(-1, (self.num_heads, -1)).transpose(0, 1)
        return table * self.scale


class LSGDebertaStyleModel(LSGBertStyleModel):
    """Mixed in before a library model built like DeBERTa."""

    attention_plan = DisentangledPlan
    self_attention: type[LSGDisentangledSelfAttention]
    can_decode = False
    further_embedding_inputs = ("mask",)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        *,
        global_attention_mask: Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """As the library's model, whose embeddings make nothing of padding."""
        mask = None if attention_mask is None else attention_mask != 0
        return super().forward(
            input_ids,
            attention_mask,
            token_type_ids,
            position_ids,
            inputs_embeds=inputs_embeds,
            global_attention_mask=global_attention_mask,
            mask=mask,
            **kwargs,
        )

    def make_layers_lsg(self) -> None:
        """Replace the self-attention of every layer, and give it the distances."""
        super().make_layers_lsg()
        config = self.config
        if not getattr(config, "relative_attention", False):
            return
        longest = getattr(config, "max_relative_positions", -1)
        longest = config.max_position_embeddings if longest < 1 else longest
        num_buckets = max(self.num_buckets(), 0)
        rows = DistanceRows(num_buckets or longest, num_buckets, longest)
        for owner, name in self.attention_owners():
            getattr(owner, name).use_distances(self.encoder, rows)

    def num_buckets(self) -> int:
        """Of distances on each side; 0 where every distance has a row of its own."""
        return 0

    def embed_globals(self, device: torch.device) -> Tensor:
        """The summed embeddings of the globals, [1, G, width]."""
        globals_, projection = super().embed_globals(device), self.embeddings.embed_proj
        return globals_ if projection is None else projection(globals_)

    def max_tokens(self) -> int:
        """Tokens that the position table has rows for, where there is one."""
        return sys.maxsize if self.embeddings.position_embeddings is None else super().max_tokens()

    def first_position(self) -> int:
        """The row of the position table that token 0 has."""
        return 0
