"""LSG for ModernBERT: some layers see all tokens, which become LSG's; others see near ones, and stay as they are."""

import sys
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from .lsg_bert_style import LSGBertStyleModel
from .lsg_local_layers import LocalLayersPlan, LSGLocalOrGlobalSelfAttention

# What heads of some releases hand on for inputs that they have unpadded, which they do for flash attention only.
OF_UNPADDED_INPUTS = ("indices", "cu_seqlens", "max_seqlen", "batch_size", "seq_len")


class LSGModernBertSelfAttention(LSGLocalOrGlobalSelfAttention):
    """Query, key and value come of one projection."""

    def __init__(self, source: Any, projections: tuple[str, ...], num_heads: int, dropout: float, *_: Any) -> None:
        head_width = source.Wqkv.out_features // (3 * num_heads)
        super().__init__(source, projections, num_heads, dropout, head_width**-0.5)
        self.head_width = head_width
        self.out_drop = source.out_drop

    def project_in(self, hidden_states: torch.Tensor) -> list[torch.Tensor]:
        """Query, key and value [batch, length, heads · head width] of `hidden_states` [batch, length, width]."""
        return [*self.Wqkv(hidden_states).chunk(3, dim=-1)]

    def project(self, context: torch.Tensor, hidden_states: torch.Tensor) -> torch.Tensor:
        """What the library's module makes of the attention context [batch, length, width] of `hidden_states`."""
        return self.out_drop(self.Wo(context))


class LSGModernBertStyleModel(LSGBertStyleModel):
    """Mixed in before a library model built like ModernBERT."""

    _supports_flash_attn = _supports_flash_attn_2 = False  # its heads would unpad the inputs for it

    embedding_norm = "embeddings.norm"
    embedding_dropout = "embeddings.drop"
    attention_norm = "attn_norm"
    attention_projections = ("Wqkv", "Wo")
    self_attention = LSGModernBertSelfAttention
    attention_plan = LocalLayersPlan
    can_decode = False
    has_token_types = False

    @property
    def final_norm(self) -> nn.Module:
        """The library's module, which is called as its name is here."""
        return self._modules["final_norm"]

    def make_layers_lsg(self) -> None:
        """Replace the self-attention of every layer; that of local layers by one that attends as theirs does."""
        config = self.config
        owners = [(layer, "attn") for layer in self.layers]
        num_heads, dropout = config.num_attention_heads, config.attention_dropout
        self.replace_self_attention(owners, self.attention_projections, num_heads, dropout)
        for layer, kind in zip(self.layers, config.layer_types, strict=True):
            layer.attn.rope = config.rope_parameters[kind]
            layer.attn.local_half_window = None if kind == "full_attention" else config.local_attention // 2

    def encoder_layers(self) -> Iterable[nn.Module]:
        """The layers, in the order they run."""
        return self.layers

    def forward(  # type: ignore[override]  # the library has its arguments in this order
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        *,
        global_attention_mask: torch.Tensor | None = None,
        sliding_window_mask: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """As the library's model. Heads of some releases hand on `global_attention_mask` as `sliding_window_mask`."""
        mask = sliding_window_mask if global_attention_mask is None else global_attention_mask
        if mask is not None and mask.dim() > 2:  # of several choices
            mask = mask.flatten(0, -2)
        return super().forward(
            input_ids,
            attention_mask,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            global_attention_mask=mask,
            **{name: value for name, value in kwargs.items() if name not in OF_UNPADDED_INPUTS},
        )

    def embed(self, **embedding_inputs: torch.Tensor | None) -> torch.Tensor:
        """The embeddings of [batch, T] tokens, globals in front."""
        return self.with_globals(self.embeddings(embedding_inputs["input_ids"], embedding_inputs["inputs_embeds"]))

    def max_tokens(self) -> int:
        """There is no table that ends."""
        return sys.maxsize

    def first_position(self) -> int:
        """The position of token 0."""
        return 0
