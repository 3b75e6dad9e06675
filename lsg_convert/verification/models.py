"""The two models that are compared: loaded when they are asked for, kept while they are of use, released."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lsg_convert.common.files import printable
from lsg_convert.common.progress import Reporter
from lsg_convert.families import Family
from lsg_convert.folder.trusted_code import FolderCode
from lsg_convert.verification import loading
from lsg_convert.verification.result import NotRunError


@dataclass
class Models:
    """The source (of the library's class `architecture`) and the folder's model, in `dtype` on `device`.

    `code` runs if it is ours or `trusted`. `cast` is the type that the folder's weights were rounded to, None where
    they were not.
    """

    folder: Path
    source_folder: Path | None
    code: Callable[[], FolderCode]
    trusted: bool
    family: Family
    architecture: str
    dtype: str
    device: str
    cast: str | None
    reporter: Reporter
    loading_info: dict[str, Any] = field(default_factory=dict)
    _source: Any = None
    _converted: tuple[dict[str, Any], Any] | None = None
    _drawn: dict[str, Any] = field(default_factory=dict)  # what the source has no weights for, as it was drawn

    def source(self) -> Any:
        """The source, dense; kept until `release_source`. Raises NotRunError where it does not load."""
        if self._source is None:
            self._source = self._load_source()
        return self._source

    def _load_source(self) -> Any:
        assert self.source_folder is not None
        try:
            with self.reporter.stage("Loading the source"):
                model, info = loading.load_source_model(self.source_folder, self.architecture, self.dtype, self.device)
        except Exception as error:  # of any kind; the folder is not to blame
            raise NotRunError(f"the source does not load: {printable(error, 300)}") from error
        values = model.state_dict()
        self._drawn = {name: values[name].clone() for name in info["missing_keys"] if name in values}
        if self.cast is not None:  # the folder's weights were rounded: so are these
            import torch

            model = model.to(getattr(torch, self.cast)).to(getattr(torch, self.dtype))
        return model

    def converted(self, **options: Any) -> Any:
        """The folder's model, with fields of its configuration overridden; the last one asked for is kept.

        What neither model has weights for is as it was drawn for the source, if that was loaded before.
        """
        if self._converted is None or self._converted[0] != options:
            self.release_converted()  # before the next one takes its memory
            with self.reporter.stage("Loading the folder"):
                model, self.loading_info = loading.load_converted_model(
                    self.folder,
                    self.code(),
                    self.family,
                    self.family.lsg_class(self.architecture),
                    self.dtype,
                    self.device,
                    self.trusted,
                    **options,
                )
            self._converted = (options, model)
        model = self._converted[1]
        values = model.state_dict()
        for name in self._drawn.keys() & set(self.loading_info["missing_keys"]):
            values[name].copy_(self._drawn[name])
        return model

    def both(self, **options: Any) -> tuple[Any, Any]:
        """The source and the folder's model, in memory at once."""
        source = self.source()
        return source, self.converted(**options)

    def release_source(self) -> None:
        """Free the source's memory."""
        if self._source is not None:
            _free(self._source)
            self._source = None

    def release_converted(self) -> None:
        """Free the memory of the folder's model."""
        if self._converted is not None:
            _free(self._converted[1])
            self._converted = None


def _free(model: Any) -> None:
    """Free the memory of a model's weights at once, although its hooks make it refer to itself."""
    model.to("meta")
