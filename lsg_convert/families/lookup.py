"""A family by the name that a user gives it."""

from __future__ import annotations

import difflib

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import printable
from lsg_convert.families import FAMILIES, PAIRS, Family, family_named


def require_family(name: str) -> Family:
    """The family that `lsg-convert families` lists under this name, or the pair `encoder-decoder/<encoder>`.

    Raises:
        RequestError: there is none; names those that look like it.
    """
    family = family_named(name)
    if family is not None:
        return family
    near = difflib.get_close_matches(name.lower(), [*FAMILIES, *PAIRS], n=3, cutoff=0.6)
    meant = f"Did you mean {' or '.join(near)}? " if near else ""
    raise RequestError(
        f"there is no family {printable(name)!r}.",
        f"{meant}`lsg-convert families` lists them; a pair is named by its encoder: {next(iter(PAIRS))}.",
    )
