"""LSG attention by a kernel of its own in C++: float32 on a CPU, without gradients, in half of SDPA's time.

Only ``attention_backend="cpp"`` asks for it. It is compiled when it is first needed, in some 10 seconds, with what
`torch.compile` compiles with, and kept in a folder of the user's alone. SDPA serves where there is no compiler, and
for whatever is not float32 on a CPU without gradients and dropout.
"""

import atexit
import os
import shutil
import stat
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ctypes import Structure, addressof, byref, c_float, c_int64, c_void_p
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .lsg_cpp_kernel import SOURCE
from .lsg_eager import are_plain_float32, needs_gradients
from .lsg_scores import LayerCall
from .lsg_windows import Window

WINDOWS_AT_ONCE = 8  # enough for many threads; and their contexts are still in the cache when they are copied


def cpp_obstacle(query: Tensor, key: Tensor, value: Tensor, call: LayerCall) -> str | None:
    """Why the kernel cannot compute a call; None if it can."""
    if call.dropout_p:
        return "the kernel has no dropout"
    if call.by_content:
        return "what is added to scores depends on queries and keys, which the kernel does not compute"
    if not are_plain_float32(query, key, value):
        return "the kernel computes float32 on a CPU, eagerly"
    if needs_gradients(query, key, value, *call.bias_tensors()):
        return "the kernel has no gradients"
    return None if _kernel() is not None else "the kernel cannot be compiled here"


def attend_by_cpp(query: Tensor, key: Tensor, value: Tensor, call: LayerCall) -> Iterator[Tensor]:
    """Contexts [B, H, some tokens, D] of the tokens' queries, in order; query, key and value are [B, H, G + T, D]."""
    kernel = _kernel()
    assert kernel is not None
    query, key, value = (_with_contiguous_rows(part) for part in (query, key, value))
    sparse: tuple[Tensor | None, Tensor | None] = (None, None)
    if call.sparse is not None:
        sparse = _with_contiguous_rows(call.sparse.key), _with_contiguous_rows(call.sparse.value)
    batch_size, num_heads, _, width = query.shape
    block_size, windows = call.plan.options.block_size, call.plan.windows
    # Masks are small. A bias is not, and exists for one window at a time.
    at_once = 1 if call.bias_tensors() else WINDOWS_AT_ONCE
    for start in range(0, len(windows), at_once):
        some = windows[start : start + at_once]
        biases = [_attn_bias_rows(call, window, batch_size, num_heads) for window in some]
        context = query.new_empty(batch_size, len(some) * block_size, num_heads, width).transpose(1, 2)
        table = (_CppWindow * len(some))(*(_CppWindow.of(*pair) for pair in zip(some, biases, strict=True)))
        kernel(
            byref(
                _CppCall(
                    *(_CppRows.of(part) for part in (query, key, value, *sparse, context)),
                    *(batch_size, num_heads, width, call.plan.num_globals, block_size, len(some)),
                    addressof(table),
                    call.scale,
                )
            )
        )
        yield context


def _with_contiguous_rows(tensor: Tensor) -> Tensor:
    """The tensor, its last dimension contiguous."""
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()


def _attn_bias_rows(call: LayerCall, window: Window, batch_size: int, num_heads: int) -> Tensor | None:
    """What is added to the scores of a window, [B, H, block_size, W]; None where that is nothing."""
    bias = call.attn_bias(window, torch.float32)
    if bias is None:
        return None
    return _with_contiguous_rows(bias.float()).expand(batch_size, num_heads, call.plan.options.block_size, -1)


# The kernel's structures Rows, Window and Call, field by field.


class _CppRows(Structure):
    _fields_ = [("data", c_void_p), ("batch_stride", c_int64), ("head_stride", c_int64), ("stride", c_int64)]

    @classmethod
    def of(cls, tensor: Tensor | None) -> "_CppRows":
        """A tensor [batch, head, row, ...]; of None the empty one."""
        return cls() if tensor is None else cls(tensor.data_ptr(), *tensor.stride()[:3])


class _CppWindow(Structure):
    _fields_ = [("block", c_int64), ("spans", c_int64 * 6), ("attn_bias", _CppRows)]

    @classmethod
    def of(cls, window: Window, attn_bias: Tensor | None) -> "_CppWindow":
        return cls(window.block, (c_int64 * 6)(*window.local, *window.left, *window.right), _CppRows.of(attn_bias))


class _CppCall(Structure):
    _fields_ = [
        *((name, _CppRows) for name in ("query", "key", "value", "sparse_key", "sparse_value", "context")),
        *((name, c_int64) for name in ("batch_size", "num_heads", "width", "num_globals", "block_size", "num_windows")),
        ("windows", c_void_p),
        ("scale", c_float),
    ]


def _own_folder() -> str:
    """A folder for compiled libraries that nobody else can write to; a library from any other could be anybody's.

    Raises:
        OSError: where it should be is something else, or somebody else's.
    """
    caches = Path(os.environ.get("XDG_CACHE_HOME", ""))
    folder = (caches if caches.is_absolute() else Path("~/.cache").expanduser()) / "lsg-attention"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            folder.mkdir(0o700)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    if not writable:  # such as a home that is read-only: compiled anew in each process
        folder = Path(tempfile.mkdtemp(prefix="lsg-attention-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    state = folder.lstat()
    owner = getattr(os, "geteuid", lambda: state.st_uid)()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != owner or (os.name == "posix" and state.st_mode & 0o077):
        raise PermissionError(f"{folder} is not a folder of yours alone (mode 700)")
    return str(folder)


@contextmanager
def _compiled_in(folder: str) -> Iterator[None]:
    """Let `torch.compile`'s cache be `folder` for the while: by default it has a name in /tmp that anybody can take."""
    name = "TORCHINDUCTOR_CACHE_DIR"
    before = os.environ.get(name)
    os.environ[name] = folder
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before


@lru_cache(maxsize=1)
def _kernel() -> Callable[[Any], None] | None:
    """The compiled kernel; None, and a warning that says why, where it is unavailable."""
    try:
        from torch._inductor.codecache import CppCodeCache

        with _compiled_in(_own_folder()):
            kernel = CppCodeCache.load(SOURCE).attend_windows
    # A missing compiler and what it refuses are RuntimeErrors, a library that does not fit is an OSError; the others
    # are what a release of torch raises that has none of this, or not as it is known.
    except (RuntimeError, OSError, ImportError, AttributeError, TypeError) as error:
        lines = [line.strip() for line in (str(error) or repr(error)).splitlines() if line.strip()]
        reason = next((line for line in lines if "error: " in line), lines[0])[:200]
        warnings.warn(
            f"attention_backend='cpp': SDPA serves, as the kernel cannot be compiled here ({reason}). "
            "Install a C++ compiler (g++), or choose 'auto' to be rid of this warning.",
            stacklevel=2,
        )
        return None
    # Not a pointer to our `_CppCall`: models from other folders share the kernel, and have structures of their own.
    kernel.argtypes, kernel.restype = [c_void_p], None
    return kernel
