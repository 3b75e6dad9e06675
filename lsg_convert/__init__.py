"""Convert Hugging Face checkpoints to long sequences with LSG (Local-Sparse-Global) attention.

Importing this package loads neither torch nor transformers.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lsg_convert.convert import ConversionResult, convert
    from lsg_convert.publish import PushResult, push

try:
    __version__ = version("lsg-convert")
except PackageNotFoundError:  # run from a checkout that is not installed
    __version__ = "0+unknown"

__all__ = ["ConversionResult", "PushResult", "__version__", "convert", "push"]

_PUBLIC = {
    "convert": "lsg_convert.convert",
    "ConversionResult": "lsg_convert.convert",
    "push": "lsg_convert.publish",
    "PushResult": "lsg_convert.publish",
}


def __getattr__(name: str) -> Any:
    """Load what is public when it is first asked for."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import sys
    from importlib import import_module

    value = getattr(import_module(_PUBLIC[name]), name)
    setattr(sys.modules[__name__], name, value)
    return value
