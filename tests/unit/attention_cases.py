"""What the attention tests share: small random inputs, key masks and biases."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from hypothesis import HealthCheck, reject, settings
from hypothesis import strategies as st
from torch import Tensor

from lsg_convert.modeling.lsg_attention import AttentionPlan, LSGOptions, lsg_attention
from lsg_convert.modeling.lsg_bias import PositionBias
from lsg_convert.modeling.lsg_disentangled import DistanceRows
from lsg_convert.modeling.lsg_disentangled_call import DisentangledBias
from lsg_convert.modeling.lsg_end_blocks import EndBlocksPlan
from lsg_convert.modeling.lsg_marked import mark_tokens
from lsg_convert.verification.oracle import dense_lsg_attention
from tests.close import GRADIENT_ROUNDING, assert_close

SELECTIONS = ("norm", "pooling", "bos_pooling", "lsh", "stride", "block_stride", "none")
HEADS, WIDTH = 3, 8
SCALE = WIDTH**-0.5

RELAXED = settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
ANY_CASE = {
    "kind": st.sampled_from(SELECTIONS),
    "num_globals": st.integers(0, 4),
    "batch_size": st.integers(1, 3),
    "padding": st.sampled_from(["none", "end", "holes"]),
    "first": st.booleans(),
    "with_bias": st.booleans(),
    "opens": st.sampled_from([None, True, False]),
    "seed": st.integers(0, 1000),
}


def options_of(**changes: object) -> LSGOptions:
    """Options small enough for a dense oracle."""
    options = replace(LSGOptions(block_size=8, sparse_block_size=8, sparsity_factor=2), **changes)  # type: ignore[arg-type]
    options.validate()
    return options


def drawn_options(num_globals: int, first: bool, **changes: object) -> LSGOptions:
    """Options of a drawn case; where a rule refuses them, the case is none."""
    try:
        return options_of(num_global_tokens=num_globals, mask_first_token=first and num_globals > 0, **changes)
    except ValueError:
        reject()


def disentangled(terms: str, dtype: torch.dtype, generator: torch.Generator) -> DisentangledBias:
    """Terms of tables that some distances share the rows of."""
    rows = DistanceRows(20, 0, 20) if "rows" in terms else DistanceRows(8, 8, 30)
    tables = [torch.randn(HEADS, 2 * rows.span, WIDTH, generator=generator).to(dtype) * SCALE for _ in range(2)]
    return DisentangledBias(
        rows, *(table if kind in terms else None for table, kind in zip(tables, ("c2p", "p2c"), strict=True))
    )


@dataclass
class Case:
    """One call of the attention."""

    query: Tensor
    key: Tensor
    value: Tensor
    tokens: Tensor | None
    options: LSGOptions
    bias: PositionBias | DisentangledBias | None = None
    slopes: Tensor | None = None
    opening_rows: Tensor | None = None
    marked: Tensor | None = None

    @property
    def plan(self) -> AttentionPlan:
        num_tokens = self.query.shape[2] - self.options.num_global_tokens
        batch_size, device = self.query.shape[0], self.query.device
        plan = EndBlocksPlan(self.options, self.tokens, batch_size, num_tokens, device, self.opening_rows)
        mark_tokens(plan, self.marked)
        return plan

    def shipped(self, dropout_p: float = 0.0) -> Tensor:
        return lsg_attention(*self._arguments(dropout_p))

    def oracle(self) -> Tensor:
        return dense_lsg_attention(*self._arguments(0.0))

    def _arguments(self, dropout_p: float) -> tuple[Any, ...]:
        bias: Any = None
        if isinstance(self.bias, DisentangledBias):
            tables = (self.bias.keys, self.bias.queries)
            bias = DisentangledBias(self.bias.rows, *tables, self.options.global_has_position)
        elif self.bias is not None:  # one for every pass
            bias = PositionBias(self.bias.relative, self.bias.globals, self.options.global_has_position)
        return self.query, self.key, self.value, self.plan, SCALE, dropout_p, bias

    def trained(self) -> list[Tensor]:
        """All that gradients are wanted of."""
        tensors = [self.query, self.key, self.value]
        if isinstance(self.bias, DisentangledBias):
            tensors += [table for table in (self.bias.keys, self.bias.queries) if table is not None]
        elif self.bias is not None and self.slopes is not None:
            tensors += [self.bias.globals, self.slopes]
        return [tensor.requires_grad_() for tensor in tensors]

    def visible(self, context: Tensor) -> Tensor:
        """The rows that mean something: those of globals and of tokens that are not padding, [rows, H, D]."""
        rows = context.transpose(1, 2)
        if self.tokens is None:
            return rows.flatten(0, 1)
        kept = torch.nn.functional.pad(self.tokens, (self.options.num_global_tokens, 0), value=True)
        return rows[self.plan.arrange(kept)]


def make_case(
    options: LSGOptions,
    num_tokens: int,
    batch_size: int = 2,
    padding: str = "none",
    with_bias: bool | str = False,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    opens: bool | None = None,
    marked: str = "none",
) -> Case:
    """Random projections in the layout that models have, padded at the end, at random places, or not at all.

    with_bias: by distance; or of disentangled attention, which terms: "c2p", "p2c" or both, with buckets or "rows".
    opens: whether all rows open with a token that is known, or only some do; None where it is not known.
    marked: which tokens are global, "none", "some" (in each row others, in the second row none) or "all".
    """
    generator = torch.Generator().manual_seed(seed)
    shape = (batch_size, options.num_global_tokens + num_tokens, HEADS, WIDTH)
    query, key, value = (torch.randn(shape, generator=generator).to(dtype).transpose(1, 2) for _ in range(3))
    tokens = None
    if padding == "end":
        lengths = torch.randint(1, num_tokens + 1, (batch_size, 1), generator=generator)
        tokens = torch.arange(num_tokens) < lengths
    elif padding == "holes":
        tokens = torch.rand(batch_size, num_tokens, generator=generator) > 0.3
        tokens[:, 1] = True
    bias: PositionBias | DisentangledBias | None = None
    slopes = None
    if isinstance(with_bias, str):
        bias = disentangled(with_bias, dtype, generator)
    elif with_bias:
        slopes = torch.tensor([0.1, 0.3, -0.2])
        bias = PositionBias(lambda distance: torch.sin(distance[..., None] * slopes), torch.tensor([0.5, -1.0, 0.0]))
    rows = None
    if opens is not None:
        options = replace(options, opening_token_id=7)
        rows = None if opens else torch.rand(batch_size, generator=generator) > 0.5
    which = None
    if marked != "none":
        which = torch.rand(batch_size, num_tokens, generator=generator) > (0.8 if marked == "some" else -1.0)
        which[1:2] &= marked == "all"
    return Case(query, key, value, tokens, options, bias, slopes, rows, which)


def assert_equals_oracle(case: Case) -> None:
    """The shipped attention computes what the oracle does."""
    assert_close(case.visible(case.shipped()), case.visible(case.oracle()))


def assert_gradients_equal_the_oracles(case: Case) -> None:
    """And of a loss the same gradients."""
    inputs = case.trained()
    weight = torch.randn(case.visible(case.shipped()).shape, generator=torch.Generator().manual_seed(1))
    gradients = [
        torch.autograd.grad((case.visible(context) * weight).sum(), inputs, allow_unused=True)
        for context in (case.shipped(), case.oracle())
    ]
    for ours, expected in zip(*gradients, strict=True):
        assert_close(ours, expected, GRADIENT_ROUNDING)
