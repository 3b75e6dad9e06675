"""A model's name in the forms that people paste: an address on the Hub, `owner/name@revision`, a slash too many."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from lsg_convert.common.errors import RequestError
from lsg_convert.common.text import printable
from lsg_convert.sources.hub_client import endpoint_host

_HOSTS = ("huggingface.co", "www.huggingface.co", "hf.co")
_ADDRESS = re.compile(r"(?:https?|hf)://|(?:www\.)?(?:huggingface|hf)\.co/", re.IGNORECASE)
_OTHER_THINGS = {"datasets": "data set", "spaces": "Space", "papers": "paper", "collections": "collection"}
_AT_A_REVISION = ("tree", "blob", "resolve", "raw", "commit")


def hub_name(model: str, revision: str | None = None) -> tuple[str, str | None]:
    """The Hub id or short name in `model`, and the revision that it or `revision` names.

    Raises:
        RequestError: it is an address of something else, or the two name different revisions.
    """
    if _ADDRESS.match(model):
        name, named = _of_address(model)
    else:
        name, _, named = model.partition("@")
        name = name.rstrip("/") if name.count("/") == 2 and name.endswith("/") else name
    if named and revision and named != revision:
        raise RequestError(
            f"'{printable(model)}' names the revision {printable(named)}, and --revision {printable(revision)}.",
            "leave one of them out.",
        )
    return name, revision or named or None


def _of_address(address: str) -> tuple[str, str]:
    try:
        parts = urlsplit(address if "://" in address else f"https://{address}")
        host = parts.netloc.rpartition("@")[2].lower()
    except ValueError as error:
        raise RequestError("this is not an address.", "give a Hub id like facebook/bart-base.") from error
    path = parts.path
    if parts.scheme.lower() == "hf":
        path = f"{parts.netloc}{parts.path}"
    elif host not in (*_HOSTS, endpoint_host()):
        raise RequestError(
            f"{printable(host)} is not the Hub: models are taken from huggingface.co, or from a folder.",
            "download the model, and give its folder.",
        )
    segments = [unquote(segment) for segment in path.split("/") if segment]
    if not segments or segments[0] in _OTHER_THINGS:
        what = f"a {_OTHER_THINGS[segments[0]]}" if segments else "the Hub itself"
        raise RequestError(f"this address is that of {what}, not of a model.", "give one like facebook/bart-base.")
    name, _, named = "/".join(segments[:2]).partition("@")
    if len(segments) > 3 and segments[2] in _AT_A_REVISION and segments[3] != "main":
        named = segments[3]
    return name, named
