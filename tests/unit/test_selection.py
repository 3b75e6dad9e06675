"""What each selection selects, by example; and the plan of windows."""

import pytest
import torch

from lsg_convert.modeling.lsg_selection import select_sparse_tokens
from lsg_convert.modeling.lsg_windows import AttentionPlan, plan_windows
from tests.close import assert_close

from .attention_cases import SCALE, SELECTIONS, make_case, options_of


def select(case):
    return select_sparse_tokens(case.query, case.key, case.value, case.plan, SCALE)


def test_norm_takes_the_largest_keys_of_each_segment():
    case = make_case(
        options_of(sparsity_type="norm", sparse_block_size=4, num_global_tokens=0, mask_first_token=False), 32
    )
    sparse = select(case)
    norm = case.key.norm(dim=-1)
    for segment in range(8):
        expected = set((norm[1, 2, segment * 4 : segment * 4 + 4].argsort()[-2:] + segment * 4).tolist())
        assert set(sparse.position[1, 2, segment * 2 : segment * 2 + 2].tolist()) == expected


def test_norm_prefers_any_token_to_a_masked_one():
    case = make_case(options_of(sparsity_type="norm", mask_first_token=False), 32)
    case.key[:] = 0
    case.tokens = torch.arange(32)[None].expand(2, -1) % 8 >= 4
    assert select(case).keep.all()


def test_stride_shares_the_tokens_out_among_the_heads():
    sparse = select(make_case(options_of(sparsity_type="stride", sparsity_factor=4), 32))
    assert sparse.position[:, :3].tolist() == [[0, 4, 8], [1, 5, 9], [2, 6, 10]]


def test_block_stride_takes_a_segment_of_each_block():
    sparse = select(make_case(options_of(sparsity_type="block_stride", sparsity_factor=4), 32))
    assert sparse.position[:, :4].tolist() == [[0, 1, 8, 9], [2, 3, 10, 11], [4, 5, 12, 13]]


def test_pooling_is_the_mean_of_what_is_not_masked():
    case = make_case(options_of(sparsity_type="pooling", num_global_tokens=0, sparsity_factor=4), 32)
    case.tokens = torch.ones(2, 32, dtype=torch.bool)
    case.tokens[:, 4:6] = False
    case.tokens[:, 8:12] = False
    sparse = select(case)
    assert_close(sparse.value[:, :, 0], case.value[:, :, 1:4].mean(2))  # token 0 is masked
    assert_close(sparse.key[:, :, 1], case.key[:, :, 6:8].mean(2))
    assert sparse.keep[:, 0].tolist() == [[True, True, False, True, True, True, True, True]] * 2
    assert sparse.position.tolist() == [2, 6, 10, 14, 18, 22, 26, 30]


def test_bos_pooling_weighs_by_the_first_query():
    case = make_case(options_of(sparsity_type="bos_pooling", num_global_tokens=1), 32)
    sparse = select(case)
    weight = (case.key[0, 1, 5:7] @ case.query[0, 1, 1] * SCALE).softmax(0)
    assert_close(sparse.value[0, 1, 2], weight @ case.value[0, 1, 5:7])


def test_lsh_puts_equal_keys_into_one_bucket():
    case = make_case(options_of(sparsity_type="lsh", mask_first_token=False), 32)
    case.key[:] = case.key[:, :, :1]
    sparse = select(case)
    assert (sparse.keep.unflatten(-1, (-1, 4)).sum(-1) == 1).all()
    kept = sparse.value[sparse.keep].view(2, 3, 4, 8)
    assert_close(kept, case.value[:, :, 1:].unflatten(2, (4, 8)).mean(3))


def test_lsh_with_one_bucket_per_segment_is_bos_pooling():
    values = []
    for kind in ("lsh", "bos_pooling"):
        case = make_case(options_of(sparsity_type=kind, sparsity_factor=8), 32)
        values.append(select(case).value)
    assert torch.equal(*values)


@pytest.mark.parametrize("kind", [kind for kind in SELECTIONS if kind != "none"])
def test_factor_one_is_the_tokens_themselves(kind):
    case = make_case(options_of(sparsity_type=kind, sparsity_factor=1), 32)
    assert torch.equal(select(case).key, case.key[:, :, 1:])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_global_tokens": 513}, "num_global_tokens=513"),
        ({"num_global_tokens": -1}, "num_global_tokens=-1"),
        ({"sparsity_type": "foo"}, "sparsity_type='foo'"),
        ({"sparsity_factor": 3}, "sparsity_factor=3: must divide block_size=8"),
        ({"sparsity_factor": 16}, "sparsity_factor=16"),
        ({"sparsity_factor": -1}, "sparsity_factor=-1"),
        ({"block_size": 0}, "block_size=0"),
        ({"sparse_block_size": -8}, "sparse_block_size=-8"),
        ({"sparse_block_size": 3}, "sparse_block_size=3"),
        ({"sparse_block_size": 2, "sparsity_factor": 4}, "sparse_block_size=2"),
        ({"attention_backend": "xla"}, "attention_backend='xla'"),
        ({"lsh_num_pre_rounds": -1}, "lsh_num_pre_rounds=-1"),
    ],
)
def test_options_that_break_a_rule_are_named(changes, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        options_of(**changes)


def test_stride_wider_than_the_heads_is_a_warning():
    with pytest.warns(UserWarning, match="sparsity_factor=8 exceeds the 4 attention heads"):
        options_of(sparsity_type="stride", sparsity_factor=8).validate(num_heads=4)


def plan(options, num_tokens, tokens=None, at_once=1000):
    return plan_windows(AttentionPlan(options, tokens, 1, num_tokens, torch.device("cpu")), at_once)


def test_windows_tile_the_blocks_and_share_the_middle():
    windows = plan(options_of(), 8 * 12)
    assert [window.block for window in windows] == [0, 1, 2, 3, 9, 10, 11]
    assert [window.num_blocks for window in windows] == [1, 1, 1, 6, 1, 1, 1]
    assert windows[3][:6] == (3, 6, False, (16, 40), (0, 8), (20, 28))


def test_without_padding_windows_begin_behind_the_first_token_and_are_not_masked():
    for changes, first in (({}, 1), ({"mask_first_token": False}, 0)):
        windows = plan(options_of(**changes), 96, at_once=1)
        assert [window.local[0] for window in windows[:3]] == [first, first, 8]
        assert not any(window.masked for window in windows)


@pytest.mark.parametrize(
    "changes", [{"sparsity_type": "stride"}, {"sparsity_type": "block_stride"}, {"sparsity_factor": 1}]
)
def test_windows_are_masked_where_the_first_token_may_be_a_sparse_one(changes):
    windows = plan(options_of(**changes), 96, at_once=1)
    assert [window.masked for window in windows] == [
        window.left[0] < window.left[1] and window.left[0] == 0 for window in windows
    ]
    assert any(window.masked for window in windows)


def test_rows_that_open_otherwise_keep_their_first_token():
    plan_of_rows = AttentionPlan(options_of(), None, 2, 96, torch.device("cpu"), torch.tensor([True, False]))
    windows = plan_windows(plan_of_rows, 1)
    assert [window.local[0] for window in windows[:3]] == [0, 0, 8]
    assert all(window.masked for window in windows)


def test_only_windows_with_padding_are_masked():
    tokens = torch.arange(8 * 20)[None] < 8 * 19 + 3
    windows = plan(options_of(mask_first_token=False), 160, tokens, at_once=1)
    assert [window.block for window in windows if window.masked] == [16, 17, 18, 19]
