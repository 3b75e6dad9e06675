"""`lsg-convert export [FOLDER]`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from lsg_convert.cli import parameters as p
from lsg_convert.cli.console import Console

Dtype = Annotated[
    Literal["fp32", "fp16"],
    p.option("fp16 writes model_fp16.onnx too, half as large; model.onnx is float32 always.", shown=True),
]
Quantize = Annotated[
    Literal["int8"] | None, p.option("int8 writes model_quantized.onnx too, by onnxruntime's dynamic quantization.")
]
Task = Annotated[
    str | None,
    p.option(
        "What for, as optimum calls it: feature-extraction leaves a head out; else what the head does (fill-mask, "
        "text-classification, summarization, ...). Default: the head's own."
    ),
]


def export(
    folder: p.Folder = None,
    task: Task = None,
    dtype: Dtype = "fp32",
    quantize: Quantize = None,
    trust_remote_code: p.TrustRemoteCode = False,
    json: p.Json = False,
    quiet: p.Quiet = False,
    verbose: p.Verbose = False,
) -> None:
    """Write a converted model as ONNX, which runs without Python and without our code: FOLDER/onnx/model.onnx.

    Every output is compared with PyTorch's first. Exit code 1 when one differs; then nothing is written.

    \b
    Examples:
      lsg-convert export
      lsg-convert export ./lsg-bart-base-4096 --quantize int8
      lsg-convert export ./lsg-roberta-base-4096 --task feature-extraction
    """
    console = Console(json, quiet, verbose)
    with console.working():
        from lsg_convert.export.run import Differs
        from lsg_convert.export.run import export as write

        try:
            report = write(
                folder,
                dtype=dtype,
                quantize=quantize,
                task=task,
                trust_remote_code=trust_remote_code,
                reporter=console,
            )
        except Differs as differs:
            report = differs.report
    from lsg_convert.cli.render import export_tables

    console.result(report.as_dict(), *export_tables(report.as_dict(), console.clean))
    if report.failed:
        if quiet and not json:
            console.error("onnxruntime computes something else than PyTorch: nothing was written.", None, 1)
        raise typer.Exit(1)
    console.hint("Other programs find the files by these names: text-embeddings-inference, Transformers.js, optimum.")
