"""What somebody does who has only the folder and the libraries: a program of its own, which imports nothing of ours.

    python stranger_process.py REQUEST.json ANSWER.json

It loads the folder through the library's own loader of remote code, feeds the tokenizer's whole output to the model,
compares with the library's model of the source and its own tokenizer, and runs the snippets of the model card.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_NOT_COMPARED = ("encoder_", "past_", "cross_")  # the encoder's output has the globals in front

_OPTIONAL = ("sentence_transformers",)  # what a card's snippet may need and a machine need not have


class SourceError(Exception):
    """The source itself does not load, or raises."""


def main(request_file: str, answer_file: str) -> None:
    """Answer one request: {"differences": …, "snippets": …}, or what went wrong and while what was done.

    The request is there when a line can be read from the standard input; whoever closes that has no request.
    """
    doing = ["importing the libraries"]
    try:
        _import_libraries()
        if not sys.stdin.readline():
            return
        # What asks a user gets no answer, and does not wait for one.
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115
        answer = _answer(json.loads(Path(request_file).read_text(encoding="utf-8")), doing)
    except SourceError as error:
        answer = {"source_error": str(error)}
    except Exception as error:  # of any kind: it is the folder, or the libraries on it
        answer = {"error": f"{doing[-1]}: {type(error).__name__}: {error}"}
    Path(answer_file).write_text(json.dumps(answer), encoding="utf-8", newline="\n")


def _import_libraries() -> None:
    gc.disable()  # while so many modules are imported, it takes a fifth of the time
    import torch  # noqa: F401
    import transformers.modeling_utils  # noqa: F401

    gc.freeze()
    gc.enable()


def _answer(request: dict[str, Any], doing: list[str]) -> dict[str, Any]:
    import torch

    torch.set_num_threads(request["threads"])
    with _blaming_the_source():
        source = _load_source(request)
        source_tokenizer = _load_tokenizer(request["source"])
    differences = []
    for way, folder in request["ways"].items():
        doing.append(f"loading {way}")
        tokenizer = _load_tokenizer(folder)
        model = _load_converted(request, folder, source)
        texts = request["texts"] if way == next(iter(request["ways"])) else request["texts"][:1]
        for text in texts:
            doing.append(f"reading {text['name']}, loaded from {way}")
            with _blaming_the_source():
                expected, _ = _outputs(source, source_tokenizer, text, request)
            actual, mask = _outputs(model, tokenizer, text, request)
            name, value = _largest_difference(expected, actual, mask)
            differences.append({"where": f"{name} of {text['name']}, loaded from {way}", "value": value})
        del model
        gc.collect()
    del source
    lacking = []
    for snippet in request["snippets"]:
        doing.append("running the card's snippet")
        try:
            _run_snippet(snippet, next(iter(request["ways"].values())))
        except ModuleNotFoundError as error:
            if error.name not in _OPTIONAL:
                raise
            lacking.append(error.name)
    return {"differences": differences, "snippets": len(request["snippets"]), "lacking": lacking}


@contextmanager
def _blaming_the_source() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise SourceError(f"{type(error).__name__}: {error}") from error


def _load_source(request: dict[str, Any]) -> Any:
    import torch
    import transformers

    torch.manual_seed(0)
    model_class = getattr(transformers, request["architecture"])
    model = model_class.from_pretrained(request["source"], local_files_only=True, **_float32()).eval()
    if request["cast"] is not None:
        model = model.to(getattr(torch, request["cast"])).float()
    return model


def _load_converted(request: dict[str, Any], folder: str, source: Any) -> Any:
    """The folder's model by its Auto class; parts that have weights on neither side are made those of the source."""
    import torch
    import transformers

    torch.manual_seed(0)
    auto_class = getattr(transformers, request["auto_class"])
    model, info = auto_class.from_pretrained(
        folder, trust_remote_code=True, output_loading_info=True, **_float32(), **request["options"]
    )
    values = source.state_dict()
    for name, tensor in model.state_dict().items():
        if name in info["missing_keys"] and name in values:
            tensor.copy_(values[name])
    return model.eval()


def _float32() -> dict[str, Any]:
    import torch
    import transformers
    from packaging.version import Version

    return {"dtype" if Version(transformers.__version__) >= Version("4.56") else "torch_dtype": torch.float32}


def _load_tokenizer(folder: str) -> Any:
    import transformers

    return transformers.AutoTokenizer.from_pretrained(folder)


def _outputs(model: Any, tokenizer: Any, text: dict[str, Any], request: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """The floating-point outputs for all that the tokenizer makes of a text, by name, and its mask."""
    import torch

    tokenizer.padding_side = text["padding_side"]
    padding = {"padding": True} if len(text["texts"]) > 1 else {}
    texts, truncation = [text["texts"]], "longest_first"
    if request["question"] is not None:
        texts, truncation = [[request["question"]] * len(text["texts"]), *texts], "only_second"
    cut = {"truncation": truncation, "max_length": text["length"], "return_tensors": "pt"}
    encoded = dict(tokenizer(*texts, **cut, **padding))
    mask = encoded.get("attention_mask", torch.ones_like(encoded["input_ids"]))
    if request["as_choices"]:
        encoded = {name: tensor.unsqueeze(1) for name, tensor in encoded.items()}
    if request["decoder_start"] is not None:
        targets = encoded["input_ids"][:, : request["targets"]].clone()
        targets[:, 0] = request["decoder_start"]
        encoded["decoder_input_ids"] = targets
    with torch.no_grad():
        outputs = model(**encoded, return_dict=True)
    return {
        name: value
        for name, value in outputs.items()
        if isinstance(value, torch.Tensor) and value.is_floating_point() and not name.startswith(_NOT_COMPARED)
    }, mask


def _largest_difference(expected: dict[str, Any], actual: dict[str, Any], mask: Any) -> tuple[str, float]:
    """Where the outputs differ most, at tokens that are not padding, and by how much."""
    if expected.keys() != actual.keys():
        return f"outputs {sorted(actual)} instead of {sorted(expected)}", float("inf")
    found = []
    for name, reference in expected.items():
        value = actual[name]
        if value.shape != reference.shape:
            return f"{name} of shape {list(value.shape)} instead of {list(reference.shape)}", float("inf")
        gap = (value.float() - reference.float()).abs().nan_to_num(nan=float("inf"))
        if gap.shape[:2] == mask.shape:
            gap = gap[mask.bool()]
        found.append((name, float(gap.max())))
    return max(found, key=lambda each: each[1])


def _run_snippet(code: str, folder: str) -> None:
    here = Path.cwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})
    finally:
        os.chdir(here)


if __name__ == "__main__":
    sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() != Path(__file__).resolve().parent]
    main(*sys.argv[1:])
