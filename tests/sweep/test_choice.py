"""The grid, what is dominated, the Pareto front and the recommended setting."""

from __future__ import annotations

import pytest

from lsg_convert.common.errors import RequestError
from lsg_convert.modeling.lsg_options import LSGOptions
from lsg_convert.sweep.choice import Candidate, dominated_by, pareto_front, recommended
from lsg_convert.sweep.grid import Setting, product_grid, published_grid, with_globals


def test_the_published_grid_has_the_keys_of_the_published_cards() -> None:
    """768, 384 and 96 of local attention, 640 and 160 with sparse tokens; global tokens come on top."""
    keys = {setting.name: setting.attended_keys(0) for setting in published_grid()}
    assert keys["local 256"] == 768 and keys["local 128"] == 384 and keys["local 64"] == 192 and keys["local 32"] == 96
    assert {keys[name] for name in keys if name.endswith("128/4")} == {640}
    assert {keys[name] for name in keys if name.endswith("32/4")} == {160}
    assert len(keys) == len(published_grid()) == 14


def test_every_setting_is_what_the_model_takes() -> None:
    for setting in with_globals(published_grid(), [0, 4]):
        options = LSGOptions(**setting.options)
        options.validate()
        assert Setting.of_options(options).options == {
            key: value for key, value in setting.options.items() if key != "num_global_tokens"
        }


def test_a_grid_is_the_product_without_repetition() -> None:
    grid = product_grid(["norm", "none"], [32, 64], [0, 2])
    assert [setting.name for setting in grid] == ["local 32", "norm 32/2", "local 64", "norm 64/2"]
    assert Setting("norm", 64, 2, 1, 32).name == "norm 64+32/2, globals 1"
    assert Setting("norm", 64, 2, None, 32).attended_keys(3) == 3 * 64 + 2 * 32 + 3


def test_an_impossible_setting_is_named() -> None:
    with pytest.raises(RequestError, match=r"norm 32/5 is not possible.*must divide block_size"):
        Setting("norm", 32, 5).check()


def test_dominated_is_what_costs_no_less_and_is_plainly_worse() -> None:
    good = Candidate("good", 1.0, [5, 6, 7, 8])
    assert dominated_by(Candidate("worse", 2.0, [4, 5, 6.1]), [good]) == "good"
    assert dominated_by(Candidate("worse, two pieces", 2.0, [4, 5]), [good]) is None
    assert dominated_by(Candidate("cheaper", 0.5, [1, 1, 1]), [good]) is None
    assert dominated_by(Candidate("noisy", 2.0, [9, 2, 7]), [good]) is None
    assert dominated_by(Candidate("equal", 2.0, [5, 6, 7]), [good]) is None


def test_front_and_recommendation() -> None:
    cheap = Candidate("cheap", 1.0, [1, 2, 3])
    near = Candidate("near", 2.0, [3, 4.2, 4.9])
    best = Candidate("best", 3.0, [3, 4, 5.2])
    left = Candidate("left", 0.5, [9], complete=False)
    beside = Candidate("beside", 2.5, [2, 2, 2])
    every = [best, left, near, cheap, beside]
    assert pareto_front(every) == ["cheap", "near", "best"]
    assert recommended(every) == "near"  # as good as the best one, as far as three pieces tell
    assert recommended([left]) is None and recommended([cheap, best]) == "best"
