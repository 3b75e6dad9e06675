"""Rotary positions (RoFormer, arXiv 2104.09864, section 3.2): queries and keys are turned by their positions.

They are turned before LSG attention gets them, which needs to know nothing of it. Globals are not turned, and that is
position 0: the opening token's, for which global 0 stands in. A sparse token that is a token keeps its own turn; of one
that is a mean of tokens, the score is the mean of the scores that their turned keys have.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from .lsg_graph import holds
from .lsg_self_attention import LSGSelfAttention
from .lsg_windows import AttentionPlan

ROPE_TYPES = ("default", "linear", "yarn")


class Frequencies(NamedTuple):
    """How much a position turns each pair of numbers, [head width / 2], and what turned numbers are multiplied by."""

    values: Tensor
    factor: float = 1.0


class Rotation(NamedTuple):
    """Cosines and sines of the angles of [globals | tokens], float32 [batch or 1, G + n, 1, head width]."""

    cosine: Tensor
    sine: Tensor


class RotaryPlan(AttentionPlan):
    """A plan that keeps the rotations, which layers share."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rotations: dict[Any, Rotation] = {}

    def to(self, device: torch.device | int | str, **kwargs: Any) -> "AttentionPlan":
        """The plan for layers on `device`."""
        moved = super().to(device, **kwargs)
        if moved is not self and isinstance(moved, RotaryPlan):
            moved.rotations = {}
        return moved

    def rotation(self, attention: "LSGRotarySelfAttention", length: int) -> Rotation:
        """The rotation of a layer's frequencies for a sequence of so many globals and tokens; made once in a forward
        pass for all layers of a kind.
        """
        kind = attention.kind_of_frequencies()
        if kind is None:
            return self._rotation(attention.frequencies(self.device), length)
        if kind not in self.rotations:
            self.rotations[kind] = self._rotation(attention.frequencies(self.device), length)
        return self.rotations[kind]

    def _rotation(self, frequencies: Frequencies, length: int) -> Rotation:
        positions = self.positions
        if positions is None:
            positions = torch.arange(length - self.num_globals, device=self.device)[None]
        missing = length - self.num_globals - positions.shape[1]  # padding up to whole blocks
        positions = functional.pad(positions, (self.num_globals, 0 if holds(missing == 0) else missing))
        angles = positions[..., None].float() * frequencies.values.to(self.device).float()
        cosine, sine = (part[:, :, None] * frequencies.factor for part in (angles.cos(), angles.sin()))
        return Rotation(torch.cat([cosine, cosine], dim=-1), torch.cat([sine, sine], dim=-1))


class LSGRotarySelfAttention(LSGSelfAttention):
    """Self-attention whose queries and keys are turned by their positions.

    rope: the parameters of the rotation, as the library's configurations have them: `rope_type` (`default`, `linear` or
    `yarn`), `rope_theta`, `factor` and others.
    """

    rope: Mapping[str, Any] = {}

    def kind_of_frequencies(self) -> Any:
        """What tells frequencies apart; None where nothing does that layers share."""
        return tuple(sorted((name, str(value)) for name, value in self.rope.items()))

    def frequencies(self, device: torch.device) -> Frequencies:
        """Those of the layer, computed anew: what is no weight of a model is not there when a release has loaded it."""
        return rope_frequencies(self.rope, self.head_width, device)

    def heads(self, hidden_states: Tensor, plan: AttentionPlan) -> list[Tensor]:
        """Turned query and key, and value, [batch, heads, length, head width] of `hidden_states`."""
        assert isinstance(plan, RotaryPlan)
        rotation = plan.rotation(self, hidden_states.shape[1])
        parts = [part.unflatten(-1, (self.num_heads, self.head_width)) for part in self.project_in(hidden_states)]
        return [part.transpose(1, 2) for part in (*(turn(part, rotation) for part in parts[:2]), parts[2])]


def turn(part: Tensor, rotation: Rotation) -> Tensor:
    """Queries or keys [batch, G + n, heads, head width], turned."""
    cosine, sine = rotation
    first, second = part.chunk(2, dim=-1)
    return (part * cosine + torch.cat([-second, first], dim=-1) * sine).to(part.dtype)


def rope_frequencies(rope: Mapping[str, Any], width: int, device: torch.device) -> Frequencies:
    """Frequencies [width / 2] for heads of `width` numbers.

    linear: all divided by `factor` (position interpolation, arXiv 2306.15595, section 2.3). yarn: those are that turn
    least within the length of training, and none that turn most (arXiv 2309.00071, section 3).
    """
    theta = rope["rope_theta"]
    turns = theta ** (torch.arange(0, width, 2, device=device, dtype=torch.int64).float() / width)
    kind, factor = rope.get("rope_type", "default"), float(rope.get("factor") or 1)
    if kind == "default":
        return Frequencies(1.0 / turns)
    if kind == "linear":
        return Frequencies(1.0 / turns / factor)
    length = rope["original_max_position_embeddings"]

    def place(turns_in_length: float) -> float:
        return width * math.log(length / (turns_in_length * 2 * math.pi)) / (2 * math.log(theta))

    low = max(math.floor(place(rope.get("beta_fast") or 32)), 0)
    high = min(math.ceil(place(rope.get("beta_slow") or 1)), width - 1)
    ramp = (torch.arange(width // 2, device=device).float() - low) / (max(high - low, 0.001))
    interpolated = ramp.clamp(0, 1)
    scale = rope.get("attention_factor")
    if scale is None:
        scale = 0.1 * math.log(factor) + 1.0 if factor > 1 else 1.0
    return Frequencies((interpolated / factor + (1 - interpolated)) / turns, float(scale))
