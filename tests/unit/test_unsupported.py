"""What cannot be converted is answered with the reason, and with what can be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lsg_convert import convert
from lsg_convert.common.errors import RequestError
from lsg_convert.families import FAMILIES
from lsg_convert.families.unsupported import why_unsupported

CASES: list[tuple[dict[str, Any], str]] = [
    ({"model_type": "gpt2"}, "decoder only"),
    ({"model_type": "llama"}, "decoder only"),
    ({"model_type": "qwen3"}, "decoder only"),
    ({"model_type": "nomic_bert"}, "already reaches far"),
    ({"model_type": "longt5"}, "already reaches far"),
    ({"model_type": "vit"}, "not a text encoder"),
    ({"model_type": "whisper"}, "not a text encoder"),
    ({"model_type": "vision-encoder-decoder"}, "not a text encoder"),
    ({"model_type": "prophetnet"}, "encoder is not built"),
    ({"model_type": "funnel"}, "do not attend"),
    ({"model_type": "galaxy"}, "no family here"),
    ({}, "does not name a model_type"),
    ({"model_type": 7}, "does not name a model_type"),
    ({"model_type": "encoder-decoder", "encoder": {"model_type": "gpt2"}}, "encoder of this pair, model_type 'gpt2'"),
    ({"model_type": "encoder-decoder", "encoder": {"model_type": "t5"}}, "comes with a decoder of its own"),
    ({"model_type": "encoder-decoder", "encoder": []}, "does not describe an encoder"),
]


@pytest.mark.parametrize(("config", "reason"), CASES, ids=str)
def test_the_reason_is_given(config: dict[str, Any], reason: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "config.json").write_text(json.dumps(config))
    save_nothing(source)
    with pytest.raises(RequestError) as caught:
        convert(source, output=tmp_path / "out")
    assert reason in caught.value.message
    assert caught.value.hint is not None and "bert" in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_no_family_is_called_unsupported() -> None:
    assert all("no family here" in why_unsupported({"model_type": name}) for name in FAMILIES)


def save_nothing(folder: Path) -> None:
    """Write weights, of one tensor."""
    import torch
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(1)}, folder / "model.safetensors")
