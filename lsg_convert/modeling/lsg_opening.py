"""In which rows global 0 stands in for token 0: where that is the opening token (BOS, CLS) and not masked."""

import torch
from torch import Tensor

from .lsg_eager import is_captured, is_eager_on_cpu
from .lsg_options import LSGOptions


def opening_rows(
    options: LSGOptions, attention_mask: Tensor | None, input_ids: Tensor | None, *others: tuple[Tensor | None, int]
) -> Tensor | None:
    """Bool [batch]: whether token 0 is what global 0 was made of; None where it is in every row.

    Published models do not name their opening token: there global 0 always stands in.

    Args:
        attention_mask: [batch, T], non-zero where a token may be attended to, or None.
        input_ids: [batch, T]; without them, token 0 is taken for the opening token.
        others: further inputs [batch or 1, T], where they are given, and the value that each has for the opening token.
    """
    if options.opening_token_id is None or not options.num_global_tokens:
        return None
    expected = ((input_ids, options.opening_token_id), *others)
    checks: list[Tensor] = [torch.eq(given[:, 0], value) for given, value in expected if given is not None]
    if attention_mask is not None:
        checks.append(torch.ne(attention_mask[:, 0], 0))
    if not checks:
        return None
    opens = checks[0]
    for check in checks[1:]:
        opens = opens & check
    return None if _is_worth_asking(opens, attention_mask) and bool(opens.all()) else opens


def _is_worth_asking(opens: Tensor, attention_mask: Tensor | None) -> bool:
    """Whether to look at the data now, so that the usual case, all rows, needs no mask for it.

    On a CPU looking is free. On other devices it waits for them, once in a forward pass: worth it where there is no
    mask yet, since without one attention is much faster; where there is one, this goes into it and costs nothing. In a
    graph nobody may look.
    """
    if is_eager_on_cpu(opens.device):
        return True
    return attention_mask is None and not is_captured()
