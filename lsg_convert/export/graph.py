"""One part of a model written as an ONNX file by torch's exporter."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import printable
from lsg_convert.export.parts import Part

LARGEST = 1.9e9  # bytes of weights in one file; its format ends at 2 GB
OPSET = 18  # the first with all that is needed; any onnxruntime since 1.14 has it


def write_graph(part: Part, example: tuple[torch.Tensor, ...], path: Path) -> None:
    """Export `part` to `path`, for every batch and length. Weights of 2 GB go into a file beside it, `…onnx_data`.

    Raises:
        RequestError: torch's exporter cannot do it.
    """
    dimensions: tuple[dict[int, Any], ...] = tuple(
        dict.fromkeys(names, torch.export.Dim.DYNAMIC) for names in part.inputs.values()
    )
    is_large = sum(tensor.numel() * tensor.element_size() for tensor in part.module.parameters()) > LARGEST
    with _quiet(), torch.no_grad():
        try:
            torch.onnx.export(
                part.module,
                example,
                path,
                dynamo=True,
                opset_version=OPSET,
                dynamic_shapes=(dimensions,),
                input_names=list(part.inputs),
                output_names=list(part.outputs),
                external_data=is_large,
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            reason, *_ = str(error.__cause__ or error).strip().splitlines() or [""]
            raise RequestError(
                f"torch {torch.__version__} cannot export {part.name}: {printable(reason, 300)}",
                "another head of the same encoder may do: `lsg-convert SOURCE --architecture NAME`.",
            ) from error
    _tidy(part, path, is_large)


def _tidy(part: Part, path: Path, is_large: bool) -> None:
    """Call the dynamic dimensions by their names, which the exporter numbers, and leave out what it says of each node:
    files and lines of this machine.
    """
    import onnx

    model = onnx.load(path)
    for holder in (model, model.graph):
        del holder.metadata_props[:]
    for node in (*model.graph.node, *(node for function in model.functions for node in function.node)):
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer):
        del value.metadata_props[:]
    named: dict[str, str] = {}
    for value in model.graph.input:
        for index, name in part.inputs[value.name].items():
            dimension = value.type.tensor_type.shape.dim[index]
            named.setdefault(dimension.dim_param, name)
            dimension.dim_param = name
    for value in (*model.graph.output, *model.graph.value_info):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param in named:
                dimension.dim_param = named[dimension.dim_param]
    if is_large:  # under the name that others look for
        path.with_name(f"{path.name}.data").unlink()
        onnx.save(model, path, save_as_external_data=True, location=f"{path.name}_data")
    else:
        onnx.save(model, path)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the exporter says of its own progress off the terminal."""
    names = ("torch.onnx", "onnxscript", "onnx_ir")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
