"""What is verified: a converted folder, its record, its source, and the models and texts that checks ask for."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from lsg_convert.common.errors import LSGConvertError
from lsg_convert.common.files import printable, read_json_object
from lsg_convert.common.progress import Reporter, SilentReporter
from lsg_convert.families import Family
from lsg_convert.folder.record import Record
from lsg_convert.modeling.lsg_options import LSGOptions
from lsg_convert.plan.options import ConvertOptions
from lsg_convert.plan.plan import Plan, make_plan
from lsg_convert.sources.checkpoint import Checkpoint
from lsg_convert.sources.resolve import Source
from lsg_convert.verification import loading
from lsg_convert.verification.check import NotRunError
from lsg_convert.verification.memory import RUNTIME, available_memory
from lsg_convert.verification.texts import Text

if TYPE_CHECKING:
    from lsg_convert.verification.inputs import Inputs

_DTYPE_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
# Largest difference that rounding explains: 1e-4 is ours for float32; the others keep 8 to 11 bits of 24.
_DTYPE_ATOL = {"float32": 1e-4, "float16": 3e-2, "bfloat16": 2.5e-1}


@dataclass(frozen=True)
class Settings:
    """How to verify. `atol` None is 1e-4 in float32; thresholds of drift are off while None."""

    atol: float | None = None
    max_kl: float | None = None
    min_agreement: float | None = None
    device: str = "cpu"
    dtype: str = "float32"
    max_memory: int | None = None
    trust_remote_code: bool = False

    @property
    def tolerance(self) -> float:
        """The largest absolute difference that counts as equal."""
        return _DTYPE_ATOL[self.dtype] if self.atol is None else self.atol


@dataclass
class Subject:
    """A converted folder under verification. `no_source` says why there is no source, where there is none.

    `fresh` is a folder that this process has just written: what was hashed then is not hashed again.
    """

    folder: Path
    record: Record
    source: Source | None
    text: Text
    settings: Settings
    no_source: str = "no source"
    fresh: bool = False
    reporter: Reporter = field(default_factory=SilentReporter)
    loading_info: dict[str, Any] = field(default_factory=dict)
    _models: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    _remembered: dict[str, Any] = field(default_factory=dict)

    # What there is ---------------------------------------------------------------------------------------------------

    def lacks(self, need: str) -> str | None:
        """Why `need` (weights, source, code) is not to be had, None when it is."""
        return {"weights": self._lacks_weights, "source": self._lacks_source, "code": self._lacks_code}[need]

    @cached_property
    def _lacks_weights(self) -> str | None:
        error = _failure(lambda: self.weights)
        return None if error is None else f"the folder's weights cannot be read: {error}"

    @cached_property
    def _lacks_source(self) -> str | None:
        if self.source is None:
            return self.no_source
        error = _failure(lambda: self.plan)
        return None if error is None else f"the source cannot be used: {error}"

    @cached_property
    def _lacks_code(self) -> str | None:
        if self.settings.trust_remote_code or not self.foreign_code:
            return None
        return f"{self.foreign_code[0]} is not the file that ships with lsg-convert; --trust-remote-code runs it"

    @cached_property
    def foreign_code(self) -> list[str]:
        """Modeling files that are not the shipped ones."""
        return loading.foreign_code(self.folder, self.family)

    @cached_property
    def weights(self) -> Checkpoint:
        """The folder's tensors."""
        return Checkpoint.open(self.folder)

    @cached_property
    def source_weights(self) -> Checkpoint:
        """The source's tensors."""
        assert self.source is not None
        return Checkpoint.open(self.source.folder)

    @cached_property
    def plan(self) -> Plan:
        """What the recorded options make of the source: decided anew."""
        return make_plan(self.source_weights, self.options)

    @property
    def family(self) -> Family:
        """The family of the source."""
        return self.record.converted_family

    @property
    def options(self) -> ConvertOptions:
        """The options that the folder was converted with."""
        return self.record.options

    @cached_property
    def config(self) -> dict[str, Any]:
        """The folder's configuration."""
        return read_json_object(self.folder / "config.json")

    @cached_property
    def encoder_config(self) -> Mapping[str, Any]:
        """The part of it that speaks of the encoder."""
        return self.family.encoder_config(self.config)

    @property
    def width(self) -> int:
        """The width of the encoder's states."""
        return int(self.encoder_config.get(self.family.hidden_size) or 1)

    @cached_property
    def lsg(self) -> LSGOptions:
        """The folder's LSG options."""
        return LSGOptions.from_config(SimpleNamespace(**self.config))

    @property
    def architecture(self) -> str:
        """The library's class, whose LSG version the folder is for."""
        return self.record.library_class

    @property
    def auto_class(self) -> str:
        """The Auto class that loads it."""
        return self.family.heads[self.architecture].auto_class

    def source_has(self, name: str) -> bool:
        """Whether the source has weights for a parameter of the model, with the base model's prefix or without."""
        tensors = self.source_weights.tensors.keys() | self.source_weights.aliases.keys()
        prefix = f"{self.family.base_prefix}."
        return not tensors.isdisjoint({name, name.removeprefix(prefix), prefix + name})

    @property
    def max_len(self) -> int:
        """Tokens that the folder's model takes."""
        return self.record.max_len

    @property
    def source_max_len(self) -> int:
        """Tokens that the source takes."""
        return self.record.source_max_len

    # Models and inputs -----------------------------------------------------------------------------------------------

    @cached_property
    def tokenizer(self) -> Any:
        """The folder's tokenizer."""
        return loading.load_tokenizer(self.folder)

    @cached_property
    def inputs(self) -> Inputs:
        """The maker of inputs."""
        from lsg_convert.verification.inputs import Inputs

        return Inputs(self)

    def source_model(self) -> Any:
        """The source, dense; kept until `release_source`."""
        if "source" not in self._models:
            assert self.source is not None
            try:
                with self.reporter.stage("Loading the source"):
                    model = loading.load_source_model(
                        self.source.folder, self.architecture, self.settings.dtype, self.settings.device
                    )
            except Exception as error:  # of any kind; the folder is not to blame
                raise NotRunError(f"the source does not load: {printable(error, 300)}") from error
            cast = self.record.options.dtype
            if cast != "keep":  # the folder's weights were rounded: so are these
                import torch

                model = model.to(getattr(torch, cast)).to(getattr(torch, self.settings.dtype))
            self._models["source"] = ({}, model)
        return self._models["source"][1]

    def release_source(self) -> None:
        """Free the source model's memory."""
        self._release("source")

    def _release(self, name: str) -> None:
        """Free a model: at once, although its hooks make it refer to itself."""
        if self._models.pop(name, None) is not None:
            gc.collect()

    def converted_model(self, **options: Any) -> Any:
        """The folder's model, with fields of its configuration overridden; the last one asked for is kept."""
        if self._models.get("converted", ({},))[0] != options or "converted" not in self._models:
            self._release("converted")  # before the next one takes its memory
            with self.reporter.stage("Loading the folder"):
                model, self.loading_info = loading.load_converted_model(
                    self.folder,
                    self.family,
                    self.record.architecture,
                    self.settings.dtype,
                    self.settings.device,
                    **options,
                )
            self._models["converted"] = (options, model)
        return self._models["converted"][1]

    def both_models(self, **options: Any) -> tuple[Any, Any]:
        """The source and the folder's model; parts that neither has weights for are the same in both."""
        source, converted = self.source_model(), self.converted_model(**options)
        values = source.state_dict()
        for name, tensor in converted.state_dict().items():
            if name in self.loading_info["missing_keys"] and name in values:
                tensor.copy_(values[name])
        return source, converted

    def remember(self, name: str | None, compute: Callable[[], Any]) -> Any:
        """What `compute` gives, computed once under a name; anew without one."""
        if name is None:
            return compute()
        if name not in self._remembered:
            self._remembered[name] = compute()
        return self._remembered[name]

    # Memory ----------------------------------------------------------------------------------------------------------

    def model_bytes(self, models: int = 1) -> int:
        """About the memory of `models` loaded models."""
        elements = sum(prod(info.shape) for info in self.weights.tensors.values())
        return models * elements * _DTYPE_BYTES[self.settings.dtype]

    def logit_bytes(self, rows: int) -> int:
        """The memory of `rows` rows of logits over the vocabulary, or of hidden states where those are wider."""
        width = max(self.encoder_config.get("vocab_size") or 1, self.width)
        return rows * width * _DTYPE_BYTES[self.settings.dtype]

    def too_large(self, needed: int) -> str | None:
        """Why `needed` bytes are too much, None when they are not."""
        if not needed:
            return None
        needed += RUNTIME
        limit, what = self.settings.max_memory, "--max-memory is"
        if limit is None:
            limit, what = available_memory(), "free are"
        if limit is None or needed <= limit:
            return None
        return f"needs about {needed / 2**30:.1f} GiB of memory; {what} {limit / 2**30:.1f} GiB"


def _failure(action: Callable[[], Any]) -> str | None:
    try:
        action()
    except LSGConvertError as error:
        return error.message
    except Exception as error:
        return f"{type(error).__name__}: {printable(error, 300)}"
    return None
