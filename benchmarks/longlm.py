"""LongLM-large's shape, end to end: `python benchmarks/longlm.py`.

A Chinese T5 of one billion parameters (24 and 32 layers, 1536 wide), with random weights in shards, is converted to
8,192 tokens; then the folder's encoder reads that many in a fresh process, and the model samples a few tokens. Bar: the
conversion takes at most 600 MB of memory. Needs 9 GB of disk, and 8 GB of memory for the last step.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMAND = str(Path(sysconfig.get_path("scripts")) / "lsg-convert")
SHAPE = {
    "vocab_size": 32128, "d_model": 1536, "d_kv": 64, "d_ff": 3072, "num_heads": 12, "num_layers": 24,
    "num_decoder_layers": 32, "n_positions": 512, "decoder_start_token_id": 0,
}  # fmt: skip
SHARD_BYTES = 10**9
MEMORY_BAR = 600

ENCODE = """
import json, sys, time, torch
from transformers import AutoModelForTextEncoding
dtype, length = getattr(torch, sys.argv[2]), int(sys.argv[3])
model = AutoModelForTextEncoding.from_pretrained(sys.argv[1], trust_remote_code=True, torch_dtype=dtype).eval()
ids = torch.randint(3, 400, (1, length), generator=torch.Generator().manual_seed(0))
start = time.perf_counter()
with torch.no_grad():
    states = model(ids)[0]
print(json.dumps({"seconds": time.perf_counter() - start, "shape": list(states.shape),
                  "finite": bool(torch.isfinite(states).all())}))
"""
SAMPLE = """
import json, sys, time, torch
from transformers import AutoModelForSeq2SeqLM
dtype, length = getattr(torch, sys.argv[2]), int(sys.argv[3])
model = AutoModelForSeq2SeqLM.from_pretrained(sys.argv[1], trust_remote_code=True, torch_dtype=dtype).eval()
ids = torch.randint(3, 400, (1, length), generator=torch.Generator().manual_seed(0))
start = time.perf_counter()
tokens = model.generate(ids, do_sample=True, top_p=0.9, max_new_tokens=8)
print(json.dumps({"seconds": time.perf_counter() - start, "tokens": tokens.shape[1]}))
"""


def main() -> None:
    """Make the source, convert it, run what came out, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--length", type=int, default=8192)
    parser.add_argument("--dtype", default="float32", help="in which to run the model (the weights are float32)")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    parser.add_argument("--sample", action="store_true", help="run the whole model too")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--make-source", type=Path, help="only make the source, here")
    arguments = parser.parse_args()
    if arguments.make_source:
        print(make_source(arguments.make_source))
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as place:
        source, target = Path(place) / "longlm-large", Path(place) / "lsg-longlm-large"
        # In a process of its own: a child's peak memory counts what its parent held when it was started.
        _, _, said = run([sys.executable, __file__, "--make-source", source])
        figures: dict[str, object] = {"source_bytes": int(said.splitlines()[-1])}
        print(f"source: {figures['source_bytes'] / 1e9:.2f} GB", flush=True)
        command = [COMMAND, source, "--output", target, "--max-len", arguments.length, "--no-verify", "--quiet"]
        seconds, peak, _ = run([*command, "--json"])
        figures["convert"] = {"seconds": seconds, "peak_rss_mb": peak}
        met = "met" if peak <= MEMORY_BAR else "MISSED"
        print(f"convert: {seconds:.1f} s, {peak:.0f} MB of memory, bar {MEMORY_BAR} MB: {met}", flush=True)
        steps = {"encode": ENCODE, "sample": SAMPLE} if arguments.sample else {"encode": ENCODE}
        for name, code in steps.items():
            _, peak, said = run([sys.executable, "-c", code, target, arguments.dtype, arguments.length])
            figures[name] = {**json.loads(said.splitlines()[-1]), "peak_rss_mb": peak, "dtype": arguments.dtype}
            print(f"{name} {arguments.length} tokens: {figures[name]}", flush=True)
    figures["load_average"] = os.getloadavg()[0]
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


def make_source(folder: Path) -> int:
    """Write the checkpoint shard by shard, never the whole model in memory; return its bytes."""
    sys.path.insert(0, str(ROOT))
    import torch
    from safetensors.torch import save_file
    from transformers import T5Config, T5ForConditionalGeneration

    from tests.tiny_tokenizers import write_tokenizer

    folder.mkdir()
    config = T5Config(**SHAPE)
    with torch.device("meta"):
        shapes = {name: parameter.shape for name, parameter in T5ForConditionalGeneration(config).named_parameters()}
    tied = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight")
    shards: list[dict[str, torch.Size]] = [{}]
    for name, shape in shapes.items():
        if name in tied:
            continue
        if sum(4 * held.numel() for held in shards[-1].values()) + 4 * shape.numel() > SHARD_BYTES:
            shards.append({})
        shards[-1][name] = shape
    where = {}
    for number, shard in enumerate(shards, 1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors"
        save_file({name: _drawn(shape) for name, shape in shard.items()}, folder / file, {"format": "pt"})
        where |= dict.fromkeys(shard, file)
    total = sum(4 * shapes[name].numel() for name in where)
    index = {"metadata": {"total_size": total}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    values = {**config.to_dict(), "architectures": ["T5ForConditionalGeneration"]}
    (folder / "config.json").write_text(json.dumps(values))
    write_tokenizer("t5", folder, 512)
    return total


def _drawn(shape):  # type: ignore[no-untyped-def]
    """Weights as large as trained ones: matrices keep the scale of what they multiply."""
    import torch

    return torch.ones(shape) if len(shape) == 1 else torch.randn(shape) * shape[-1] ** -0.5


def run(command: list[object]) -> tuple[float, float, str]:
    """Return seconds, peak memory in MB and stdout of one process."""
    start = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[0]} failed with {process.returncode}")
    return time.perf_counter() - start, usage.ru_maxrss * 1024 / 1e6, said


if __name__ == "__main__":
    main()
