"""The commands: finds the one that is named, runs it, and turns whatever goes wrong into a message and an exit code."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import typer

from lsg_convert.cli import bench, code, convert, export, families, inspect, push, sweep, verify
from lsg_convert.cli.console import Console
from lsg_convert.cli.failures import DEBUG_VARIABLE, INTERNAL, OUTSIDE, REQUEST, OutputError, describe
from lsg_convert.cli.help import CommandGroup, GroupedCommand
from lsg_convert.cli.streams import abandon_stdout
from lsg_convert.cli.words import PROGRAM, understood, usage_hint
from lsg_convert.common.interruption import RUN

COMMANDS: dict[str, tuple[Callable[..., Any], str]] = {
    "convert": (convert.convert, "Convert a checkpoint (the default command)."),
    "verify": (verify.verify, "Prove that a folder computes what its source computes."),
    "push": (push.push, "Publish a converted folder on the Hub."),
    "inspect": (inspect.inspect, "Show what would be done, or what a folder is."),
    "families": (families.families, "List what can be converted."),
    "code": (code.code, "Show the code file that a folder carries."),
    "bench": (bench.bench, "Measure speed and memory against the source."),
    "sweep": (sweep.sweep, "Compare settings on your own text or task."),
    "export": (export.export, "Write a folder's model as ONNX, checked."),
}

COMPLETION_VARIABLE = "_LSG_CONVERT_COMPLETE"

HELP = """Give a short-context checkpoint a long context.

Takes an encoder or encoder-decoder checkpoint (BERT, RoBERTa, BART, ...),
extends its position embeddings, replaces the encoder's self-attention by
Local + Sparse + Global attention, and writes a folder that loads anywhere
with AutoModel.from_pretrained(folder, trust_remote_code=True).

\b
Examples:
  lsg-convert bart-base                   to 4096 tokens: ./lsg-bart-base-4096
  lsg-convert ./my-bert --max-len 8192    a folder of your own, longer
  lsg-convert inspect bart-base           what would be done; writes nothing
  lsg-convert verify                      prove that the folder here computes
                                          what its source computes
  lsg-convert push                        publish it on the Hub

lsg-convert MODEL is short for lsg-convert convert MODEL;
lsg-convert convert --help lists its options.

Exit codes: 0 done, 1 a verification failed, 2 the request or the input is
wrong, 3 a network, disk or permission error, 130 Ctrl-C.
"""


def build_app() -> typer.Typer:
    """Return the application with all its commands."""
    app = typer.Typer(
        name=PROGRAM,
        help=HELP,
        cls=CommandGroup,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )

    @app.callback(invoke_without_command=True)
    def root(
        version: bool = typer.Option(False, "--version", "-V", help="Print the version and exit."),
        json: bool = typer.Option(False, "--json", hidden=True),
        quiet: bool = typer.Option(False, "--quiet", "-q", hidden=True),
        verbose: bool = typer.Option(False, "--verbose", "-v", hidden=True),
    ) -> None:
        if version:
            from importlib.metadata import version as installed_version

            number = installed_version(PROGRAM)
            Console(json).result({"version": number}, f"{PROGRAM} {number}")
            raise typer.Exit()

    for name, (command, summary) in COMMANDS.items():
        app.command(name, cls=GroupedCommand, short_help=summary)(command)
    return app


def run(given: list[str]) -> int:
    """Run the command that `given` names and return its exit code; whatever goes wrong is told to the user."""
    try:
        arguments = understood(given, COMMANDS) or ["--help"]
        code = build_app()(args=arguments, prog_name=PROGRAM, standalone_mode=False)
        return REQUEST if not given else int(code or 0)
    except SystemExit as end:  # the library's way to end when a shell asks what completes a word
        if COMPLETION_VARIABLE in os.environ or not end.code:
            return int(end.code or 0)
        abandon_stdout()  # or when nobody reads a help page
        return OUTSIDE
    except (Exception, KeyboardInterrupt) as error:
        return _report(error, Console(json_output="--json" in given), given)


def _report(error: BaseException, console: Console, given: list[str]) -> int:
    failure = describe(error)
    hint = usage_hint(given, COMMANDS, failure.message) if hasattr(error, "format_message") else failure.hint
    if RUN.achieved and not failure.silent:
        hint = f"{RUN.achieved}. {hint[0].upper()}{hint[1:]}" if hint else f"{RUN.achieved}."
    wanted = os.environ.get(DEBUG_VARIABLE) or not {"--verbose", "-v"}.isdisjoint(given)
    if failure.exit_code == INTERNAL and wanted:
        console.traceback(error)
    if not failure.silent:
        if isinstance(error, OutputError):  # stdout is lost, with --json too
            console = Console()
        console.error(failure.message, hint, failure.exit_code)
    return failure.exit_code
