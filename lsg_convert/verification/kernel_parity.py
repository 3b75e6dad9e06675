"""Level 3, kernel parity: above the dense limit every layer's attention is what the definition says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from lsg_convert.modeling.lsg_options import SEPARATED
from lsg_convert.verification.check import Check
from lsg_convert.verification.compute import encoder_states
from lsg_convert.verification.inputs import Batch
from lsg_convert.verification.lengths import window_lengths
from lsg_convert.verification.levels import Level
from lsg_convert.verification.result import Measurement, NotRunError

if TYPE_CHECKING:
    import torch

    from lsg_convert.modeling.lsg_options import LSGOptions
    from lsg_convert.verification.subject import Subject

_MODULE = "LSGSelfAttention"
_MARKED = 5  # tokens that are marked in one text
_MOST_LAYERS = 6  # the definition is slow; of deeper models, layers spread from the first to the last


class WantedPlan(NamedTuple):
    """The keys that may be attended to, made from the inputs and not by the folder's code, in the layers' order.

    keep: bool [rows, G + T]. marked: bool [rows, T], the tokens that are global, None where none is.
    half_window: tokens on each side that a token attends to, None where it attends to blocks.
    """

    options: LSGOptions
    keep: torch.Tensor
    num_globals: int
    num_tokens: int
    marked: torch.Tensor | None = None
    half_window: int | None = None


class LayerDifference(NamedTuple):
    """max_abs: the largest difference of one layer's attention. rows: of all heads.

    left_out: rows that were not compared, as keys tie there and another choice of them is as right.
    """

    max_abs: float
    rows: int
    left_out: int


class KernelParity(Check):
    """Each layer's attention against a dense attention over an explicit choice of the same keys."""

    name = "attention by definition"
    level = Level.KERNEL
    needs = ("weights", "code", "tokenizer")

    def applies(self, subject: Subject) -> bool:
        return bool(window_lengths(subject.lsg, subject.max_len))

    def memory(self, subject: Subject) -> int:
        tokens = window_lengths(subject.lsg, subject.max_len)[-1] + subject.lsg.block_size
        keys = subject.lsg.num_global_tokens + 2 * tokens
        return subject.model_bytes() + 6 * 3 * int(subject.encoder_config[subject.family.num_heads]) * tokens * keys * 4

    def measure(self, subject: Subject) -> Measurement:
        model = subject.models.converted()
        layers = lsg_layers(model)
        if not layers:
            raise NotRunError("no layer of this model has LSG attention: its encoder is not part of it")
        local_layers = subject.family.local_layers(subject.encoder_config)
        tolerance, worst, position, rows, left_out = subject.settings.tolerance, 0.0, "", 0, 0
        batches = [*window_batches(subject), marked_batch(subject)]
        with subject.reporter.stage("Comparing attention", len(batches)) as advance:
            for batch in batches:
                subject.pause()
                with compared_attention(layers, batch, subject.lsg, local_layers) as differences:
                    encoder_states(model, batch)
                for layer, found in differences.items():
                    rows += found.rows
                    left_out += found.left_out
                    if not found.max_abs <= worst:
                        worst, position = found.max_abs, f"{layer}, {batch.name}"
                advance(1)
        passed = bool(worst <= tolerance)
        lengths = sorted({batch.ids.shape[1] for batch in batches})
        most = max((int(batch.marked.sum(1).max()) for batch in batches if batch.marked is not None), default=0)
        measured = f"max |Δ| {worst:.1e} in {len(layers)} layers at {', '.join(map(str, lengths))} tokens"
        measured += f", {most} of them global" * bool(most)
        measured += f"; {left_out:,} of {rows:,} rows left out, as keys tie" * bool(left_out)
        values = {"max_abs": worst, "position": position, "layers": len(layers), "lengths": lengths, "marked": most}
        values |= {"rows": rows, "left_out": left_out}
        if not rows:
            raise NotRunError("no layer was run: its attention could not be compared")
        if left_out == rows:
            raise NotRunError("keys tie everywhere: any choice of them is right")
        return Measurement(passed, measured, f"{tolerance:.0e}", None if passed else position, values)


CHECKS: tuple[type[Check], ...] = (KernelParity,)


def window_batches(subject: Subject) -> list[Batch]:
    """Inputs just above the dense limit, unaligned and padded; no token twice in a block, as equal keys may tie."""
    batches = []
    for number, length in enumerate(window_lengths(subject.lsg, subject.max_len)):
        padding = length // 4 if length % subject.lsg.block_size else 0
        rows = [distinct_tokens(subject, length - padding, seed=length)]
        if number == 0:
            rows.append(distinct_tokens(subject, length - 2 * padding, seed=length + 1))
        name = f"{length} tokens" + (f", {padding} or more of them padding" if padding else "")
        batches.append(subject.inputs.of_ids(rows, name, padding))
    return batches


def marked_batch(subject: Subject) -> Batch:
    """Three texts just above the dense limit: with no token marked as global, with some in a row, with one.

    The first token is one of them, and the last one is shorter, with a mark on its padding: that marks nothing.
    """
    import torch

    length = window_lengths(subject.lsg, subject.max_len)[0]
    padding = length // 3
    rows = [distinct_tokens(subject, size, seed=size + 2) for size in (length, length, length - padding)]
    batch = subject.inputs.of_ids(rows, f"{length} tokens, up to {_MARKED} of them marked as global")
    marked = torch.zeros_like(batch.mask, dtype=torch.bool)
    marked[1, :_MARKED] = True
    marked[2, [length // 2, length - 1]] = True
    return replace(batch, marked=marked)


def distinct_tokens(subject: Subject, length: int, seed: int) -> list[int]:
    """Token ids in random order, framed; the first token and what is special to the tokenizer only where it belongs."""
    import torch

    special = {*subject.tokenizer.all_special_ids}
    rows = int(subject.encoder_config["vocab_size"])
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(seed)).tolist()
    content = [token for token in order if token not in special][:length]
    count = length - subject.inputs.num_special
    return subject.inputs.frame((content * (count // len(content) + 1))[:count])


def lsg_layers(model: Any, most: int | None = _MOST_LAYERS) -> dict[str, Any]:
    """The modules with LSG attention by name, all or at most so many, spread over the model."""
    found = {
        name: module
        for name, module in model.named_modules()
        if any(parent.__name__ == _MODULE for parent in type(module).__mro__)
    }
    names = list(found)
    if most is not None and len(names) > most:
        names = [names[round(i * (len(names) - 1) / (most - 1))] for i in range(most)]
    return {name: found[name] for name in names}


@contextmanager
def compared_attention(
    layers: dict[str, Any], batch: Batch, options: LSGOptions, local_layers: Mapping[int, int] | None = None
) -> Iterator[dict[str, LayerDifference]]:
    """While this lasts, every layer's attention is computed by definition too; yields the largest differences.

    local_layers: layers that stay as the source has them, and how many tokens a token sees on each side there.
    """
    differences: dict[str, LayerDifference] = {}
    plan = wanted_plan(batch, options)
    shipped = {name: layer.attention for name, layer in layers.items()}
    for name, layer in layers.items():
        half_window = (local_layers or {}).get(_number(name))
        if half_window is None:
            wanted = plan._replace(half_window=_half_window(name, options))
        else:
            wanted = _local_plan(batch, plan, half_window)
        layer.attention = _Compared(name, shipped[name], wanted, differences)
    try:
        yield differences
    finally:
        for name, layer in layers.items():
            layer.attention = shipped[name]


def _half_window(layer: str, options: LSGOptions) -> int | None:
    """How many tokens on each side a token attends to, in the layer of this name."""
    if options.local_attention != "sliding":
        return None
    windows = options.attention_window or (2 * options.block_size,)
    return windows[_number(layer) if len(windows) > 1 else 0] // 2


def _number(layer: str) -> int:
    """The number of the layer of this name."""
    found = re.search(r"\d+", layer)
    return int(found[0]) if found else 0


def _local_plan(batch: Batch, plan: WantedPlan, half_window: int) -> WantedPlan:
    """A layer in which tokens see near tokens only, the opening token among them, whatever stands in for it."""
    from torch.nn import functional

    options = replace(plan.options, num_global_tokens=0, sparsity_type="none", automatic_globals="none")
    tokens = batch.mask.bool()
    length = -(-plan.num_tokens // options.block_size) * options.block_size
    keep = functional.pad(tokens, (0, length - tokens.shape[1]), value=False)
    return WantedPlan(options, keep, 0, length, half_window=half_window)


def wanted_plan(batch: Batch, options: LSGOptions) -> WantedPlan:
    """Tokens that are no padding, less the first one where it is masked; above the dense limit in whole blocks."""
    from torch.nn import functional

    tokens = batch.mask.bool().clone()
    replaced = tokens.new_full((len(tokens),), options.mask_first_token)
    if options.opening_token_id is not None:
        replaced &= tokens[:, 0] & (batch.ids[:, 0] == options.opening_token_id)
    tokens[:, 0] &= ~replaced
    length = tokens.shape[1]
    padding = -length % options.block_size if length > options.dense_limit else 0
    keep = functional.pad(functional.pad(tokens, (0, padding), value=False), (options.num_global_tokens, 0), value=True)
    if options.num_global_tokens and options.mask_first_token:
        keep[:, 0] = replaced
    marked = functional.pad(_global_tokens(batch, options) & tokens, (0, padding))
    plan = WantedPlan(options, keep, options.num_global_tokens, length + padding, marked)
    return _with_global_ends(plan) if options.automatic_globals == "ends" and length > options.dense_limit else plan


def _with_global_ends(plan: WantedPlan) -> WantedPlan:
    """The plan of [globals | first block | last block | others], of which the first three are global."""
    end = plan.options.block_size
    positions = list(range(plan.num_tokens))
    order = [*positions[:end], *positions[-end:], *positions[end:-end]]
    keep = [*range(plan.num_globals), *(plan.num_globals + position for position in order)]
    marked = None if plan.marked is None else plan.marked[:, order[2 * end :]]
    num_globals, num_tokens = plan.num_globals + 2 * end, plan.num_tokens - 2 * end
    return WantedPlan(plan.options, plan.keep[:, keep], num_globals, num_tokens, marked)


def _global_tokens(batch: Batch, options: LSGOptions) -> torch.Tensor:
    """The tokens that are marked as global; where none is, those that are global by themselves: bool [rows, T]."""
    import torch

    if batch.marked is not None:
        return batch.marked & batch.mask.bool()
    marked = torch.zeros_like(batch.ids, dtype=torch.bool)
    for row, ids in enumerate(batch.ids.tolist()):
        end = ids.index(options.separator_token_id) if options.automatic_globals in SEPARATED else 1
        if options.automatic_globals == "choice":
            while ids[end] == options.separator_token_id:
                end += 1
            marked[row, end:] = True
        elif options.automatic_globals not in ("none", "ends"):
            marked[row, :end] = True
    return marked & batch.mask.bool()


class _Compared:
    """Stands in for a layer's attention, and compares it with the definition."""

    def __init__(self, name: str, shipped: Any, plan: WantedPlan, differences: dict[str, LayerDifference]) -> None:
        self._name, self._shipped, self._plan, self._differences = name, shipped, plan, differences

    def __call__(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        plan: Any,
        scale: float,
        dropout_p: float = 0.0,
        position_bias: Any = None,
    ) -> torch.Tensor:

        from lsg_convert.verification.oracle import attention_and_ties

        # In float32 whatever the model computes in: with few bits many keys tie, and any choice of them is right.
        exact = (query.float(), key.float(), value.float())
        context = self._shipped(*exact, plan, scale, dropout_p, position_bias)
        wanted_plan = self._plan
        if key.shape[2] == wanted_plan.keep.shape[1]:
            wanted, tied = attention_and_ties(*exact, wanted_plan, scale, position_bias)
            # What padding attends to does not matter: nothing attends to padding.
            read = wanted_plan.keep.clone()
            read[:, wanted_plan.options.num_global_tokens] = True
            gap = (context - wanted).abs().amax(3).nan_to_num(nan=float("inf"))
            difference = float(gap.masked_fill(tied | ~read[:, None], 0.0).max())
            rows, left_out = int(read.sum()) * key.shape[1], int((tied & read[:, None]).sum())
        else:
            difference, rows, left_out = (
                float("inf"),
                1,
                0,
            )  # other globals or other padding than the configuration says
        before = self._differences.get(self._name, LayerDifference(0.0, 0, 0))
        self._differences[self._name] = LayerDifference(
            max(difference, before.max_abs), before.rows + rows, before.left_out + left_out
        )
        return context.to(query.dtype)
