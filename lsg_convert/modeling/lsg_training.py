"""LSG attention in training on a CPU: gradients gather the windows anew, so that no layer keeps any.

Where it can, it calls the kernel behind `scaled_dot_product_attention`, whose log-sum-exp of the scores it needs. That
kernel knows neither dropout nor a bias that is trained: with them attention is computed in steps, and in float32.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .lsg_eager import is_eager_on_cpu, needs_gradients
from .lsg_scores import LayerCall
from .lsg_windows import Window


def training_obstacle(query: Tensor, key: Tensor, value: Tensor, call: LayerCall) -> str | None:
    """Why this is not computed for training; None if it is: on a CPU, where torch has the kernel by itself."""
    # A reentrant checkpoint runs a layer without gradients first, and must drop then what it drops later.
    if not (call.dropout_p > 0 or needs_gradients(query)):
        return "neither gradients nor dropout are needed"
    if not is_eager_on_cpu(query.device) or query.dtype not in (torch.float32, torch.bfloat16):
        return "only float32 and bfloat16 on a CPU, computed eagerly, are trained so"
    kernel = "_scaled_dot_product_flash_attention_for_cpu"
    has_both = hasattr(torch.ops.aten, kernel) and hasattr(torch.ops.aten, kernel + "_backward")
    return None if has_both else f"torch {torch.__version__} has no kernel for it"


def attend_to_train(query: Tensor, key: Tensor, value: Tensor, call: LayerCall) -> Iterator[Tensor]:
    """Context [B, H, T, D] of the tokens' queries, of query, key and value [B, H, G + T, D]."""
    sparse = (None, None) if call.sparse is None else (call.sparse.key, call.sparse.value)
    seed = int(torch.randint(2**62, (), device="cpu")) if call.dropout_p else None
    yield _RecomputedBlocks.apply(query, key, value, *sparse, call, seed, *call.bias_tensors())


class _RecomputedBlocks(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        sparse_key: Tensor | None,
        sparse_value: Tensor | None,
        call: LayerCall,
        seed: int | None,
        *bias_tensors: Tensor,
    ) -> Tensor:
        """Context [B, H, T, D] of the tokens' queries."""
        ctx.call, ctx.seed = call, seed
        ctx.step_by_step = seed is not None or call.by_content or any(ctx.needs_input_grad[7:])
        num_globals = call.plan.num_globals
        keys, values = call.sequence(key, sparse_key), call.sequence(value, sparse_value)
        context = query.new_empty(query.shape[0], query.shape[2] - num_globals, query.shape[1], query.shape[3])
        context = context.transpose(1, 2)
        dropout, sums = _Dropout(call.dropout_p, seed), []
        with torch.autocast("cpu", enabled=False):
            for window in call.plan.windows:
                queries = call.plan.queries(window)
                block = (query[:, :, queries], keys.gather(window).squeeze(2), values.gather(window).squeeze(2))
                if ctx.step_by_step:
                    weights = _weights(*block[:2], call, window)
                    part = (_apply_dropout(weights, dropout.draw(weights)) @ block[2].float()).mul_(dropout.scale)
                else:
                    part, total = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
                        *block, attn_mask=call.attn_bias(window, query.dtype, *block[:2]), scale=call.scale
                    )
                    sums.append(total)
                context[:, :, queries.start - num_globals : queries.stop - num_globals] = part
        ctx.save_for_backward(query, key, value, sparse_key, sparse_value, context, torch.stack(sums) if sums else None)
        return context

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of what `forward` was given."""
        query, key, value, sparse_key, sparse_value, context, sums = ctx.saved_tensors
        call: LayerCall = ctx.call
        num_globals = call.plan.num_globals
        keys, values = call.sequence(key, sparse_key), call.sequence(value, sparse_value)
        grad_query, grad_key, grad_value = (torch.zeros_like(part) for part in (query, key, value))
        grad_sparse = [None if part is None else torch.zeros_like(part) for part in (sparse_key, sparse_value)]
        key_grads, value_grads = call.sequence(grad_key, grad_sparse[0]), call.sequence(grad_value, grad_sparse[1])
        grad_bias = [torch.zeros_like(part, dtype=torch.float32) for part in call.bias_tensors()]
        dropout = _Dropout(call.dropout_p, ctx.seed)
        with torch.autocast("cpu", enabled=False):
            for i, window in enumerate(call.plan.windows):
                queries = call.plan.queries(window)
                tokens = slice(queries.start - num_globals, queries.stop - num_globals)
                block = (query[:, :, queries], keys.gather(window).squeeze(2), values.gather(window).squeeze(2))
                outcome = (gradient[:, :, tokens], context[:, :, tokens])
                if ctx.step_by_step:
                    *block_grads, grad_scores = _gradients(*outcome, *block, call, window, dropout)
                    call.accumulate_bias_grad(window, grad_scores, *block[:2], *block_grads[:2], *grad_bias)
                else:
                    block_grads = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
                        outcome[0], *block, outcome[1], sums[i], 0.0, False,
                        attn_mask=call.attn_bias(window, query.dtype, *block[:2]), scale=call.scale,
                    )  # fmt: skip
                grad_query[:, :, queries] = block_grads[0]
                key_grads.accumulate_grad(window, block_grads[1])
                value_grads.accumulate_grad(window, block_grads[2])
        return grad_query, grad_key, grad_value, *grad_sparse, None, None, *grad_bias


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


def _apply_dropout(weights: Tensor, kept: Tensor | None) -> Tensor:
    return weights if kept is None else weights.mul_(kept)


def _weights(query: Tensor, key: Tensor, call: LayerCall, window: Window) -> Tensor:
    """Attention weights [B, H, block_size, W], float32."""
    scores = (query.float() * call.scale) @ key.float().transpose(-1, -2)
    bias = call.attn_bias(window, scores.dtype, query.float(), key.float())
    if bias is not None:
        scores += bias
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
    grad_weights = _apply_dropout(scaled @ value.transpose(-1, -2), kept)
    # What the softmax takes off is the sum over keys of weight times gradient, and that is context times gradient.
    grad_scores = grad_weights.sub_((gradient * context).sum(-1, keepdim=True)).mul_(weights)
    grad_value = _apply_dropout(weights, kept).transpose(-1, -2) @ scaled
    grad_query = (grad_scores @ key).mul_(call.scale)
    grad_key = (grad_scores.transpose(-1, -2) @ query).mul_(call.scale)
    return grad_query, grad_key, grad_value, grad_scores
