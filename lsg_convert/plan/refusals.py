"""What can be refused before anything large is downloaded: by a model's name, and by its config."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import printable
from lsg_convert.families import family_of
from lsg_convert.families.unsupported import why_unsupported_name
from lsg_convert.plan.plan import find_family
from lsg_convert.sources.aliases import resolve_alias


def refuse_name(model: str) -> None:
    """Raise RequestError for a short name that is none of ours, and is known for what cannot be converted."""
    if "/" in model or resolve_alias(model) or os.path.lexists(model):
        return
    reason = why_unsupported_name(model)
    if reason is not None:
        raise RequestError(
            f"'{printable(model)}' cannot be converted: {reason}.", "`lsg-convert families` lists what can."
        )


def refuse_config(config: Mapping[str, Any]) -> None:
    """Raise RequestError for a config that names a model_type which no family here has."""
    if isinstance(config.get("model_type"), str) and family_of(config) is None:
        find_family(dict(config))
