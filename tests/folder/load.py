"""Run alone, in a fresh process, by a Python that knows neither us nor the network: `load.py ROOT thoroughly|quickly`.

Loads every folder under ROOT the way strangers do: from the folder, by its id from the Hub that HF_ENDPOINT names, from
that Hub's cache (links), and from what `save_pretrained` wrote. Prints what it found as one JSON object.
"""

import builtins
import json
import os
import socket
import sys
import tempfile
import warnings
from pathlib import Path

sys.modules["lsg_convert"] = None  # an import of it fails, wherever it is installed

HUB = [False]  # whether the loopback Hub may be asked
connect = socket.socket.connect


def no_network(self, address):
    if not (HUB[0] and address[0] in ("127.0.0.1", "localhost", "::1")):
        raise AssertionError("something wanted the network")
    return connect(self, address)


socket.socket.connect = no_network
warnings.simplefilter("ignore")

import torch  # noqa: E402
import transformers  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from transformers.models.auto import configuration_auto  # noqa: E402

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

SHORT, LONG = 32, 150
AUTO_CLASSES = [name for name in dir(transformers) if name.startswith("AutoModel")]  # once: it takes half a second


@torch.no_grad()
def compute(model, inputs, length):
    cut = {name: value if name.startswith("decoder") else value[:, :length] for name, value in inputs.items()}
    return model(**cut)[0]


def difference(one, other):
    return float((one - other).abs().max())


def relative(one, other):
    """In parts of the largest number, as `tests/close.py` bounds it."""
    return difference(one, other) / float(other.abs().max())


def forget():
    """Make the library forget classes that folders have registered: as if each folder were loaded first."""
    configuration_auto.CONFIG_MAPPING._extra_content.clear()
    for name in AUTO_CLASSES:
        mapping = getattr(getattr(transformers, name), "_model_mapping", None)
        getattr(mapping, "_extra_content", {}).clear()


class Folder:
    """One converted folder, and what is expected of it."""

    def __init__(self, folder):
        self.folder = folder
        self.place = folder / "converted"
        recipe = json.loads((folder / "recipe.json").read_text())
        self.auto_class = getattr(transformers, recipe["auto_class"])
        self.expected = load_file(str(folder / "expected.safetensors"))
        self.inputs = {name: tensor for name, tensor in self.expected.items() if not name.endswith("_output")}

    def load(self, place, **options):
        return self.auto_class.from_pretrained(place, trust_remote_code=True, **options).eval()

    def off(self, model, length="long"):
        return relative(
            compute(model, self.inputs, LONG if length == "long" else SHORT), self.expected[f"{length}_output"]
        )

    def untrusted(self):
        """What is said to someone who does not trust the code; what is asked, and what is loaded all the same."""
        questions = []
        builtins.input = lambda question: questions.append(question) or "n"
        try:
            found = {"untrusted_model": type(self.auto_class.from_pretrained(self.place)).__name__}
        except Exception as error:
            found = {"untrusted_error": type(error).__name__, "untrusted_message": str(error)}
        asked = len(questions)
        tokenizer = transformers.AutoTokenizer.from_pretrained(self.place)
        found["tokenizer_asks"] = len(questions) > asked
        quiet = transformers.AutoTokenizer.from_pretrained(self.place, trust_remote_code=False)
        ids = tokenizer("A long text. " * 500, truncation=True)["input_ids"]
        found |= {"model_max_length": tokenizer.model_max_length, "tokens": len(ids)}
        found["same_tokens"] = ids == quiet("A long text. " * 500, truncation=True)["input_ids"]
        return found

    def forms(self):
        """How far off the model is in each form that it is loaded from, and the module that its class came from."""
        found, modules, errors = {}, {}, {}

        def examine(form, place):
            forget()
            try:
                model = self.load(place)
                found[form], modules[form] = self.off(model), type(model).__module__
                return model
            except Exception as error:
                found[form], errors[form] = float("inf"), repr(error)

        model = examine("folder", self.place)
        if model is None:
            return {**dict.fromkeys(("folder", "saved", "hub", "snapshot"), float("inf")), "errors": errors}
        with tempfile.TemporaryDirectory() as place:
            model.save_pretrained(place)
            found["saved_files"] = sorted(path.name for path in Path(place).iterdir())
            examine("saved", place)
        if "HF_ENDPOINT" in os.environ:
            HUB[0] = True
            examine("hub", f"me/{self.folder.name}")
            HUB[0] = False
            cache = Path(os.environ["HF_HOME"], "hub", f"models--me--{self.folder.name}", "snapshots")
            (snapshot,) = cache.iterdir()
            found["links"] = all(path.is_symlink() for path in snapshot.glob("*.py"))
            examine("snapshot", snapshot)
        return found | {
            "class": type(model).__name__,
            "modules": modules,
            "errors": errors,
            "short": self.off(model, "short"),
        }

    def thoroughly(self):
        """More about the folder itself."""
        source = self.expected["source_output"]
        muted = self.load(self.place, num_global_tokens=0, mask_first_token=False)
        found = {"muted": difference(compute(muted, self.inputs, SHORT), source)}
        if muted.config.mask_first_token:  # with one global, which is the first token, the model is exactly its source
            exact = self.load(self.place, num_global_tokens=1)
            found["shipped"] = difference(compute(exact, self.inputs, SHORT), source)
        other = self.load(self.place, block_size=8, sparsity_type="none", num_global_tokens=0, mask_first_token=False)
        found |= {"block_size": other.config.block_size, "overridden": self.off(other)}
        try:
            self.load(self.place, attention_backend="cpp")
        except ValueError as error:
            found["no_kernel"] = str(error)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                other = self.load(self.folder / "kernel", attention_backend="sdpa", sparsity_type="none")
                runs = type(other).__module__ == type(muted).__module__
            finally:
                found["warned"] = any("other code than what runs" in str(entry.message) for entry in caught)
        found["should_warn"] = runs
        forget()
        compiled = self.load(self.folder / "kernel")
        if compiled.config.attention_backend != "cpp":
            return found
        found["cpp"] = self.off(compiled)
        kernel = sys.modules[type(compiled).__module__]._kernel
        found["kernel"] = kernel.cache_info().currsize == 1 and kernel() is not None
        return found


if __name__ == "__main__":
    results = {}
    for path in sorted(Path(sys.argv[1]).glob("*/recipe.json")):
        forget()
        folder = Folder(path.parent)
        found = {"transformers": transformers.__version__, **folder.untrusted(), **folder.forms()}
        results[path.parent.name] = found | (folder.thoroughly() if sys.argv[2] == "thoroughly" else {})
    print(json.dumps(results))
