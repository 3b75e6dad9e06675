"""Library heads that read the attention mask themselves: they get `global_attention_mask` beside it, not in it."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

from .lsg_heads import signature_with_global_mask

OTHER_MASK = "sliding_window_mask"  # which heads hand on that hand on no other arguments


class MaskBeside:
    """Mixed in before `LSGHead`."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        forward = getattr(cls, "forward", None)
        if forward is not None and "global_attention_mask" not in inspect.signature(forward).parameters:
            cls.forward = _handing_on(forward)
        super().__init_subclass__(**kwargs)


def _handing_on(library: Callable[..., Any]) -> Callable[..., Any]:
    """A library head's `forward` that hands on one argument more to its model, under a name that it hands on."""
    names = list(inspect.signature(library).parameters)[1:]
    handed_on = OTHER_MASK if OTHER_MASK in names else "global_attention_mask"

    @wraps(library)
    def forward(self: Any, *args: Any, global_attention_mask: Any = None, **kwargs: Any) -> Any:
        further = {} if global_attention_mask is None else {handed_on: global_attention_mask}
        return library(self, *args, **kwargs, **further)

    forward.__signature__ = signature_with_global_mask(library)
    return forward
