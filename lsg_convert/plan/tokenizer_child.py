"""What runs in the process that a foreign tokenizer is tried in; `tokenizer_process` starts it and asks.

The parser of a tokenizer is the library's, its input a stranger's: it may panic, hang or ask for any amount of memory.
Here that takes nothing else along.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

ROLES = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
_PAIR = ("A question?", "A text.")
_PROBE = "A short text, 12 words long: the tokenizer turns it into numbers. Ça va? 好的。\n\tEnd"


def main() -> None:
    """Answer the question on stdin, one JSON object, by another on stdout; whatever libraries print goes elsewhere."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        answer = _answer(json.load(sys.stdin))
    except ImportError as error:
        answer = {"unavailable": str(error)}
    except Exception as error:  # the library raises whatever its tokenizers raise
        answer = {"error": str(error) or type(error).__name__}
    except BaseException as error:  # a panic of the parser
        answer = {"panic": str(error) or type(error).__name__}
    with answers:
        json.dump(answer, answers)
    os._exit(0)  # nothing that a library left running may hold us up


def _answer(question: dict[str, Any]) -> dict[str, Any]:
    folder, texts = Path(question["folder"]), [_PROBE, *question["texts"]]
    return (_by_library if question["library"] else _by_file)(folder, question, texts)


def _by_file(folder: Path, question: dict[str, Any], texts: list[str]) -> dict[str, Any]:
    """What `tokenizer.json` says, without the library around it, which takes seconds to load."""
    from tokenizers import Tokenizer

    _limit_memory(question["memory"])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    for text in texts:
        tokenizer.encode(text)
    return {"tokens": {token: tokenizer.token_to_id(token) for token in question["tokens"]}}


def _by_library(folder: Path, question: dict[str, Any], texts: list[str]) -> dict[str, Any]:
    """What the library's tokenizer says; a missing `tokenizer.json` is written where there can be one."""
    from transformers import AutoConfig, AutoTokenizer

    _limit_memory(question["memory"])
    # By its model_type the library chooses a tokenizer class, where no file names one; a folder of ours has our own.
    values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config = AutoConfig.for_model(**values | {"model_type": question["model_type"]})
    tokenizer = AutoTokenizer.from_pretrained(folder, config=config, trust_remote_code=False, local_files_only=True)
    for text in texts:
        tokenizer(text)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if question["complete"] and backend is not None and not (folder / "tokenizer.json").exists():
        backend.save(str(folder / "tokenizer.json"))
    vocabulary = tokenizer.get_vocab()
    return {
        "class": type(tokenizer).__name__,
        "size": len(vocabulary),
        "input_names": list(tokenizer.model_input_names),
        "roles": {role: getattr(tokenizer, f"{role}_token_id", None) for role in ROLES},
        "tokens": {token: vocabulary.get(token) for token in question["tokens"]},
        "pair": list(tokenizer(*_PAIR)["input_ids"]),
    }


def _limit_memory(limit: int) -> None:
    """Let this process take `limit` more bytes at most, where the system has such limits; and no core be dumped."""
    with contextlib.suppress(OSError):
        # If memory ends, it ends here.
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii", newline="\n")
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (ImportError, OSError, ValueError):
        return
    wanted = pages * os.sysconf("SC_PAGE_SIZE") + limit
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
