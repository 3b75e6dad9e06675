"""Everything that reaches the terminal goes through here: results to stdout, progress and hints to stderr."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TextIO

from lsg_convert.cli.failures import OutputError
from lsg_convert.cli.stand_ins import spelled
from lsg_convert.cli.streams import abandon_stdout
from lsg_convert.common.interruption import RUN
from lsg_convert.common.progress import Advance
from lsg_convert.common.text import printable

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.console import RenderableType

    from lsg_convert.cli.progress_bar import ProgressDisplay

# A command's width when nobody looks at it (a pipe, a log): wide enough that tables do not wrap.
UNATTENDED_WIDTH = 120
LONGEST_LINE = 10_000

_TRAILING = re.compile(r"[ ]+((?:\x1b\[[0-9;]*m)*)$")
_HUB_TOKEN = re.compile(r"\b(?:hf|api_org)_[A-Za-z0-9]{16,}")


def jsonable(value: Any) -> Any:
    """Return `value` in types that strict JSON has; numbers that JSON lacks become strings."""
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes):
        return [jsonable(item) for item in value]
    if isinstance(value, PurePath):
        return str(value)
    if hasattr(value, "as_dict"):
        return jsonable(value.as_dict())
    if hasattr(value, "item"):  # numpy and torch scalars
        return jsonable(value.item())
    return str(value)


class _Held(io.StringIO):
    """Holds what is printed, for a stream whose kind decides how that looks."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"  # what the stream lacks is replaced afterwards

    def isatty(self) -> bool:
        return self._stream.isatty()


class Console:
    """The face of one run: what a command wants said, in the form that was asked for."""

    def __init__(
        self,
        json_output: bool = False,
        quiet: bool = False,
        verbose: bool = False,
        secrets: Sequence[str | None] = (),
    ) -> None:
        self.json_output = json_output
        self.quiet = quiet or json_output
        self.verbose = verbose and not self.quiet
        self._display: ProgressDisplay | None = None
        self._secrets = [secret for secret in secrets if secret]
        self._stdout: TextIO = sys.stdout
        self._stderr: TextIO = sys.stderr

    def clean(self, text: object, keep_newlines: bool = False) -> str:
        """Return `text` without secrets and without characters that a terminal would obey."""
        cleaned = str(text)
        if not self.json_output:
            for stream in (self._stdout, self._stderr):
                cleaned = spelled(cleaned, stream.encoding)
        for secret in self._secrets:
            cleaned = cleaned.replace(secret, "***")
        lines = _HUB_TOKEN.sub("***", cleaned).split("\n")
        return ("\n" if keep_newlines else "\\n").join(printable(line, LONGEST_LINE) for line in lines)

    def result(self, payload: Mapping[str, Any], *renderables: RenderableType) -> None:
        """Print a command's result: `payload` as JSON with --json, nothing with --quiet, else the renderables.

        Raises OutputError when it cannot be written.
        """
        if self.json_output:
            text = json.dumps(jsonable(payload), indent=2, allow_nan=False) + "\n"
        elif self.quiet:
            text = ""
        else:
            held = _Held(self._stdout)
            console = self._rich(held)
            for renderable in renderables:
                console.print(renderable, highlight=False)
            text = spelled(_without_trailing_blanks(held.getvalue()), self._stdout.encoding)
        if RUN.achieved is None:
            RUN.complete()
        try:
            self._stdout.write(text)
            self._stdout.flush()
        except OSError as error:
            abandon_stdout()
            raise OutputError(error) from error

    def text(self, payload: Mapping[str, Any], text: str) -> None:
        """Print a command's result as it is: no line is wrapped; into a file or a pipe it goes as UTF-8."""
        if self.json_output:
            self.result(payload)
        elif not self.quiet and isinstance(self._stdout, io.TextIOWrapper) and not self._stdout.isatty():
            self._stdout.flush()
            self._stdout.buffer.write(text.encode("utf-8"))
            self._stdout.flush()
        elif not self.quiet:
            print(text, end="", file=self._stdout, flush=True)

    def hint(self, text: str, to_copy: bool = False) -> None:
        """Say on stderr what the user may want to know or do next; nothing with --quiet or --json.

        What is there `to_copy` stays in lines as they are, however narrow the terminal.
        """
        if not self.quiet:
            self._say(text, style="dim", to_copy=to_copy)

    def warn(self, text: str) -> None:
        """Say on stderr what the user should know; nothing with --quiet or --json."""
        if not self.quiet:
            self._say(f"Warning: {text}", style="yellow")

    def error(self, message: str, hint: str | None, exit_code: int) -> None:
        """Report why the run failed: on stderr, or as the one JSON object on stdout."""
        if self.json_output:
            words = {"message": self.clean(message), "hint": None if hint is None else self.clean(hint)}
            with contextlib.suppress(OutputError):  # then stderr is what is left
                self.result({"error": {**words, "exit_code": exit_code}})
                return
        from rich.text import Text

        said = Text.assemble(("Error: ", "bold red"), self.clean(message, keep_newlines=True))
        if hint:
            hint = self.clean(hint, keep_newlines=True)
            said.append(f"\n{hint[0].upper()}{hint[1:]}", style="dim")
        self._rich(self._stderr).print(said, highlight=False, soft_wrap=not self._stderr.isatty())

    def traceback(self, error: BaseException) -> None:
        """Print a traceback to stderr: for whoever debugs lsg-convert itself."""
        import traceback

        lines = "".join(traceback.format_exception(error))
        print(self.clean(lines, keep_newlines=True), file=self._stderr)

    @property
    def shows_progress(self) -> bool:
        """Whether somebody looks at progress: not with --quiet or --json, and only on a terminal."""
        return not self.quiet and self._stderr.isatty()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Run heavy work: what libraries print to stdout goes to stderr, their chatter stops, warnings are ours."""
        # Libraries read these when they are imported, which is inside this block.
        for name, value in _LIBRARY_SETTINGS.items():
            os.environ.setdefault(name, value)
        import warnings

        with contextlib.redirect_stdout(self._stderr), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield

    @contextmanager
    def stage(self, description: str, total: int | None = None) -> Iterator[Advance]:
        """Show one stage of work with its progress (implements `lsg_convert.common.progress.Reporter`)."""
        if self.verbose:
            started = time.monotonic()
            yield lambda units: None
            self._say(f"{description}: {time.monotonic() - started:.1f} s", style="dim")
        elif self.shows_progress:
            from lsg_convert.cli.progress_bar import ProgressDisplay

            if self._display is None:
                self._display = ProgressDisplay(self._rich(self._stderr))
            with self._display.stage(self.clean(description), total) as advance:
                yield advance
        else:
            yield lambda units: None

    def notice(self, text: str) -> None:
        """Say before the work begins what it will take (implements `Reporter`)."""
        self.hint(text)

    def _say(self, text: str, style: str, to_copy: bool = False) -> None:
        from rich.text import Text

        self._rich(self._stderr).print(
            Text(self.clean(text, keep_newlines=True), style=style),
            highlight=False,
            soft_wrap=to_copy or not self._stderr.isatty(),
        )

    def _rich(self, stream: TextIO) -> RichConsole:
        from rich.console import Console as RichConsole

        attended = stream.isatty() or "COLUMNS" in os.environ
        return RichConsole(file=stream, markup=False, emoji=False, width=None if attended else UNATTENDED_WIDTH)


def _without_trailing_blanks(text: str) -> str:
    """Lines as long as what is in them, and no empty one at either end: tables fill the width."""
    lines = [_TRAILING.sub(r"\1", line) for line in text.split("\n")]
    return "\n".join(lines).strip("\n") + "\n"


_LIBRARY_SETTINGS = {
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
