"""What a shell completes where a model is named."""

from __future__ import annotations


def complete_model(incomplete: str) -> list[str]:
    """The short names that begin as what was typed; folders are the shell's own to complete."""
    from lsg_convert.sources.aliases import ALIASES

    return [name for name in ALIASES if name.startswith(incomplete.lower())]


def complete_family(incomplete: str) -> list[str]:
    """The families that begin as what was typed."""
    from lsg_convert.families import FAMILIES, PAIRS

    return [name for name in (*FAMILIES, *PAIRS) if name.startswith(incomplete)]
