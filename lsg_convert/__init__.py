"""Convert Hugging Face checkpoints to long sequences with LSG (Local-Sparse-Global) attention.

Importing this package loads neither torch nor transformers.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lsg_convert.convert import ConversionResult, convert
    from lsg_convert.publish import PushResult, push
    from lsg_convert.verify.report import Report
    from lsg_convert.verify.run import verify

try:
    __version__ = version("lsg-convert")
except PackageNotFoundError:  # run from a checkout that is not installed
    __version__ = "0+unknown"

__all__ = ["ConversionResult", "PushResult", "Report", "__version__", "convert", "push", "verify"]

_PUBLIC = {
    "convert": "lsg_convert.convert",
    "ConversionResult": "lsg_convert.convert",
    "push": "lsg_convert.publish",
    "PushResult": "lsg_convert.publish",
    "verify": "lsg_convert.verify.run",
    "Report": "lsg_convert.verify.report",
}


class _Package(ModuleType):
    """This package. Its public functions win over modules of the same name, in whatever order things are imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, unless the import system would put a module in the place of something public."""
        if not (name in _PUBLIC and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    """Load what is public when it is first asked for."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_PUBLIC[name]), name)
    setattr(sys.modules[__name__], name, value)
    return value
