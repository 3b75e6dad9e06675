"""What turns a library encoder into an LSG encoder: the one place that knows globals, padding and masks.

The sequence that the layers see is [globals | tokens | padding up to whole blocks]; what leaves the encoder is
[tokens], or [globals | tokens] for a decoder that attends to the globals. See Condevaux & Harispe, arXiv 2210.15497.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers.modeling_outputs import BaseModelOutput

from .lsg_compat import as_tuple, wants_dict
from .lsg_eager import is_captured, is_eager_on_cpu
from .lsg_graph import holds, missing_tokens
from .lsg_linear import fast_linear_maps
from .lsg_marked import mark_tokens, marked_tokens
from .lsg_options import MAX_GLOBAL_TOKENS, LSGOptions
from .lsg_self_attention import LSGSelfAttention, run_lsg_layer
from .lsg_unpadded import groups_by_length, run_by_length
from .lsg_windows import AttentionPlan


class LSGEncoder:
    """Mixed in before a library encoder: globals in front, LSG attention in the layers, outputs trimmed.

    A family calls `add_global_embeddings` and `replace_self_attention` when it is built, and in its `forward` sums its
    embeddings, calls `prepend_globals`, then `encode`.
    """

    config: Any
    training: bool
    options: LSGOptions
    global_embeddings_holder = ""  # the submodule that holds `global_embeddings`; the encoder itself unless named
    self_attention: type[LSGSelfAttention] = LSGSelfAttention
    attention_plan: type[AttentionPlan] = AttentionPlan
    attention_norm: str | None = None  # the submodule of a layer that normalises what attention gets, if there is one
    final_norm: Any = None  # the submodule that normalises what the last layer returns, by its name, if there is one
    passes_globals_to_decoder = False
    supports_gradient_checkpointing = True  # `run_layer` does it, for layers of the library that do not too

    def add_global_embeddings(self, width: int) -> None:
        """Register `global_embeddings` (512 rows of `width`) and read the options of the configuration."""
        self.options = LSGOptions.from_config(self.config)
        if self.options.has_global_ends and not hasattr(self.attention_plan, "num_ends"):
            raise ValueError("automatic_globals='ends': only BigBird's models attend so; choose another value.")
        self.gradient_checkpointing = False
        self.get_submodule(self.global_embeddings_holder).global_embeddings = nn.Embedding(MAX_GLOBAL_TOKENS, width)

    def replace_self_attention(
        self,
        owners: Iterable[tuple[nn.Module, str]],
        projections: tuple[str, ...],
        num_heads: int,
        dropout: float,
        scale: float | None = None,
    ) -> None:
        """Put `LSGSelfAttention` in place of the self-attention that each owner holds under the given name."""
        self.options.validate(num_heads)
        for number, (owner, name) in enumerate(owners):
            attention = self.self_attention(getattr(owner, name), projections, num_heads, dropout, scale)
            attention.half_window = self.options.half_window(number)
            setattr(owner, name, attention)
        lists = (module for module in self.modules() if isinstance(module, nn.ModuleList))
        layers = next(found for found in lists if any(isinstance(part, LSGSelfAttention) for part in found.modules()))
        # What stays on one device, and is sharded as one: some models of the library name no layers, or parts of them.
        self._no_split_modules = sorted({*(getattr(self, "_no_split_modules", None) or ()), type(layers[0]).__name__})
        for module in self.modules():
            if hasattr(module, "chunk_size_feed_forward"):
                module.chunk_size_feed_forward = 0  # no chunks: the length may not be divisible

    def embed_globals(self, device: torch.device) -> torch.Tensor:
        """The summed embeddings of the globals, [1, G, width]; by a call, for which weights on disk are fetched."""
        table = self.get_submodule(self.global_embeddings_holder).global_embeddings
        return table(torch.arange(self.options.num_global_tokens, device=device)[None])

    def prepend_globals(self, embeddings: torch.Tensor, globals_: torch.Tensor) -> torch.Tensor:
        """[batch, T, width] embeddings of tokens and [1, G, width] of globals → [batch, G + T, width]."""
        return torch.cat([globals_.to(embeddings.dtype).expand(embeddings.shape[0], -1, -1), embeddings], dim=1)

    def encode(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None,
        layers: Iterable[nn.Module],
        output_hidden_states: bool | None,
        num_tokens: int | None = None,
        opening_rows: torch.Tensor | None = None,
        positions: torch.Tensor | None = None,
    ) -> "LSGEncoderOutput":
        """Run `layers` over `hidden_states` [batch, G + T, width] and trim what comes out.

        Args:
            attention_mask: [batch, T], non-zero where a token may be attended, or None; see `merge_masks` too.
            num_tokens: T, where `hidden_states` has padding behind the tokens already.
            opening_rows: bool [batch], whether global 0 stands in for token 0; None when it does in every row.
            positions: [batch or 1, T], where they are given and layers go by them.

        Raises:
            ValueError: the mask is not [batch, T], or T is not a whole number of blocks and `adaptive` is off.
        """
        num_globals = self.options.num_global_tokens
        num_tokens = hidden_states.shape[1] - num_globals if num_tokens is None else num_tokens
        self._check_mask(attention_mask, hidden_states.shape[0], num_tokens)
        if output_hidden_states is None:
            output_hidden_states = getattr(self.config, "output_hidden_states", False)
        layers = list(layers)
        every_state = bool(output_hidden_states)
        if self.options.unpad_inputs and (mask := attention_mask) is not None and not is_captured():

            def run(length: int, rows: torch.Tensor) -> list[torch.Tensor]:
                opens = None if opening_rows is None else opening_rows[rows]
                at = positions if positions is None or len(positions) == 1 else positions[rows]
                at = None if at is None else at[:, :length]
                tokens = hidden_states[rows, : num_globals + length]
                return self._run_layers(tokens, mask[rows, :length], layers, every_state, length, opens, at)

            states = run_by_length(run, groups_by_length(mask, self.options.block_size), num_tokens)
        else:
            inputs = (hidden_states, attention_mask, layers, every_state, num_tokens, opening_rows, positions)
            states = self._run_layers(*inputs)
        return LSGEncoderOutput(
            last_hidden_state=states[-1],
            hidden_states=tuple(states) if every_state else None,
            opening_rows=opening_rows,
        )

    def _run_layers(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None,
        layers: list[nn.Module],
        every_state: bool,
        num_tokens: int,
        opening_rows: torch.Tensor | None,
        positions: torch.Tensor | None,
    ) -> list[torch.Tensor]:
        """What the last layer returns, trimmed and normalised; before it what each layer gets, if asked for."""
        options, num_globals = self.options, self.options.num_global_tokens
        without_first = opening_rows is None and self._can_leave_out_first(num_tokens)
        if without_first:
            hidden_states = torch.cat([hidden_states[:, :num_globals], hidden_states[:, num_globals + 1 :]], dim=1)
            attention_mask = None if attention_mask is None else attention_mask[:, 1:]
            options, num_tokens = replace(options, mask_first_token=False), num_tokens - 1
        length = hidden_states.shape[1] - num_globals
        tokens = self._token_mask(attention_mask)
        padding = self.padding(num_tokens)
        if not holds(padding == 0):
            if not is_captured() or self.self_attention.takes_whole_blocks:  # else attention alone sees the padding
                hidden_states = functional.pad(hidden_states, (0, 0, 0, num_tokens + padding - length))
            if tokens is None:
                tokens = torch.ones(hidden_states.shape[0], num_tokens, dtype=torch.bool, device=hidden_states.device)
            tokens = functional.pad(tokens, (0, padding), value=False)
        plan = self.attention_plan(
            options, tokens, hidden_states.shape[0], num_tokens + padding, hidden_states.device, opening_rows
        )
        plan.positions, plan.without_first = positions, without_first
        mark_tokens(plan, marked_tokens(attention_mask, padding))
        states = []
        hidden_states = plan.arrange(hidden_states)
        with fast_linear_maps(hidden_states.device):
            for layer in layers:
                if every_state:
                    plan = plan.to(hidden_states.device)
                    states.append(self._trim(plan.restore(hidden_states), num_tokens, plan))
                hidden_states = run_lsg_layer(self, layer, hidden_states, plan, self.attention_norm)
        plan = plan.to(hidden_states.device)
        hidden_states = self._trim(plan.restore(hidden_states), num_tokens, plan)
        norm = self.final_norm
        if norm is not None:
            hidden_states = (self.get_submodule(norm) if isinstance(norm, str) else norm)(hidden_states)
        return [*states, hidden_states]

    def _can_leave_out_first(self, num_tokens: int) -> bool:
        """Whether token 0 can be spared where global 0 stands in for it: no query attends to it, nobody gets its state.

        Up to the dense limit a layer then costs what the library's does: as many rows, and no mask.
        """
        options = self.options
        plain = self.attention_plan is AttentionPlan and not self.self_attention.reads_positions
        replaced = options.global_has_position and options.pool_with_global
        short = options.local_attention == "block" and not is_captured() and num_tokens <= options.dense_limit
        return plain and replaced and short

    def _check_mask(self, attention_mask: torch.Tensor | None, batch_size: int, num_tokens: int) -> None:
        if attention_mask is not None and attention_mask.shape != (batch_size, num_tokens):
            raise ValueError(
                f"attention_mask has shape {tuple(attention_mask.shape)}; LSG attention takes [batch, tokens], "
                f"here {(batch_size, num_tokens)}."
            )

    def _token_mask(self, attention_mask: torch.Tensor | None) -> torch.Tensor | None:
        if attention_mask is None:
            return None
        tokens = attention_mask.bool()
        # A mask that masks nothing costs time in every layer. Asking is free on a CPU; elsewhere it waits.
        return None if is_eager_on_cpu(tokens.device) and bool(tokens.all()) else tokens

    def padding(self, num_tokens: int) -> int:
        """How many tokens are missing to whole blocks; none are below the dense limit.

        Raises:
            ValueError: some are, and `adaptive` is off.
        """
        block_size = self.options.block_size
        if holds(num_tokens <= self.options.dense_limit):
            return 0
        if not self.options.adaptive and holds(num_tokens % block_size != 0):
            raise ValueError(
                f"{num_tokens} tokens are not a multiple of block_size={block_size}; pad the input to one, "
                "or load the model with adaptive=True."
            )
        return missing_tokens(num_tokens, block_size)

    def _trim(self, hidden_states: torch.Tensor, num_tokens: int, plan: AttentionPlan) -> torch.Tensor:
        """[batch, G + T + padding, width] → [batch, T, width], or [batch, G + T, width] for the decoder.

        Global 0 replaces token 0 only where the globals themselves are dropped, in the rows that open.
        """
        num_globals = self.options.num_global_tokens
        hidden_states = hidden_states[:, : num_globals + num_tokens]
        if plan.without_first:
            parts = (hidden_states[:, :num_globals], hidden_states[:, :1], hidden_states[:, num_globals:])
            hidden_states = torch.cat(parts, dim=1)
        if self.passes_globals_to_decoder:
            return hidden_states
        tokens, opening_rows = hidden_states[:, num_globals:], plan.opening_rows
        if plan.without_first or not (self.options.pool_with_global and num_globals):
            return tokens
        is_first = torch.arange(tokens.shape[1], device=tokens.device)[:, None] == 0
        if opening_rows is not None:
            is_first = is_first & opening_rows[:, None, None]
        return torch.where(is_first, hidden_states[:, :1], tokens)


@dataclass
class LSGEncoderOutput(BaseModelOutput):
    """An encoder's output; opening_rows: bool [batch], where global 0 stands in for token 0; None if it does in all."""

    opening_rows: torch.Tensor | None = None

    def to_tuple(self) -> tuple[Any, ...]:
        """What the library's output is as a tuple."""
        return tuple(value for name, value in self.items() if name != "opening_rows")

    def __len__(self) -> int:
        return len(self.to_tuple())  # by which the library's models take it apart


def format_output(output: BaseModelOutput, config: Any, return_dict: bool | None) -> Any:
    """`output` as the caller asked for it: a `ModelOutput` or a tuple."""
    return output if wants_dict(config, return_dict) else as_tuple(output)
