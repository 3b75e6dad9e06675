"""X-MOD: XLM-RoBERTa with an adapter for each language in every layer."""

from __future__ import annotations

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import printable

from .bert_style import roberta_style_family
from .family import Config


def _needs_language(config: Config) -> None:
    """Without a default language the library's model reads no text, so that there is nothing to compare with."""
    languages = config.get("languages")
    known = [str(name) for name in languages] if isinstance(languages, list) else []
    if config.get("default_language") in known:
        return
    raise RequestError(
        f"config.json names no language that is read by default: default_language is "
        f"{printable(config.get('default_language'))!r}, languages are {printable(', '.join(known[:8]), 200)}.",
        'Name one as "default_language" in the config.json of a local copy; set_default_language() changes it later.',
    )


FAMILY = roberta_style_family("xmod", "X-MOD", "facebook/xmod-base", "Xmod", obstacle=_needs_language)
