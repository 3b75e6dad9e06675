"""Run alone, in a fresh process, by a Python that knows neither us nor the network: `load.py ROOT thoroughly|quickly`.

Loads every folder under ROOT the way a user does, and prints what it found as one JSON object.
"""

import json
import socket
import sys
import tempfile
import warnings
from pathlib import Path

sys.modules["lsg_convert"] = None  # an import of it fails, wherever it is installed


def no_network(*arguments, **options):
    raise AssertionError("something wanted the network")


socket.socket.connect = no_network
warnings.simplefilter("ignore")

import torch  # noqa: E402
import transformers  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()


@torch.no_grad()
def compute(model, inputs, length):
    cut = {name: value if name.startswith("decoder") else value[:, :length] for name, value in inputs.items()}
    return model(**cut)[0]


def difference(one, other):
    return float((one - other).abs().max())


def relative(one, other):
    """In parts of the largest number, as `tests/close.py` bounds it."""
    return difference(one, other) / float(other.abs().max())


def examine(folder, thoroughly):
    recipe = json.loads((folder / "recipe.json").read_text())
    expected = load_file(str(folder / "expected.safetensors"))
    inputs = {name: tensor for name, tensor in expected.items() if not name.endswith("_output")}
    short, long = 32, 150

    def load(place, **options):
        auto_class = getattr(transformers, recipe["auto_class"])
        return auto_class.from_pretrained(place, trust_remote_code=True, **options).eval()

    model = load(folder / "converted")
    found = {
        "class": type(model).__name__,
        "transformers": transformers.__version__,
        "short": relative(compute(model, inputs, short), expected["short_output"]),
        "long": relative(compute(model, inputs, long), expected["long_output"]),
    }
    if not thoroughly:
        return found
    muted = load(folder / "converted", num_global_tokens=0, mask_first_token=False)
    found["muted"] = difference(compute(muted, inputs, short), expected["source_output"])
    if model.config.mask_first_token:  # with one global, which is the first token, the model is exactly its source
        exact = load(folder / "converted", num_global_tokens=1)
        found["shipped"] = difference(compute(exact, inputs, short), expected["source_output"])
    with tempfile.TemporaryDirectory() as place:
        model.save_pretrained(place)
        found["saved_files"] = sorted(path.name for path in Path(place).iterdir())
        again = load(place)
        found["saved"] = relative(compute(again, inputs, long), expected["long_output"])
    compiled = load(folder / "converted", attention_backend="cpp")
    found["cpp"] = relative(compute(compiled, inputs, long), expected["long_output"])
    kernel = sys.modules[type(compiled).__module__.rpartition(".")[0] + ".lsg_cpp"]._kernel
    found["kernel"] = kernel.cache_info().currsize == 1 and kernel() is not None
    other = load(folder / "converted", block_size=8, sparsity_type="none", num_global_tokens=0, mask_first_token=False)
    found["block_size"] = other.config.block_size
    found["overridden"] = difference(compute(other, inputs, long), expected["long_output"])
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "converted")
    found["model_max_length"] = tokenizer.model_max_length
    found["tokens"] = len(tokenizer("A long text. " * 500, truncation=True)["input_ids"])
    return found


if __name__ == "__main__":
    root = Path(sys.argv[1])
    folders = sorted(path.parent for path in root.glob("*/recipe.json"))
    print(json.dumps({folder.name: examine(folder, sys.argv[2] == "thoroughly") for folder in folders}))
