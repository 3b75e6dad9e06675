"""LSG attention in training on a CPU: gradients gather the windows anew, so that no layer keeps any.

Where it can, it calls the kernel behind `scaled_dot_product_attention`, whose log-sum-exp of the scores it needs. That
kernel knows neither dropout nor a bias that is trained: with them attention is computed step by step.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .lsg_eager import is_eager_on_cpu, needs_gradients
from .lsg_scores import LayerCall
from .lsg_windows import Window


def trains_on_cpu(query: Tensor, call: LayerCall) -> bool:
    """Whether this is training, on a CPU, and torch has the kernel by itself."""
    # A reentrant checkpoint runs a layer without gradients first, and must drop then what it drops later.
    trains = call.dropout_p > 0 or needs_gradients(query)
    if not trains or not is_eager_on_cpu(query.device) or query.dtype not in (torch.float32, torch.bfloat16):
        return False
    kernel = "_scaled_dot_product_flash_attention_for_cpu"
    return hasattr(torch.ops.aten, kernel) and hasattr(torch.ops.aten, kernel + "_backward")


def attend_blocks_to_train(query: Tensor, key: Tensor, value: Tensor, call: LayerCall) -> Tensor:
    """Context [B, H, T, D] of the tokens' queries, of query, key and value [B, H, G + T, D]."""
    found = (None, None) if call.entries is None else (call.entries.key, call.entries.value)
    seed = int(torch.randint(2**62, (), device="cpu")) if call.dropout_p else None
    return _Blocks.apply(query, key, value, *found, *call.bias_tensors(), call, seed)


class _Blocks(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        entry_key: Tensor | None,
        entry_value: Tensor | None,
        bias_by_distance: Tensor | None,
        bias_of_globals: Tensor | None,
        call: LayerCall,
        seed: int | None,
    ) -> Tensor:
        """Context [B, H, T, D] of the tokens' queries."""
        ctx.call, ctx.seed = call, seed
        ctx.step_by_step = seed is not None or any(ctx.needs_input_grad[5:7])
        num_globals = call.key_mask.num_global_tokens
        keys, values = call.sequence(key, entry_key), call.sequence(value, entry_value)
        context = query.new_empty(query.shape[0], query.shape[2] - num_globals, query.shape[1], query.shape[3])
        context = context.transpose(1, 2)
        dropout, sums = _Dropout(call.dropout_p, seed), []
        for window in call.windows():
            queries = call.queries(window)
            block = (query[:, :, queries], keys.see(window).squeeze(2), values.see(window).squeeze(2))
            if ctx.step_by_step:
                weights = _weights(*block[:2], call, window)
                part = (_keep(weights, dropout.draw(weights)) @ block[2].float()).mul_(dropout.scale)
            else:
                part, total = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
                    *block, attn_mask=call.added(window, query.dtype), scale=call.scale
                )
                sums.append(total)
            context[:, :, queries.start - num_globals : queries.stop - num_globals] = part
        ctx.save_for_backward(query, key, value, entry_key, entry_value, context, torch.stack(sums) if sums else None)
        return context

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of what `forward` was given."""
        query, key, value, entry_key, entry_value, context, sums = ctx.saved_tensors
        call: LayerCall = ctx.call
        num_globals = call.key_mask.num_global_tokens
        keys, values = call.sequence(key, entry_key), call.sequence(value, entry_value)
        of_query, of_key, of_value = (torch.zeros_like(part) for part in (query, key, value))
        of_entries = [None if part is None else torch.zeros_like(part) for part in (entry_key, entry_value)]
        into_keys, into_values = call.sequence(of_key, of_entries[0]), call.sequence(of_value, of_entries[1])
        of_bias = call.position_bias.zero_gradients() if call.position_bias and any(ctx.needs_input_grad[5:7]) else None
        dropout = _Dropout(call.dropout_p, ctx.seed)
        for i, window in enumerate(call.windows()):
            queries = call.queries(window)
            tokens = slice(queries.start - num_globals, queries.stop - num_globals)
            block = (query[:, :, queries], keys.see(window).squeeze(2), values.see(window).squeeze(2))
            outcome = (gradient[:, :, tokens], context[:, :, tokens])
            if ctx.step_by_step:
                *of_block, of_scores = _gradients(*outcome, *block, call, window, dropout)
                if of_bias is not None:
                    call.give_back_bias(window, of_scores, *of_bias)
            else:
                of_block = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
                    outcome[0], *block, outcome[1], sums[i], 0.0, False,
                    attn_mask=call.added(window, query.dtype), scale=call.scale,
                )  # fmt: skip
            of_query[:, :, queries] = of_block[0]
            into_keys.give_back(window, of_block[1])
            into_values.give_back(window, of_block[2])
        return of_query, of_key, of_value, *of_entries, *(of_bias or (None, None)), None, None


class _Dropout:
    """Dropout of attention weights, the same again for the same seed; without one it drops nothing.

    What is made of the weights that are kept is to be multiplied by `scale`.
    """

    def __init__(self, probability: float, seed: int | None) -> None:
        self.share = round(probability * 2**16)  # of 2^16 weights
        self.scale = 1.0 if seed is None else 2**16 / max(1, 2**16 - self.share)
        self.generator = None if seed is None else torch.Generator("cpu").manual_seed(seed)

    def draw(self, weights: Tensor) -> Tensor | None:
        """1 where a weight is kept, else 0, like the weights; None if all are kept.

        Four numbers of 16 bits are drawn at a time: torch takes four times as long to draw a decision each.
        """
        if self.generator is None or not self.share:
            return None
        drawn = torch.empty(-(-weights.numel() // 4), dtype=torch.int64, device=weights.device)
        drawn.random_(-(2**63), None, generator=self.generator)
        last_dropped = self.share - 1 - 2**15
        return (drawn.view(torch.int16)[: weights.numel()].view(weights.shape) > last_dropped).to(weights.dtype)


def _keep(weights: Tensor, kept: Tensor | None) -> Tensor:
    return weights if kept is None else weights.mul_(kept)


def _weights(query: Tensor, key: Tensor, call: LayerCall, window: Window) -> Tensor:
    """Attention weights [B, H, block_size, W], float32."""
    scores = (query.float() * call.scale) @ key.float().transpose(-1, -2)
    added = call.added(window, scores.dtype)
    if added is not None:
        scores += added
    return torch.softmax(scores, dim=-1, out=scores)


def _gradients(
    gradient: Tensor,
    context: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    call: LayerCall,
    window: Window,
    dropout: _Dropout,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of a block's queries, keys, values and scores, float32."""
    gradient, context, query, key, value = (part.float() for part in (gradient, context, query, key, value))
    weights = _weights(query, key, call, window)
    kept = dropout.draw(weights)
    scaled = gradient * dropout.scale
    of_weights = _keep(scaled @ value.transpose(-1, -2), kept)
    # What the softmax takes off is the sum over keys of weight times gradient, and that is context times gradient.
    of_scores = of_weights.sub_((gradient * context).sum(-1, keepdim=True)).mul_(weights)
    of_value = _keep(weights, kept).transpose(-1, -2) @ scaled
    of_query = (of_scores @ key).mul_(call.scale)
    of_key = (of_scores.transpose(-1, -2) @ query).mul_(call.scale)
    return of_query, of_key, of_value, of_scores
