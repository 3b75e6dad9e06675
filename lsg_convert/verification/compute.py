"""Running models and comparing what comes out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lsg_convert.common.files import printable
from lsg_convert.folder.model_loading import token_ids
from lsg_convert.verification.memory import is_out_of_memory
from lsg_convert.verification.result import NotRunError

if TYPE_CHECKING:
    import torch

    from lsg_convert.verification.inputs import Batch

_NOT_COMPARED = ("encoder_", "past_", "cross_")  # the encoder's output has the globals in front


@dataclass(frozen=True)
class Difference:
    """A largest absolute difference and its position: the output, the batch, the first token beyond a tolerance."""

    value: float
    position: str = "nowhere"

    def __str__(self) -> str:
        return f"{self.value:.1e}"


@contextmanager
def asking_the_source() -> Iterator[None]:
    """Whatever the source raises while this lasts is not the folder's fault: the check cannot run."""
    try:
        yield
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise NotRunError(f"the source raises {type(error).__name__}: {printable(error, 300)}") from error


def outputs_of(model: Any, batch: Batch) -> dict[str, torch.Tensor]:
    """The floating-point outputs of `model` that can be compared, by name."""
    import torch

    with torch.no_grad():
        outputs = model(**batch.arguments, return_dict=True)
    return {
        name: value
        for name, value in outputs.items()
        if isinstance(value, torch.Tensor) and value.is_floating_point() and not name.startswith(_NOT_COMPARED)
    }


def encoder_of(model: Any) -> Any:
    """The encoder alone, without a head or a decoder."""
    return model.base_model.get_encoder() if model.config.is_encoder_decoder else model.base_model


def encoder_states(model: Any, batch: Batch) -> torch.Tensor:
    """What the encoder makes of every token, [rows, tokens, width], globals left out."""
    import torch

    encoder = encoder_of(model)
    marked = {} if batch.marked is None else {"global_attention_mask": batch.marked.long()}
    with torch.no_grad():
        states = encoder(input_ids=batch.ids, attention_mask=batch.mask, **marked, return_dict=True)[0]
    return states[:, -batch.ids.shape[1] :]


def greedy_tokens(model: Any, batch: Batch, count: int, use_cache: bool = True) -> list[list[int]]:
    """What greedy decoding gives, [rows, tokens], whatever the model's own settings would have it do.

    Of those only the ids of tokens count: beams, penalties, stop strings and the like ask for other ways to decode.
    """
    import torch
    from transformers import GenerationConfig

    ids = token_ids(model.generation_config.to_dict())
    settings = GenerationConfig(max_new_tokens=count, num_beams=1, do_sample=False, use_cache=use_cache, **ids)
    before, model.generation_config = model.generation_config, settings  # some releases fill what is unset from there
    try:
        with torch.no_grad():
            tokens: torch.Tensor = model.generate(
                input_ids=batch.ids, attention_mask=batch.mask, generation_config=settings
            )
    finally:
        model.generation_config = before
    return tokens.tolist()


def largest_difference(
    expected: dict[str, torch.Tensor], actual: dict[str, torch.Tensor], batch: Batch, tolerance: float
) -> Difference:
    """The largest difference of two models' outputs for `batch`, at tokens that are not padding."""
    worst = Difference(0.0)
    if expected.keys() != actual.keys():
        return Difference(float("inf"), f"outputs {sorted(actual)} instead of {sorted(expected)}")
    for name, reference in expected.items():
        value = actual[name]
        if value.shape != reference.shape:
            return Difference(float("inf"), f"{name} of shape {list(value.shape)} instead of {list(reference.shape)}")
        found = tensor_difference(reference, value, batch, tolerance, name)
        worst = max(worst, found, key=lambda difference: difference.value)
    return worst


def tensor_difference(
    expected: torch.Tensor, actual: torch.Tensor, batch: Batch, tolerance: float, name: str
) -> Difference:
    """The largest difference of two tensors; those of shape [rows, tokens, ...] are compared where there is a token."""
    import torch

    per_token = expected.shape[:2] == batch.mask.shape
    worst = torch.zeros(expected.shape[:2] if expected.dim() > 2 or per_token else expected.shape[:1])
    for row in range(expected.shape[0]):  # one at a time: over a large vocabulary they are large
        gap = (expected[row].float() - actual[row].float()).abs_().nan_to_num_(nan=float("inf"))
        worst[row] = (
            gap.flatten(1).amax(-1) if worst.dim() > 1 and gap.dim() > 1 else gap if worst.dim() > 1 else gap.max()
        ).cpu()
    if per_token:
        worst = worst.masked_fill(batch.mask.cpu() == 0, 0.0)
    value = float(worst.max())
    position = f"{name} of {batch.name}"
    if worst.dim() > 1 and value > tolerance:
        beyond = (worst > tolerance).any(0)
        position += f", from position {int(beyond.nonzero()[0])} on, {int(beyond.sum())} of {worst.shape[1]} positions"
    return Difference(value, position)


@contextmanager
def only_positions(model: Any, positions: torch.Tensor) -> Iterator[None]:
    """Let a head that works token by token see these positions [n] only: all logits at once may not fit."""

    def keep(module: Any, arguments: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return (output[0][:, positions], *output[1:])
        output["last_hidden_state"] = output["last_hidden_state"][:, positions]
        return output

    handle = model.base_model.register_forward_hook(keep)
    try:
        yield
    finally:
        handle.remove()
