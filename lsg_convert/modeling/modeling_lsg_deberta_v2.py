"""DeBERTa-v2 and DeBERTa-v3 with LSG attention. Load with `trust_remote_code=True`; the heads are the library's."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.deberta_v2.configuration_deberta_v2 import DebertaV2Config
from transformers.models.deberta_v2.modeling_deberta_v2 import (
    DebertaV2ForMaskedLM,
    DebertaV2ForMultipleChoice,
    DebertaV2ForQuestionAnswering,
    DebertaV2ForSequenceClassification,
    DebertaV2ForTokenClassification,
    DebertaV2Model,
)

from .lsg_deberta_style import LSGDebertaStyleModel, LSGDisentangledSelfAttention
from .lsg_heads import LSGHead
from .lsg_windows import AttentionPlan


class LSGDebertaV2Config(DebertaV2Config):
    """DeBERTa-v2's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-deberta-v2"
    _auto_class = "AutoConfig"


class LSGDebertaV2SelfAttention(LSGDisentangledSelfAttention):
    """The terms of position have projections of their own, or those of queries and keys."""

    def __init__(self, source: Any, projections: tuple[str, ...], num_heads: int, dropout: float, *_: Any):
        kinds = source.pos_att_type
        num_terms = 1 + ("c2p" in kinds) + ("p2c" in kinds)
        head_width = source.query_proj.out_features // num_heads
        super().__init__(source, projections, num_heads, dropout, (head_width * num_terms) ** -0.5)
        of_keys, of_queries = ("key_proj", "query_proj") if source.share_att_key else ("pos_key_proj", "pos_query_proj")
        self.position_projections = (of_keys if "c2p" in kinds else "", of_queries if "p2c" in kinds else "")
        self.take_position_projections(source)


class LSGDebertaV2Model(LSGDebertaStyleModel, DebertaV2Model):
    """DeBERTa-v2's and DeBERTa-v3's encoder."""

    config_class = LSGDebertaV2Config
    _auto_class = "AutoModel"

    self_attention = LSGDebertaV2SelfAttention
    attention_projections = ("query_proj", "key_proj", "value_proj")

    def num_buckets(self) -> int:
        """Of distances on each side; 0 where every distance has a row of its own."""
        return getattr(self.config, "position_buckets", -1)

    def make_layers_lsg(self) -> None:
        """Replace the self-attention of every layer; the first one may be followed by a convolution."""
        super().make_layers_lsg()
        if self.encoder.conv is not None:
            # A hook, so that the layer is run as a whole: the convolution sees neighbours.
            self.encoder.layer[0].register_forward_hook(self.convolve)

    def convolve(self, layer: nn.Module, inputs: tuple[Any, ...], outputs: Any) -> Any:
        """Add a convolution over the tokens of a layer's input [batch, G + T, width] to its output.

        Globals are no neighbours. The one that stands in for the opening token gets what that token does.
        """
        is_tuple = isinstance(outputs, tuple)
        convolved = self.convolved(inputs[0], outputs[0] if is_tuple else outputs, inputs[1].plan)
        return (convolved, *outputs[1:]) if is_tuple else convolved

    def convolved(self, hidden_states: Tensor, output: Tensor, plan: AttentionPlan) -> Tensor:
        """The output [batch, G + T, width] of a layer, with the convolution over its input added."""
        convolution, num_globals = self.encoder.conv, plan.num_globals
        tokens = hidden_states[:, num_globals:]
        mask = torch.ones(tokens.shape[:2], dtype=torch.long, device=tokens.device)
        if plan.no_padding is not None:
            # In a graph the plan has padding up to whole blocks that the layers do not see.
            mask = functional.pad(plan.no_padding.long(), (0, tokens.shape[1] - plan.no_padding.shape[1]))
        convolved = convolution(tokens, output[:, num_globals:], mask)
        if not num_globals:
            return convolved
        globals_ = convolution.LayerNorm(output[:, :num_globals])
        if plan.options.global_has_position:
            size = convolution.conv.kernel_size[0]
            near = functional.pad(tokens, (0, 0, 0, size))[:, :size]
            stands_in = convolution(near, output[:, :1].expand_as(near), functional.pad(mask, (0, size))[:, :size])
            globals_ = torch.cat([stands_in[:, :1], globals_[:, 1:]], dim=1)
        return torch.cat([globals_, convolved], dim=1)


class LSGDebertaV2Head(LSGHead):
    """On DeBERTa-v2's encoder."""

    config_class = LSGDebertaV2Config
    lsg_model = LSGDebertaV2Model


class LSGDebertaV2ForMaskedLM(LSGDebertaV2Head, DebertaV2ForMaskedLM):
    """Masked language modelling."""

    _auto_class = "AutoModelForMaskedLM"


class LSGDebertaV2ForSequenceClassification(LSGDebertaV2Head, DebertaV2ForSequenceClassification):
    """Classification or regression of whole texts."""

    _auto_class = "AutoModelForSequenceClassification"


class LSGDebertaV2ForMultipleChoice(LSGDebertaV2Head, DebertaV2ForMultipleChoice):
    """Multiple choice."""

    _auto_class = "AutoModelForMultipleChoice"


class LSGDebertaV2ForTokenClassification(LSGDebertaV2Head, DebertaV2ForTokenClassification):
    """Classification of tokens."""

    _auto_class = "AutoModelForTokenClassification"


class LSGDebertaV2ForQuestionAnswering(LSGDebertaV2Head, DebertaV2ForQuestionAnswering):
    """Extractive question answering."""

    _auto_class = "AutoModelForQuestionAnswering"
