"""A source and what it was converted into, side by side, with inputs that any head takes."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from lsg_convert import convert
from lsg_convert.families import FAMILIES, Family
from lsg_convert.folder.model_loading import keep_attention_type
from lsg_convert.modeling.lsg_options import SEPARATED
from lsg_convert.plan.plan import Plan
from tests.tiny import FAMILIES as TINY
from tests.tiny import make_checkpoint

BLOCK_SIZE = 16
DENSE_LIMIT = 2 * BLOCK_SIZE
SOURCE_LENGTH, MAX_LEN = 64, 128
OPTIONS: dict[str, Any] = {"max_len": MAX_LEN, "block_size": BLOCK_SIZE, "sparse_block_size": BLOCK_SIZE}
TOLERANCE = 1e-4

# Pairs of an encoder and a decoder are no entries of this table; they have tests of their own.
MODEL_TYPES = list(FAMILIES)
CASES = [(name, architecture) for name in MODEL_TYPES for architecture in FAMILIES[name].heads]
SEQ2SEQ = [case for case in CASES if FAMILIES[case[0]].heads[case[1]].auto_class == "AutoModelForSeq2SeqLM"]
USUAL = [(name, TINY[name].architecture) for name in MODEL_TYPES if name in TINY]
# A check of what all heads of a family share: the usual head in every run, the others in `make test-all`.
USUAL_FIRST = [pytest.param(*case, marks=() if case in USUAL else pytest.mark.product) for case in CASES]
CHOICES = 3


@dataclass
class Pair:
    """A tiny checkpoint of a family with one head, its conversion, and both models loaded."""

    family: Family
    architecture: str
    source_folder: Path
    folder: Path
    plan: Plan

    def __post_init__(self) -> None:
        self.source = self.load_source()
        self.converted = self.load()
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(self.folder)

    def load_source(self, **options: Any) -> Any:
        """The source model, as the library loads it."""
        model_class = getattr(transformers, self.architecture)
        # Without this, 4.48 loads RoBERTa's LM heads with a bias of zero; what counts is the checkpoint.
        model_class._supports_param_buffer_assignment = False
        return keep_attention_type(model_class.from_pretrained(self.source_folder, **options).eval())

    def load(self, auto_class: str | None = None, **options: Any) -> Any:
        """The converted model, as a user loads it."""
        name = auto_class or self.family.heads[self.architecture].auto_class
        model_class = getattr(transformers, name)
        return model_class.from_pretrained(self.folder, trust_remote_code=True, **options).eval()

    @property
    def auto_class(self) -> str:
        """The Auto class of the head."""
        return self.family.heads[self.architecture].auto_class

    @property
    def num_globals_in_encoder_states(self) -> int:
        """Globals that lead what the encoder of an encoder-decoder returns."""
        return self.converted.config.num_global_tokens if self.family.is_seq2seq else 0

    def accepts(self, name: str) -> bool:
        """Whether the source's head takes an argument of this name."""
        return name in inspect.signature(self.source.forward).parameters

    def inputs(self, length: int, padded: bool = False, seed: int = 0, labels: bool = True) -> dict[str, torch.Tensor]:
        """Two inputs of `length` tokens as the family opens and closes them; the second one shorter if `padded`."""
        generator = torch.Generator().manual_seed(seed)
        ids = self._ids(2, length, generator)
        mask = torch.ones_like(ids)
        if padded:
            end = length * 2 // 3
            ids[1, end - 1], ids[1, end:], mask[1, end:] = ids[1, -1], self.tokenizer.pad_token_id, 0
        inputs = {"input_ids": ids, "attention_mask": mask}
        if self.auto_class == "AutoModelForMultipleChoice":
            inputs = {name: value[:, None].repeat(1, CHOICES, 1) for name, value in inputs.items()}
            inputs["input_ids"][:, 1:, 3:5] += 1
        if self.accepts("decoder_input_ids") and "SequenceClassification" not in self.auto_class:
            inputs["decoder_input_ids"] = self._ids(2, 5, generator)
        return inputs | (self.labels(ids) if labels else {})

    def labels(self, ids: torch.Tensor) -> dict[str, torch.Tensor]:
        """Labels of every kind that the head takes."""
        per_text, per_token = torch.tensor([1, 0]), (torch.arange(ids.numel()).reshape(ids.shape) % 2)
        by_name = {
            "labels": per_token,
            "start_positions": per_text + 2,
            "end_positions": per_text + 4,
            "next_sentence_label": per_text,
            "sentence_order_label": per_text,
        }
        if any(kind in self.auto_class for kind in ("NextSentence", "SequenceClassification", "MultipleChoice")):
            by_name["labels"] = per_text
        elif self.auto_class == "AutoModelForSeq2SeqLM":
            by_name["labels"] = torch.tensor([[1, 0, 1, 1, 0], [0, 1, 1, 0, 1]])
        return {name: value for name, value in by_name.items() if self.accepts(name)}

    def _ids(self, batch: int, length: int, generator: torch.Generator) -> torch.Tensor:
        special = set(self.tokenizer.all_special_ids)
        words = torch.tensor([number for number in range(self.source.config.vocab_size - 1) if number not in special])
        if self.family.positions_of(self.source.config.to_dict()) or length > len(words):
            drawn = torch.randint(len(words) - 1, (batch, length), generator=generator)
        else:  # equal words would have equal keys in the first layer: which of them is selected is anyone's choice
            drawn = torch.stack([torch.randperm(len(words), generator=generator)[:length] for _ in range(batch)])
        ids = words[drawn]
        framed = self.tokenizer("a").input_ids
        end = self.tokenizer.eos_token_id
        ids[:, -1] = framed[-1] if end is None else end
        if self.plan.opens_with_bos:
            ids[:, 0] = framed[0]
        if self.plan.lsg.automatic_globals in SEPARATED and length > 7:
            ids[:, 5:7] = self.plan.lsg.separator_token_id
        return ids


def make_pair(model_type: str, architecture: str, folder: Path, **options: Any) -> Pair:
    """Make a source and convert it at defaults; `options` are the source's, as in `make_checkpoint`."""
    family = FAMILIES[model_type]
    if "QuestionAnswering" in architecture or architecture.endswith("PreTraining"):
        options["num_labels"] = 2
    # A decoder alone has nothing to convert: it is loaded from the folder of the whole model.
    alone = family.is_seq2seq and architecture.endswith("CausalLM")
    whole = TINY[model_type].architecture if alone else architecture
    source = make_checkpoint(model_type, whole, folder / "source", max_positions=SOURCE_LENGTH, **options)
    if alone:
        _name_decoder_words(source)
    result = convert(source, output=folder / "converted", verify=False, **{**OPTIONS, **TINY[model_type].conversion})
    return Pair(family, architecture, source, folder / "converted", result.plan)


def _name_decoder_words(folder: Path) -> None:
    """Give the decoder's words their own name too, as older checkpoints do; the library finds them under no other."""
    tensors = load_file(folder / "model.safetensors")
    words = next(
        tensors[name] for name in ("model.shared.weight", "model.decoder.embed_tokens.weight") if name in tensors
    )
    for name in ("model.decoder.embed_tokens.weight", "lm_head.weight"):
        tensors.setdefault(name, words.clone())
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def compared(ours: Any, source: Any, num_globals: int = 0) -> Iterator[tuple[str, torch.Tensor, torch.Tensor]]:
    """Name, ours and the source's of all tensors that the source returns; attention weights and caches apart."""
    for name, expected in source.items():
        if "attentions" in name or name == "past_key_values":
            continue
        assert name in ours, f"{name} is missing"
        leading = num_globals if name.startswith("encoder_") else 0
        if not isinstance(expected, tuple):
            yield name, ours[name][:, leading:] if leading else ours[name], expected
            continue
        assert len(ours[name]) == len(expected), f"{name}: {len(ours[name])} values instead of {len(expected)}"
        for index, (one, other) in enumerate(zip(ours[name], expected, strict=True)):
            yield f"{name}[{index}]", one[:, leading:], other


def assert_same(ours: Any, source: Any, num_globals: int = 0, tolerance: float = TOLERANCE) -> None:
    """All that the source returns, ours returns too, with the same values."""
    for name, one, other in compared(ours, source, num_globals):
        difference = (one - other).abs().max().item()
        assert difference <= tolerance, f"{name} differs by {difference:.2e}"
