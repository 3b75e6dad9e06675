"""Talking to the Hub: quietly, again when it failed for the moment, and in our words when it failed for good.

Nothing here shows a token or an address.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit, urlunsplit

from lsg_convert.common.errors import LSGConvertError, OutsideError, RequestError
from lsg_convert.common.os_errors import os_failure
from lsg_convert.sources.aliases import near_matches

ATTEMPTS = 3
_T = TypeVar("_T")
# huggingface_hub talks through one of these, depending on its version.
_TRANSPORTS = {"requests", "urllib3", "httpx", "httpx2", "httpcore", "httpcore2"}
_LOG_IN = "log in with `hf auth login`, set HF_TOKEN, or give --token"


class _Answer(NamedTuple):
    """What is said of a failure, with `{repo_id}`, `{revision}`, `{meant}` and `{status}` to be filled in."""

    kind: type[LSGConvertError]
    message: str
    hint: str


_OFFLINE = _Answer(
    OutsideError,
    "'{repo_id}' is not in the cache, and HF_HUB_OFFLINE forbids to ask the Hub for it.",
    "unset HF_HUB_OFFLINE, or give a folder.",
)
_GATED = _Answer(
    OutsideError,
    "'{repo_id}' is gated: its owner has to grant you access.",
    f"ask for it on the model's page, then {_LOG_IN}.",
)
_NO_REVISION = _Answer(
    RequestError,
    "'{repo_id}' has no revision '{revision}'.",
    "give a branch, a tag or a full commit id that its page on the Hub lists.",
)
_INVALID = _Answer(RequestError, "'{repo_id}' is not a valid Hub id.", "Hub ids read owner/name.")
_NO_MODEL = _Answer(
    RequestError,
    "there is no model '{repo_id}' on the Hub, or you may not see it.",
    f"{{meant}} If it is private, {_LOG_IN}.",
)
_BY_STATUS = {
    401: _Answer(
        OutsideError, "the Hub refused '{repo_id}': no token was sent, or one that it does not accept.", f"{_LOG_IN}."
    ),
    403: _Answer(
        OutsideError,
        "the Hub forbids this on '{repo_id}' to the token that was used.",
        "use a token that has the permission.",
    ),
    404: _NO_MODEL,
    429: _Answer(
        OutsideError, "the Hub limits how often '{repo_id}' may be asked for.", "wait a few minutes and try again."
    ),
}
_OTHER_STATUS = _Answer(
    OutsideError,
    "the Hub answered with an error ({status}) for '{repo_id}'.",
    "try again later; what was done is kept.",
)
_NO_CONNECTION = _Answer(
    OutsideError,
    "the connection to {host} failed for '{repo_id}'.",
    "check the network and try again: it goes on where it stopped.",
)


def hub_error(error: BaseException, repo_id: str, revision: str | None = None) -> LSGConvertError:
    """The error to show for one that huggingface_hub raised while it dealt with `repo_id`."""
    answer = _answer_to(error)
    if answer is not None:
        close = [name for name in near_matches(repo_id) if name != repo_id]
        facts = {
            "repo_id": repo_id,
            "revision": revision or "main",
            "meant": f"did you mean {', '.join(close)}?" if close else "check its name.",
            "status": status_of(error),
            "host": endpoint_host(),
        }
        return answer.kind(answer.message.format(**facts), answer.hint.format(**facts))
    if isinstance(error, OSError):
        elsewhere = "choose another disk with --cache-dir or HF_HOME"
        return os_failure(error, f"'{repo_id}' could not be transferred", elsewhere)
    return OutsideError(f"'{repo_id}' could not be transferred ({type(error).__name__}).", "try again.")


def _answer_to(error: BaseException) -> _Answer | None:
    """What there is to say by the library's exception, else by the Hub's status, else of the connection."""
    from huggingface_hub import errors

    by_type = (
        (errors.OfflineModeIsEnabled, _OFFLINE),
        (errors.GatedRepoError, _GATED),  # a RepositoryNotFoundError too
        (errors.RevisionNotFoundError, _NO_REVISION),
        (errors.HFValidationError, _INVALID),
        (errors.RepositoryNotFoundError, _NO_MODEL),
    )
    history = list(_history(error))
    for kind, answer in by_type:
        if any(isinstance(cause, kind) for cause in history):
            return answer
    status = status_of(error)
    if status is not None:
        return _BY_STATUS.get(status, _OTHER_STATUS)
    missing = any(isinstance(cause, errors.LocalEntryNotFoundError) for cause in history)
    return _NO_CONNECTION if missing or is_connection_error(error) else None


def status_of(error: BaseException) -> int | None:
    """The HTTP status of the first answer from the Hub in the error's history, if there was one."""
    for cause in _history(error):
        response = getattr(cause, "response", None)
        if isinstance(getattr(response, "status_code", None), int):
            return int(response.status_code)  # type: ignore[union-attr]
    return None


def is_connection_error(error: BaseException) -> bool:
    """Whether the Hub could not be asked, or its answer broke off."""
    if status_of(error) is not None:
        return False
    return any(
        type(cause).__module__.split(".")[0] in _TRANSPORTS or isinstance(cause, (ConnectionError, TimeoutError))
        for cause in _history(error)
    )


def is_transient(error: BaseException) -> bool:
    """Whether trying again may help."""
    status = status_of(error)
    return is_connection_error(error) or status == 429 or (status is not None and status >= 500)


def is_offline(error: BaseException) -> bool:
    """Whether HF_HUB_OFFLINE forbade the request."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    return any(isinstance(cause, OfflineModeIsEnabled) for cause in _history(error))


def retrying(action: Callable[[], _T], attempts: int = ATTEMPTS, kept: Callable[[], int] = lambda: 0) -> _T:
    """Run `action` again when the Hub or the network failed for the moment; what was transferred is kept by it.

    `kept` is how much that is: as long as it grows, a failure does not count.
    """
    attempt, before = 1, kept()
    while True:
        try:
            return action()
        except Exception as error:  # noqa: PERF203
            now = kept()
            attempt, before = (1 if now > before else attempt), now
            if attempt == attempts or not is_transient(error) or is_offline(error):
                raise
            time.sleep(_pause(error, attempt))
            attempt += 1


def _pause(error: BaseException, attempt: int) -> float:
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    try:
        return min(max(float(headers.get("Retry-After", attempt)), 0.0), 60.0)
    except ValueError:
        return float(attempt)


@contextmanager
def quiet_hub() -> Iterator[None]:
    """Without huggingface_hub's own progress bars and warnings, which show addresses: ours are what is shown."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars, logging

    verbosity, disabled = logging.get_verbosity(), are_progress_bars_disabled()
    logging.set_verbosity_error()
    if not disabled:
        disable_progress_bars()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if not disabled:
            enable_progress_bars()


def endpoint_host() -> str:
    """The host of the Hub in use, without whatever else its address holds."""
    try:
        parts = urlsplit(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
        return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
    except ValueError:
        return "the Hub"


def without_password(url: str) -> str:
    """An address without the user's name and password that may stand in it (HF_ENDPOINT=https://me:secret@host)."""
    try:
        parts = urlsplit(url)
        if "@" not in parts.netloc:
            return url
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    except ValueError:
        return "the Hub"


def _history(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__  # not the context: an error that was dealt with explains nothing
