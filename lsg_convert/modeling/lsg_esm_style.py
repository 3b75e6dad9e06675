"""LSG for ESM: built like BERT, with rotary positions, and embeddings that go by how much is masked."""

import sys
from typing import Any

import torch

from .lsg_bert_style import LSGBertStyleModel
from .lsg_rotary import Frequencies, LSGRotarySelfAttention, RotaryPlan
from .lsg_self_attention import LSGSelfAttention
from .lsg_windows import AttentionPlan

# The share of masked tokens that ESM was trained with, by which it scales embeddings: `EsmEmbeddings` has it too.
TRAINED_MASK_RATIO = 0.15 * 0.8


class LSGEsmSelfAttention(LSGRotarySelfAttention):
    """Its frequencies are stored with the weights, layer by layer: those of published models are rounded."""

    def __init__(self, source: Any, *args: Any) -> None:
        super().__init__(source, *args)
        self.rotary_embeddings: Any = getattr(source, "rotary_embeddings", None)

    def kind_of_frequencies(self) -> None:
        """Any layer may have others."""

    def frequencies(self, device: torch.device) -> Frequencies:
        """Those of the layer."""
        return Frequencies(self.rotary_embeddings.inv_freq)

    def heads(self, hidden_states: torch.Tensor, plan: AttentionPlan) -> list[torch.Tensor]:
        """Query, key and value [batch, heads, length, head width] of `hidden_states` [batch, length, width]."""
        if self.rotary_embeddings is None:  # positions are absolute
            return LSGSelfAttention.heads(self, hidden_states, plan)
        return super().heads(hidden_states, plan)


class LSGEsmStyleModel(LSGBertStyleModel):
    """Mixed in before a library model built like ESM."""

    embedding_norm = None
    attention_norm = "attention.LayerNorm"
    final_norm = "encoder.emb_layer_norm_after"
    self_attention = LSGEsmSelfAttention
    attention_plan = RotaryPlan
    further_embedding_inputs = ("padding_mask",)
    can_decode = False
    has_token_types = False

    def make_layers_lsg(self) -> None:
        """Replace the self-attention of every layer. Releases since 5.6 have frequencies once, older ones and published
        weights in every layer, and so have we.
        """
        super().make_layers_lsg()
        shared = getattr(self, "rotary_embeddings", None)
        if shared is not None:
            for owner, name in self.attention_owners():
                getattr(owner, name).rotary_embeddings = type(shared)(self.config)
            self.rotary_embeddings = None

    def forward(  # type: ignore[override]  # the library has its arguments in this order
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        *,
        global_attention_mask: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """As the library's model, whose embeddings go by the padding."""
        kwargs["padding_mask"] = None if attention_mask is None else attention_mask != 0
        embedded: dict[str, Any] = {"position_ids": position_ids, "inputs_embeds": inputs_embeds}
        return super().forward(
            input_ids, attention_mask, **embedded, global_attention_mask=global_attention_mask, **kwargs
        )

    def embed(self, **embedding_inputs: torch.Tensor | None) -> torch.Tensor:
        """The embeddings of [batch, T] tokens, globals in front; those that are given are taken as they are."""
        ids, mask, given = (embedding_inputs[name] for name in ("input_ids", "padding_mask", "inputs_embeds"))
        if ids is None:
            assert given is not None
            return self.prepend_globals(given, self.embed_globals(given.device))
        embeddings = self.embeddings(ids, attention_mask=mask, position_ids=embedding_inputs["position_ids"])
        globals_ = self.embed_globals(ids.device)
        if self.embeddings.token_dropout:
            masked = (ids == self.embeddings.mask_token_id).sum(-1)
            observed = masked.float() / (ids.shape[1] if mask is None else mask.sum(-1))
            place = self.place_of_globals()
            scale = ((1 - TRAINED_MASK_RATIO) / (1 - observed))[:, None, None]
            globals_ = (globals_ - place) * scale + place
        norm = self.embeddings.layer_norm
        return self.prepend_globals(embeddings, globals_ if norm is None else norm(globals_))

    def place_of_globals(self) -> Any:
        """The position that is in the embedding of global 0, [width], or 0 where there is no table."""
        return 0.0 if self.is_rotary() else self.embeddings.position_embeddings.weight[self.first_position()]

    def is_rotary(self) -> bool:
        """Whether there is no position table."""
        return self.config.position_embedding_type == "rotary"

    def max_tokens(self) -> int:
        """Tokens that the position table has rows for, where there is one."""
        return sys.maxsize if self.is_rotary() else super().max_tokens()

    def first_position(self) -> int:
        """The position that token 0 has."""
        return 0 if self.is_rotary() else super().first_position()
