"""What a converted folder and its source say of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lsg_convert.common.files import read_json_object
from lsg_convert.families import Family
from lsg_convert.folder.record import Record
from lsg_convert.folder.trusted_code import FolderCode
from lsg_convert.modeling.lsg_options import LSGOptions
from lsg_convert.plan.config_values import check_config
from lsg_convert.plan.options import ConvertOptions
from lsg_convert.plan.plan import Plan, make_plan
from lsg_convert.sources.checkpoint import Checkpoint
from lsg_convert.sources.resolve import Source


@dataclass
class Facts:
    """A converted folder, its record, and its source where there is one; files are read when they are asked for."""

    folder: Path
    record: Record
    source: Source | None

    @cached_property
    def code(self) -> FolderCode:
        """The folder's code, read once: what is compared with ours is what runs."""
        return FolderCode.read(self.folder, self.family)

    @cached_property
    def weights(self) -> Checkpoint:
        """The folder's tensors."""
        weights = Checkpoint.open(self.folder)
        check_config(weights.config, {name: info.shape for name, info in weights.tensors.items()})
        return weights

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

    @cached_property
    def is_exact_at_every_length(self) -> bool:
        """Whether the folder's model attends as its source does, however long the input is."""
        if self.record.is_lsg_source or self.source is None or not self.plan.own_attention:
            return False
        own = LSGOptions(**self.plan.own_attention)
        return all(getattr(self.lsg, name) == getattr(own, name) for name in self.plan.own_attention)

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

    @property
    def exact_limit(self) -> int:
        """Tokens up to which both models attend densely."""
        return min(self.source_max_len, self.plan.exact_limit)

    @property
    def decoder_start(self) -> int:
        """The token that the decoder begins with."""
        names = ("decoder_start_token_id", "bos_token_id", "pad_token_id")
        return next((self.config[name] for name in names if self.config.get(name) is not None), 0)
