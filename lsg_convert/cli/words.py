"""What was typed, before it is parsed: which command is meant, and what a slip of the fingers may have meant."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable

from lsg_convert.cli import foreign
from lsg_convert.common.errors import RequestError
from lsg_convert.common.text import printable

PROGRAM = "lsg-convert"
DEFAULT_COMMAND = "convert"
COMMON_FLAGS = ("--json", "--quiet", "-q", "--verbose", "-v")
ROOT_FLAGS = ("--help", "-h", "--version", "-V", "--install-completion", "--show-completion")
# What other programs call it.
SYNONYMS = {
    "list": "families", "ls": "families", "models": "families", "supported": "families",
    "check": "verify", "test": "verify", "validate": "verify", "compare": "verify",
    "upload": "push", "publish": "push", "deploy": "push",
    "info": "inspect", "show": "inspect", "plan": "inspect", "describe": "inspect",
    "tune": "sweep", "grid": "sweep",
    "benchmark": "bench", "time": "bench", "speed": "bench", "source": "code", "extend": "convert", "run": "convert",
}  # fmt: skip
SHORT = {"--question-global": "--automatic-globals=question"}
_DASHES = "–—−"


def understood(arguments: list[str], commands: Iterable[str]) -> list[str]:
    """The arguments with the command first: `convert` when none is named; common flags may stand before it.

    Raises:
        RequestError: the first word is no command, but looks as if one was meant; or an option has no plain dash.
    """
    typed = [_option_name(argument) for argument in _plain_dashes(arguments)]
    common = next((at for at, word in enumerate(typed) if word not in COMMON_FLAGS), len(typed))
    flags, rest = typed[:common], typed[common:]
    if not rest:
        return [DEFAULT_COMMAND, *typed] if typed else []
    first, others = rest[0], rest[1:]
    if first in ("help", "--help", "-h"):
        return [others[0], "--help"] if others and others[0] in commands else ["--help"]
    if first == "version":
        return ["--version", *typed[:common]]
    if first in commands:
        return [first, *flags, *others]
    if first in ROOT_FLAGS:
        return typed
    if first in foreign.COMMANDS and not os.path.lexists(first):
        raise RequestError(f"there is no command and no model '{first}'.", foreign.COMMANDS[first])
    meant = None if first.startswith("-") else meant_command(first, commands)
    if meant is not None:
        raise RequestError(
            f"there is no command and no model '{printable(first)}'.",
            f"Did you mean `{PROGRAM} {meant}`? `{PROGRAM} --help` lists the commands.",
        )
    return [DEFAULT_COMMAND, *typed]


def meant_command(word: str, commands: Iterable[str]) -> str | None:
    """The command that `word` stands for elsewhere or misspells; None where it can be a model's name or a folder."""
    if "/" in word or os.path.lexists(word):
        return None
    near = difflib.get_close_matches(word.lower(), commands, n=1, cutoff=0.7)
    return SYNONYMS.get(word.lower()) or (near[0] if near else None)


def usage_hint(given: list[str], commands: Iterable[str], message: str) -> str:
    """What stands for an option of another program, or where to read what the command takes that was used wrongly."""
    unknown = re.search(r"No such option: (--[a-z0-9-]+)", message)
    if unknown and unknown[1] in foreign.OPTIONS:
        return foreign.OPTIONS[unknown[1]]
    if "integer" in message:
        return "Give a whole number in digits, without k or commas: 4096."
    first = next((word for word in given if not word.startswith("-")), "")
    command = first if first in commands else DEFAULT_COMMAND
    more = "" if first in commands else f"; `{PROGRAM} --help` lists the commands"
    return f"`{PROGRAM} {command} --help` shows what it takes{more}."


def _plain_dashes(arguments: list[str]) -> list[str]:
    """The arguments; raises RequestError where a text processor has made one dash of two."""
    for argument in arguments:
        if argument[:1] in _DASHES and argument[1:2].isalpha():
            raise RequestError(
                f"'{printable(argument)}' begins with a typographic dash, not with the two of an option.",
                f"Type it anew: --{printable(argument.lstrip(_DASHES))}.",
            )
    return arguments


def _option_name(argument: str) -> str:
    """`--max_len` as `--max-len`, and what an option is short for; anything else as it is."""
    name, equals, value = argument.partition("=")
    if argument.replace("_", "-") in SHORT:
        return SHORT[argument.replace("_", "-")]
    return name.replace("_", "-") + equals + value if name.startswith("--") and " " not in name else argument
