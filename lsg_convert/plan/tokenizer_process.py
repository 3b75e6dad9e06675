"""Trying a foreign tokenizer in a process of its own, within limits of time and memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lsg_convert.common.errors import OutsideError, RequestError
from lsg_convert.common.files import printable, read_json_object
from lsg_convert.families import dense_model_type

MEMORY = 4 * 2**30
SECONDS = {False: 30.0, True: 180.0}  # by the file alone; by the library, which may convert a sentencepiece model
SECONDS_PER_MB = 3.0
_SECRETS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_HUB_TOKEN")
_OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
}
# Isolated (-I): neither the current folder nor the environment says where modules are; our own search path does.
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from lsg_convert.plan.tokenizer_child import main; main()"
)
DOES_NOT_LOAD = "the source's tokenizer does not load"


class TokenizerError(RequestError):
    """The library refused the tokenizer's files, in an orderly way."""


def ask_tokenizer(
    folder: Path,
    tokens: Iterable[str] = (),
    texts: Iterable[str] = (),
    *,
    by_library: bool,
    complete: bool = False,
) -> dict[str, Any]:
    """Load the tokenizer in `folder`, let it read `texts`, and return the ids that it has for `tokens`.

    By its `tokenizer.json` alone, or `by_library`, which also tells its class and special tokens and, with `complete`,
    writes a missing `tokenizer.json`.

    Raises:
        TokenizerError: it does not load.
        RequestError: it does not load within the limits, or crashes what loads it.
        OutsideError: the process could not be started.
    """
    question = {
        "folder": str(folder.absolute()),
        "tokens": list(tokens),
        "texts": list(texts),
        "library": by_library,
        "complete": complete,
        "model_type": dense_model_type(read_json_object(folder / "config.json")) if by_library else None,
        "memory": MEMORY,
    }
    seconds = SECONDS[by_library] + SECONDS_PER_MB * _megabytes(folder)
    path = [entry for entry in sys.path if entry and Path(entry).is_absolute()]
    environment = {name: value for name, value in os.environ.items() if name not in _SECRETS} | _OFFLINE
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _START, json.dumps(path)],
            input=json.dumps(question).encode(),
            capture_output=True,
            timeout=seconds,
            check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        raise RequestError(f"{DOES_NOT_LOAD}: it took longer than {seconds:.0f} seconds.", hint(folder)) from error
    except OSError as error:
        raise OutsideError(f"cannot start a process to load the tokenizer: {error.strerror}.") from error
    return _answer_of(done, folder)


def prove_tokenizer(folder: Path, texts: Iterable[str] = ()) -> None:
    """Raise RequestError unless the tokenizer in `folder` loads and reads `texts` within the limits."""
    texts = list(texts)
    if (folder / "tokenizer.json").is_file():
        try:
            ask_tokenizer(folder, texts=texts, by_library=False)
            return
        except TokenizerError:  # some releases make do with the other files
            pass
    ask_tokenizer(folder, texts=texts, by_library=True)


def hint(folder: Path) -> str:
    """What to do about a tokenizer that does not load."""
    # The library asks for tiktoken then, which does not help.
    if any(folder.glob("*.model")) and not (folder / "tokenizer.json").is_file():
        return "It is a sentencepiece model, which two more packages read: pip install sentencepiece protobuf."
    return "Check its tokenizer files: AutoTokenizer.from_pretrained(folder)."


def _answer_of(done: subprocess.CompletedProcess[bytes], folder: Path) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise RequestError(f"{DOES_NOT_LOAD}: {_death(done)}", hint(folder)) from error
    if "unavailable" in answer:
        raise OutsideError(
            f"the tokenizer's library does not load: {printable(answer['unavailable'], 300)}",
            "Is there memory left? Else install it again: pip install --force-reinstall tokenizers transformers.",
        )
    if "panic" in answer:
        raise RequestError(f"{DOES_NOT_LOAD}: its reader gave up ({printable(answer['panic'], 200)}).", hint(folder))
    if "error" in answer:
        raise TokenizerError(f"{DOES_NOT_LOAD}: {printable(answer['error'], 300)}", hint(folder))
    return answer


def _death(done: subprocess.CompletedProcess[bytes]) -> str:
    if b"memory allocation" in done.stderr:
        return f"it asks for more than {MEMORY // 2**30} GB of memory."
    if done.returncode < 0:
        return f"it crashed the library that reads it ({signal.Signals(-done.returncode).name})."
    return f"the process that read it ended with exit code {done.returncode}."


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.iterdir() if path.suffix != ".safetensors") / 2**20
