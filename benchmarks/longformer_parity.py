"""Converted Longformer and LED against the library's own, random weights of real shape.

    python benchmarks/longformer_parity.py

Every row is the largest difference of a model's outputs at tokens that are not padding, over the largest output: whole
and padded batches, lengths that fit no block, with 0, 1 and 30 global tokens, windows of 512 and windows that differ by
layer. Then every head, and the gradients of a training step.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import transformers

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from lsg_convert import convert  # noqa: E402
from tests.tiny import randomize  # noqa: E402
from tests.tiny_tokenizers import write_tokenizer  # noqa: E402

BOUND = 1e-4
PER_LAYER = [32, 32, 64, 64, 128, 128, 256, 256, 512, 512, 512, 512]
HEADS = {
    "longformer": (
        "ForMaskedLM", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering",
        "ForMultipleChoice",
    ),
    "led": ("ForConditionalGeneration", "ForQuestionAnswering"),
}  # fmt: skip
CLASSES = {"longformer": "Longformer", "led": "LED"}


def main() -> None:
    """Measure and print; exit code 1 if a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", default="longformer,led")
    parser.add_argument("--lengths", default="5,257,300,1000,4095,4096", help="of the base models")
    parser.add_argument("--longest", type=int, default=16384, help="of LED, once")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    logging.disable(logging.WARNING)
    lengths, worst = [int(part) for part in arguments.lengths.split(",")], 0.0
    for family in arguments.families.split(","):
        for windows in (512, PER_LAYER):
            for title, difference in base_models(family, windows, lengths, arguments.longest):
                worst = max(worst, difference)
                print(f"{family:11}{title:62}{difference:9.1e}", flush=True)
        for head in HEADS[family]:
            for title, difference in one_head(family, head):
                worst = max(worst, difference)
                print(f"{family:11}{title:62}{difference:9.1e}", flush=True)
    print(f"worst: {worst:.1e}, bound {BOUND:.0e}")
    sys.exit(worst > BOUND)


def base_models(family: str, windows: Any, lengths: list[int], longest: int) -> Iterator[tuple[str, float]]:
    """The base model at every length, whole and padded, with 0, 1 and 30 globals."""
    source, converted = both(family, "Model", windows)
    name = f"windows {windows if isinstance(windows, int) else f'{min(windows)} … {max(windows)}'}"
    for length in lengths:
        for count in (0, 1, 30):
            inputs = batch(
                family, 1 if length > 2000 else 2, length, min(count, length), padded=length <= 2000 or count == 1
            )
            yield f"{name}, {length} tokens, {min(count, length)} global", forward_difference(source, converted, inputs)
    if family == "led" and isinstance(windows, int):
        inputs = batch(family, 1, longest, 1, padded=True)
        yield f"{name}, {longest} tokens, 1 global", forward_difference(source, converted, inputs)


def one_head(family: str, head: str) -> Iterator[tuple[str, float]]:
    """A head's outputs with what it makes global by itself, and the gradients of its loss."""
    source, converted = both(family, head, 512, layers=4)
    inputs = batch(family, 2, 700, None, padded=True)
    inputs |= labels(head, inputs)
    if head == "ForMultipleChoice":
        # Both rows as choices of one text: of a single choice there is no gradient.
        inputs = {name: value[None] if name != "labels" else value[:1] * 0 for name, value in inputs.items()}
    yield f"{head}, 700 tokens", forward_difference(source, converted, inputs)
    found = []
    for model in (source, converted):
        model.zero_grad()
        model(**inputs).loss.backward()
        found.append({name: part.grad for name, part in model.named_parameters() if part.grad is not None})
    size = max(float(gradient.abs().max()) for gradient in found[0].values())
    gaps = [float((found[1][name][: len(part)] - part).abs().max()) for name, part in found[0].items()]
    yield f"{head}, gradients of {len(gaps)} tensors", max(gaps) / size


def both(family: str, head: str, windows: Any, layers: int = 12) -> tuple[Any, Any]:
    """A model of the library's with random weights, and what it is converted into."""
    if not isinstance(windows, int):
        windows = windows[:layers]
    sizes: dict[str, Any] = {"attention_window": windows, "vocab_size": 1000, "num_labels": 2, "pad_token_id": 1}
    if family == "longformer":
        sizes |= {"max_position_embeddings": 4098, "num_hidden_layers": layers, "type_vocab_size": 1, "sep_token_id": 2}
    else:
        sizes |= {"d_model": 768, "encoder_layers": layers, "decoder_layers": 2, "encoder_attention_heads": 12}
        sizes |= {"decoder_attention_heads": 12, "encoder_ffn_dim": 3072, "decoder_ffn_dim": 3072}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "source"
        folder.mkdir()
        vocabulary = write_tokenizer("bart" if family == "led" else "roberta", folder, 4096)
        config = transformers.AutoConfig.for_model(family, **{**sizes, "vocab_size": len(vocabulary)})
        source = getattr(transformers, CLASSES[family] + head)(config)
        randomize(source)
        for parameter in source.parameters():
            if parameter.dim() > 1:
                parameter.data *= 0.25  # so that twelve layers of this width stay in a sane range
        source.save_pretrained(folder)
        converted, _ = convert(folder, output=Path(name) / "lsg", verify=False).load()
        return source.eval(), converted.eval()


def batch(family: str, rows: int, length: int, count: int | None, padded: bool) -> dict[str, torch.Tensor]:
    """Random rows; of a count a mask of so many global tokens, of None a question of five tokens in front."""
    generator = torch.Generator().manual_seed(length)
    ids = torch.randint(5, 200, (rows, length), generator=generator)
    mask = torch.ones_like(ids)
    end = length * 2 // 3 if padded else length
    ids[-1, end:], mask[-1, end:] = 1, 0
    inputs = {"input_ids": ids, "attention_mask": mask}
    if family == "led":
        inputs["decoder_input_ids"] = ids[:, :5]
    if count is None:
        ids[:, 0], ids[:, 6:8] = 0, 2
        for row, kept in zip(ids, mask.sum(1), strict=True):
            row[kept - 1] = 2
        return inputs
    inputs["global_attention_mask"] = torch.zeros_like(ids)
    for row in inputs["global_attention_mask"]:
        row[torch.randperm(length, generator=generator)[:count]] = 1
    return inputs


def labels(head: str, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What a head's loss needs."""
    rows = len(inputs["input_ids"])
    if head == "ForQuestionAnswering":
        # LED answers among the decoder's tokens, of which there are few.
        return {"start_positions": torch.tensor([2] * rows), "end_positions": torch.tensor([4] * rows)}
    if head == "ForConditionalGeneration":
        return {"labels": inputs["decoder_input_ids"].contiguous()}
    per_token = inputs["input_ids"] % 2
    return {"labels": per_token if head in ("ForMaskedLM", "ForTokenClassification") else per_token[:, 9]}


@torch.no_grad()
def forward_difference(source: Any, converted: Any, inputs: dict[str, torch.Tensor]) -> float:
    """The largest difference over the largest output, at tokens that are not padding."""
    expected, ours, mask = source(**inputs), converted(**inputs), inputs["attention_mask"].bool()
    worst = 0.0
    for name, other in expected.items():
        if isinstance(other, torch.Tensor):
            kept = mask if other.shape[:2] == mask.shape else ...
            worst = max(worst, float((ours[name][kept] - other[kept]).abs().max() / other[kept].abs().max()))
    return worst


if __name__ == "__main__":
    main()
