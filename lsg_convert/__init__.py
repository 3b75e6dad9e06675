"""Convert Hugging Face checkpoints to long sequences with LSG (Local-Sparse-Global) attention.

Importing this package loads neither torch nor transformers, nor anything else that takes time.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lsg_convert.common.version import __version__
    from lsg_convert.conversion import ConversionResult, convert
    from lsg_convert.folder.publish import PushResult, push
    from lsg_convert.verification.report import Report
    from lsg_convert.verification.run import verify

__all__ = ["ConversionResult", "PushResult", "Report", "__version__", "convert", "push", "verify"]

_PUBLIC = {
    "__version__": "lsg_convert.common.version",
    "convert": "lsg_convert.conversion",
    "ConversionResult": "lsg_convert.conversion",
    "push": "lsg_convert.folder.publish",
    "PushResult": "lsg_convert.folder.publish",
    "verify": "lsg_convert.verification.run",
    "Report": "lsg_convert.verification.report",
}


def __getattr__(name: str) -> Any:
    """Load what is public when it is first asked for."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(_PUBLIC[name]), name)
    return value
