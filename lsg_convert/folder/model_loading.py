"""Loading a model by the library without its folder choosing what runs.

The library never sees the folder itself. It sees a view of it: links to the weights, a configuration without the keys
that choose code (an attention kernel is a Hub repository for some releases), and of the generation settings the token
ids. An adapter, a custom `generate`, a pipeline or whatever else a release may look for is not there.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lsg_convert.common.files import read_json_object, safe_file
from lsg_convert.plan.foreign_keys import refuse_quantized, without_foreign_keys
from lsg_convert.sources.checkpoint import CONFIG_LIMIT, weight_file_names

_GENERATION = "generation_config.json"


def load_model(model_class: Any, folder: Path, dtype: str, device: str, **options: Any) -> tuple[Any, dict[str, Any]]:
    """The model in `folder` as a `model_class`, in evaluation mode, and what the library says about its loading.

    `options` override fields of its configuration.

    Raises:
        RequestError: the folder has no weights or configuration that can be used.
    """
    import torch
    import transformers
    from packaging.version import Version

    values = without_foreign_keys(read_json_object(safe_file(folder, "config.json"), CONFIG_LIMIT))
    refuse_quantized(values)
    config = model_class.config_class.from_dict(values, **options)
    dtype_name = "dtype" if Version(transformers.__version__) >= Version("4.56") else "torch_dtype"
    # Heads without weights are drawn at random: the same ones every time, and no one else's random state changes.
    with torch.random.fork_rng(devices=[]), _view(folder, values) as view:
        torch.manual_seed(0)
        model, info = model_class.from_pretrained(
            str(view),
            config=config,
            local_files_only=True,
            output_loading_info=True,
            **{dtype_name: getattr(torch, dtype)},
        )
    return model.to(device).eval(), info


def keep_attention_type(model: Any) -> Any:
    """The library's model, each of its forward passes beginning with the attention that its configuration names.

    Its BigBirds switch to full attention at the first short input, and never back.
    """
    from transformers import PreTrainedModel

    def restore(module: Any, _: Any) -> None:
        module.set_attention_type(module.config.attention_type)

    for module in model.modules():
        switches = isinstance(module, PreTrainedModel) and hasattr(module, "set_attention_type")
        if switches and not module.config.is_decoder:
            module.register_forward_pre_hook(restore)
    return model


@contextmanager
def _view(folder: Path, config: dict[str, Any]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lsg-convert-") as name:
        fill_view(folder, config, Path(name))
        yield Path(name)


def fill_view(folder: Path, config: dict[str, Any], view: Path) -> None:
    """Put links to the weights of `folder` into `view`, with `config` and the token ids of the generation settings."""
    (view / "config.json").write_text(json.dumps(config), encoding="utf-8", newline="\n")
    if (folder / _GENERATION).is_file():
        settings = read_json_object(safe_file(folder, _GENERATION), CONFIG_LIMIT)
        (view / _GENERATION).write_text(json.dumps(token_ids(settings)), encoding="utf-8", newline="\n")
    for weights in weight_file_names(folder):
        (view / weights).parent.mkdir(parents=True, exist_ok=True)
        _link(safe_file(folder, weights).resolve(), view / weights)


def token_ids(settings: dict[str, Any]) -> dict[str, Any]:
    """Of generation settings the ids of tokens: numbers, or lists of them."""
    return {
        key: value
        for key, value in settings.items()
        if key.endswith("_token_id")
        and all(type(item) is int for item in (value if isinstance(value, list) else [value]))
    }


def _link(source: Path, place: Path) -> None:
    try:
        place.symlink_to(source)
    except OSError:  # links are a privilege on some systems
        shutil.copyfile(source, place)
