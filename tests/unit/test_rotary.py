"""Rotary positions: the library's frequencies, scores by distance, globals that are not turned."""

from __future__ import annotations

import pytest
import torch
import transformers
from packaging.version import Version

from lsg_convert.modeling.lsg_options import LSGOptions
from lsg_convert.modeling.lsg_rotary import Frequencies, RotaryPlan, rope_frequencies, turn
from lsg_convert.plan.rotary import rescaled
from tests.close import assert_close

WIDTH, LENGTH = 64, 8192
ROPE = {"rope_type": "default", "rope_theta": 160_000.0}
CPU = torch.device("cpu")


@pytest.mark.skipif(Version(transformers.__version__) < Version("5"), reason="rope parameters are those of 5.x")
@pytest.mark.parametrize("positions", ["rope-linear", "rope-yarn"])
@pytest.mark.parametrize("factor", [4.0, 32.0])
def test_frequencies_are_the_librarys(positions: str, factor: float) -> None:
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    rope = rescaled(ROPE, positions, factor, LENGTH, WIDTH)
    config = transformers.LlamaConfig(
        hidden_size=4 * WIDTH, num_attention_heads=4, rope_parameters=dict(rope), max_position_embeddings=LENGTH
    )
    values, scale = ROPE_INIT_FUNCTIONS[rope["rope_type"]](config, CPU)
    ours = rope_frequencies(rope, WIDTH, CPU)
    assert_close(ours.values, values)
    assert ours.factor == pytest.approx(scale)


def test_a_larger_base_slows_what_turns_least_and_nothing_else() -> None:
    before = rope_frequencies(ROPE, WIDTH, CPU).values
    after = rope_frequencies(rescaled(ROPE, "rope-ntk", 4.0, LENGTH, WIDTH), WIDTH, CPU).values
    assert_close(after[-1], before[-1] / 4)
    assert_close(after[0], before[0])
    assert (after.diff() < 0).all() and (after <= before).all()


def plan(num_tokens: int, num_globals: int) -> RotaryPlan:
    """A plan of one text."""
    return RotaryPlan(LSGOptions(num_global_tokens=num_globals), None, 1, num_tokens, CPU)


class Layer:
    """What a plan asks a layer."""

    def kind_of_frequencies(self) -> str:
        """What tells frequencies apart."""
        return "one"

    def frequencies(self, device: torch.device) -> Frequencies:
        """Those of the layer."""
        return rope_frequencies({**ROPE, "rope_theta": 100.0}, 8, device)


def test_scores_go_by_distance_and_globals_stand_at_position_0() -> None:
    drawn = torch.Generator().manual_seed(0)
    query, key = (torch.randn(8, generator=drawn).expand(1, 23, 1, 8) for _ in range(2))
    rotation = plan(20, 3).rotation(Layer(), 23)
    query_turned, key_turned = (turn(part, rotation)[0, :, 0] for part in (query, key))
    scores = query_turned @ key_turned.T
    tokens = scores[3:, 3:]
    for distance in range(20):
        diagonal = tokens.diagonal(distance)
        assert_close(diagonal, diagonal[:1].expand_as(diagonal), terms=float(scores.abs().max()))
    assert_close(query_turned[:3], query[0, :3, 0])
    for number in range(3):
        assert_close(scores[number, 3:], tokens[0])
        assert_close(scores[3:, number], tokens[:, 0])


def test_positions_that_are_given() -> None:
    given, usual = plan(16, 1), plan(16, 1)
    given.positions = torch.arange(12)[None]  # padding up to whole blocks has none
    one, other = given.rotation(Layer(), 17), usual.rotation(Layer(), 17)
    assert_close(one.cosine[:, :13], other.cosine[:, :13])
    assert one.cosine.shape == other.cosine.shape == (1, 17, 1, 8)
    assert given.rotation(Layer(), 17) is one
    shifted = plan(16, 0)
    shifted.positions = torch.arange(5, 21)[None]
    assert_close(shifted.rotation(Layer(), 16).sine, plan(21, 0).rotation(Layer(), 21).sine[:, 5:])
