"""What can go wrong with the Hub, said in our words, with what to do next. Nothing here shows a token or a URL."""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

from lsg_convert.common.errors import LSGConvertError, OutsideError, RequestError
from lsg_convert.common.os_errors import os_failure
from lsg_convert.sources.aliases import near_matches

# huggingface_hub talks through one of these, depending on its version.
_TRANSPORTS = {"requests", "urllib3", "httpx", "httpx2", "httpcore", "httpcore2"}
_LOG_IN = "log in with `hf auth login`, set HF_TOKEN, or give --token"


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
    return any(type(cause).__name__ == "OfflineModeIsEnabled" for cause in _history(error))


def hub_error(error: BaseException, repo_id: str, revision: str | None = None) -> LSGConvertError:
    """The error to show for one that huggingface_hub raised while it dealt with `repo_id`."""
    names = {base.__name__ for cause in _history(error) for base in type(cause).__mro__}
    status = status_of(error)
    if is_offline(error):
        return OutsideError(
            f"'{repo_id}' is not in the cache, and HF_HUB_OFFLINE forbids to ask the Hub for it.",
            "unset HF_HUB_OFFLINE, or give a folder.",
        )
    if "GatedRepoError" in names:
        return OutsideError(
            f"'{repo_id}' is gated: its owner has to grant you access.",
            f"ask for it on the model's page, then {_LOG_IN}.",
        )
    if "RevisionNotFoundError" in names:
        return RequestError(
            f"'{repo_id}' has no revision '{revision or 'main'}'.",
            "give a branch, a tag or a full commit id that its page on the Hub lists.",
        )
    if "HFValidationError" in names:
        return RequestError(f"'{repo_id}' is not a valid Hub id.", "Hub ids read owner/name.")
    if "RepositoryNotFoundError" in names or status == 404:
        close = [name for name in near_matches(repo_id) if name != repo_id]
        meant = f"did you mean {', '.join(close)}?" if close else "check its name."
        return RequestError(
            f"there is no model '{repo_id}' on the Hub, or you may not see it.", f"{meant} If it is private, {_LOG_IN}."
        )
    if status == 401:
        return OutsideError(
            f"the Hub refused '{repo_id}': no token was sent, or one that it does not accept.", f"{_LOG_IN}."
        )
    if status == 403:
        return OutsideError(
            f"the Hub forbids this on '{repo_id}' to the token that was used.", "use a token that has the permission."
        )
    if status == 429:
        return OutsideError(
            f"the Hub limits how often '{repo_id}' may be asked for.", "wait a few minutes and try again."
        )
    if status is not None:
        return OutsideError(
            f"the Hub answered with an error ({status}) for '{repo_id}'.", "try again later; what was done is kept."
        )
    if is_connection_error(error) or "LocalEntryNotFoundError" in names:
        return OutsideError(
            f"the connection to {endpoint_host()} failed for '{repo_id}'.",
            "check the network and try again: it goes on where it stopped.",
        )
    return _transfer_error(error, repo_id)


def _transfer_error(error: BaseException, repo_id: str) -> LSGConvertError:
    what = f"'{repo_id}' could not be transferred"
    if isinstance(error, OSError):
        return os_failure(error, what, "choose another disk with --cache-dir or HF_HOME")
    return OutsideError(f"{what} ({type(error).__name__}).", "try again.")


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
