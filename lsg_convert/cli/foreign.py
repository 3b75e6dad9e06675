"""Commands and options that people bring from other programs, and what stands for them here."""

from __future__ import annotations

_QUANTIZED = "Quantized weights are not written: quantize when loading; --dtype bf16 halves the size."
_FIRST = "The model comes without an option: `lsg-convert facebook/bart-base`."
_OUTPUT = "The folder is named by --output (-o)."
_PUBLISH = "A folder is published by --push REPO_ID."
_LENGTH = "The length is --max-len."

COMMANDS = {
    "login": "`hf auth login` logs in; the token is found where it leaves it.",
    "logout": "`hf auth logout` does that.",
    "whoami": "`hf auth whoami` tells.",
    "download": "A model is downloaded when it is converted: `lsg-convert facebook/bart-base`.",
    "cache": "Downloads are in the Hub's cache: `hf cache ls`, `hf cache rm`.",
    "train": "A converted folder trains like any other: load it with trust_remote_code=True.",
    "generate": "A converted folder generates like any other: load it with trust_remote_code=True.",
    "quantize": _QUANTIZED,
}  # fmt: skip
OPTIONS = {
    "--quantize": _QUANTIZED, "--quantization": _QUANTIZED, "--load-in-4bit": _QUANTIZED, "--load-in-8bit": _QUANTIZED,
    "--q-bits": _QUANTIZED, "--model": _FIRST, "--hf-path": _FIRST, "--model-name-or-path": _FIRST, "--repo-id": _FIRST,
    "--output-dir": _OUTPUT, "--out": _OUTPUT, "--out-path": _OUTPUT, "--mlx-path": _OUTPUT, "--save-path": _OUTPUT,
    "--max-length": _LENGTH, "--max-seq-length": _LENGTH, "--length": _LENGTH, "--context-length": _LENGTH,
    "--seq-len": _LENGTH, "--max-position-embeddings": _LENGTH,
    "--upload-repo": _PUBLISH, "--push-to-hub": _PUBLISH, "--upload": _PUBLISH,
    "--trust-remote-code": "A source's own code is never run, so that there is nothing to trust.",
    "--device": "A conversion computes on the CPU; `verify` and `bench` take --device.",
    "--cuda": "A conversion computes on the CPU; `verify` and `bench` take --device cuda.",
    "--precision": "The type of the weights is --dtype.", "--torch-dtype": "The type of the weights is --dtype.",
    "--fp16": "That is --dtype fp16.", "--bf16": "That is --dtype bf16.",
    "--overwrite": "A folder that lsg-convert wrote is replaced by --force.",
    "--task": "The class is --architecture, e.g. BertForMaskedLM; without it, the config's own.",
    "--list": "`lsg-convert families` lists what can be converted.",
    "--cache": "Where downloads are kept is --cache-dir.",
}  # fmt: skip
