"""What cannot be converted is answered with the reason, and with what can be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from transformers.models.auto import modeling_auto
from transformers.models.auto.configuration_auto import CONFIG_MAPPING, CONFIG_MAPPING_NAMES

from lsg_convert import convert
from lsg_convert.common.errors import RequestError
from lsg_convert.families import FAMILIES, family_of
from lsg_convert.families.unsupported import why_unsupported, why_unsupported_name
from lsg_convert.plan.refusals import refuse_config
from lsg_convert.sources.aliases import ALIASES

FIELDS = {"vocab_size": 100, "hidden_size": 32}
# Of models that nobody has named, with what each says of itself.
CASES: list[tuple[dict[str, Any], str]] = [
    ({"model_type": "galaxy", **FIELDS}, "no family here"),
    ({"model_type": "galaxy", **FIELDS, "architectures": ["GalaxyForCausalLM"]}, "decoder only"),
    ({"model_type": "galaxy", **FIELDS, "architectures": ["GalaxyLMHeadModel"]}, "(GalaxyLMHeadModel in config.json)"),
    ({"model_type": "galaxy", **FIELDS, "is_decoder": True}, "decoder only"),
    ({"model_type": "galaxy", **FIELDS, "is_encoder_decoder": True}, "encoder is not built"),
    ({"model_type": "galaxy", **FIELDS, "max_position_embeddings": 8192}, "reaches far (max_position_embeddings=8192"),
    ({"model_type": "galaxy", **FIELDS, "max_position_embeddings": 8191}, "no family here"),
    ({"model_type": "galaxy", **FIELDS, "rope_theta": 10000.0}, "reaches far (rope_theta"),
    ({"model_type": "galaxy", **FIELDS, "rope_scaling": None, "audio_head": False}, "no family here"),
    ({"model_type": "galaxy", **FIELDS, "attention_window": [512]}, "do not attend"),
    ({"model_type": "galaxy", **FIELDS, "state_size": 16}, "do not attend"),
    ({"model_type": "galaxy", **FIELDS, "auto_map": {"AutoModel": "galaxy.Galaxy"}}, "never run (auto_map"),
    ({"model_type": "galaxy", **FIELDS, "image_size": 224}, "not a text encoder (image_size"),
    ({"model_type": "galaxy", "text_config": FIELDS, "eye_config": {"patch_size": 16}}, "eye_config.patch_size"),
    ({"model_type": "galaxy", "hidden_size": 32}, "not a text encoder (no vocab_size"),
    ({"model_type": "galaxy"}, "no family here"),
    # With nothing but a name.
    ({"model_type": "gpt2"}, "decoder only"),
    ({"model_type": "qwen3_moe"}, "decoder only"),
    ({"model_type": "longt5"}, "already reaches far"),
    ({"model_type": "whisper"}, "not a text encoder"),
    ({"model_type": "prophetnet"}, "encoder is not built"),
    ({"model_type": "funnel"}, "do not attend"),
    ({}, "does not name a model_type"),
    ({"model_type": 7}, "does not name a model_type"),
    ({"model_type": "encoder-decoder", "encoder": {"model_type": "gpt2"}}, "encoder of this pair, model_type 'gpt2'"),
    ({"model_type": "encoder-decoder", "encoder": {"model_type": "t5"}}, "comes with a decoder of its own"),
    ({"model_type": "encoder-decoder", "encoder": []}, "does not describe an encoder"),
]
# Models of the library that are built much like BERT, and say nothing of what keeps them from being converted.
WITHOUT_REASON = {
    "bros", "dpr", "ernie_m", "esm", "ibert", "jev", "luke", "markuplm", "mobilebert", "nezha", "qdqbert", "retribert",
    "roc_bert", "roformer", "splinter", "tapas",
}  # fmt: skip
WITHOUT_DEFAULTS = {"encoder-decoder", "nougat", "gemma4_assistant"}  # whose configuration class wants values
# Where the library lists what a checkpoint is saved as, the class of most use first.
LISTS = ("MASKED_LM", "SEQ_TO_SEQ_CAUSAL_LM", "CAUSAL_LM", "PRETRAINING", "TOKEN_CLASSIFICATION", "QUESTION_ANSWERING")


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


def saved_configs() -> Iterator[dict[str, Any]]:
    """What `config.json` holds of a model with the defaults of its class, for each that the library knows by a head."""
    for model_type in CONFIG_MAPPING_NAMES:
        lists = (getattr(modeling_auto, f"MODEL_FOR_{name}_MAPPING_NAMES", {}) for name in LISTS)
        architecture = next((found for each in lists if (found := each.get(model_type))), None)
        if architecture is None or model_type in WITHOUT_DEFAULTS:
            continue
        config = CONFIG_MAPPING[model_type]().to_dict()
        named = [architecture] if isinstance(architecture, str) else [*architecture]
        yield {**config, "model_type": model_type, "architectures": named}


def test_every_model_of_the_library_gets_a_reason() -> None:
    """From what its own configuration says, whatever it is called."""
    configs = list(saved_configs())
    assert len(configs) > 150
    unknown = set()
    for config in configs:
        if family_of(config) is not None:
            refuse_config(config)
        elif "no family here" in why_unsupported(config | {"model_type": "galaxy"}):
            unknown.add(config["model_type"])
        else:
            with pytest.raises(RequestError, match="cannot be converted"):
                refuse_config(config)
    assert unknown <= WITHOUT_REASON


def test_no_name_of_a_family_or_of_its_checkpoints_is_refused() -> None:
    names = [name for family in FAMILIES.values() for name in (family.model_type, family.example)]
    assert not [name for name in (*names, *ALIASES, *ALIASES.values()) if why_unsupported_name(name)]


def save_nothing(folder: Path) -> None:
    """Write weights, of one tensor."""
    import torch
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(1)}, folder / "model.safetensors")
