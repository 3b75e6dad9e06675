"""The same graphs with smaller weights, by onnxruntime's own tools, under the names that Transformers.js looks for."""

from __future__ import annotations

import logging
from pathlib import Path

SUFFIXES = {"fp16": "_fp16", "int8": "_quantized"}


def write_smaller(path: Path, kind: str) -> Path:
    """Write the graph in `path` again with weights of the kind `fp16` or `int8`, beside it; returns the new file."""
    smaller = path.with_name(f"{path.stem}{SUFFIXES[kind]}.onnx")
    if kind == "fp16":
        _write_fp16(path, smaller)
    else:
        _write_int8(path, smaller)
    return smaller


def _write_fp16(path: Path, smaller: Path) -> None:
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    # Inputs and outputs stay what they are, so that a program need not know which file it has.
    model = convert_float_to_float16(onnx.load(path), keep_io_types=True)
    onnx.save(model, smaller)


def _write_int8(path: Path, smaller: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logger = logging.getLogger()
    before = logger.level
    logger.setLevel(logging.ERROR)  # it recommends a preprocessing that its own releases do without
    try:
        quantize_dynamic(path, smaller, weight_type=QuantType.QInt8, extra_options={"MatMulConstBOnly": True})
    finally:
        logger.setLevel(before)
