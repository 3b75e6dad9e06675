"""How far a converted DeBERTa agrees with the library's dense model at lengths that both read:

    python benchmarks/deberta_reach.py --tokens 1024,2048                           # random weights of v3-base's shape
    python benchmarks/deberta_reach.py --model microsoft/deberta-v3-base --text book.txt

A DeBERTa without a position table has no limit of length, so the dense model is a yardstick where others have none. Of
every selection and block size: the cosine of hidden states at the same token (mean, and of the worst twentieth), and of
the first token's. **Random weights say little**: their attention is nearly even, so that what a token does not see
hardly differs from what it sees. With `--spread` the projections of queries and keys are larger, attention sharper.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from sides import VOCABULARY, build  # noqa: E402

from lsg_convert.modeling.lsg_options import LSGOptions  # noqa: E402

SETTINGS: dict[str, dict[str, Any]] = {
    "local 128": {"sparsity_type": "none"},
    "local 256": {"sparsity_type": "none", "block_size": 256},
    "norm 128/2": {"sparsity_type": "norm"},
    "norm 128/4": {"sparsity_type": "norm", "sparsity_factor": 4},
    "norm 256/2": {"sparsity_type": "norm", "block_size": 256, "sparse_block_size": 256},
    "pooling 128/2": {"sparsity_type": "pooling"},
    "pooling 128/4": {"sparsity_type": "pooling", "sparsity_factor": 4},
    "bos_pooling 128/4": {"sparsity_type": "bos_pooling", "sparsity_factor": 4},
    "stride 128/4": {"sparsity_type": "stride", "sparsity_factor": 4},
    "block_stride 128/4": {"sparsity_type": "block_stride", "sparsity_factor": 4},
}


def main() -> None:
    """Compare, and print a row for every setting and length."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a DeBERTa-v2 or -v3, a folder or an id; random weights without it")
    parser.add_argument("--text", type=Path, help="what it reads; random words without it")
    parser.add_argument("--tokens", default="1024,2048")
    parser.add_argument("--layers", type=int, default=12, help="of random weights")
    parser.add_argument("--spread", type=float, default=1.0, help="factor on random projections of queries and keys")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    dense = _dense(arguments)
    print(f"{'tokens':>6}  {'setting':18}  {'mean':>7}  {'worst 5 %':>9}  {'first token':>11}")
    for length in map(int, arguments.tokens.split(",")):
        ids = _ids(arguments, length)
        with torch.inference_mode():
            wanted = dense(input_ids=ids)[0]
            for name, settings in SETTINGS.items():
                ours = _converted(dense, settings, int(ids[0, 0]))
                mean, worst, first = agreement(ours(input_ids=ids)[0], wanted)
                print(f"{length:6}  {name:18}  {mean:7.4f}  {worst:9.4f}  {first:11.4f}", flush=True)


def agreement(ours: Tensor, wanted: Tensor) -> tuple[float, float, float]:
    """Cosines of hidden states [1, T, width]: their mean, the mean of the lowest twentieth, and the first token's."""
    cosine = functional.cosine_similarity(ours.float(), wanted.float(), dim=-1)[0]
    lowest = cosine.sort().values[: max(len(cosine) // 20, 1)]
    return float(cosine.mean()), float(lowest.mean()), float(cosine[0])


def _dense(arguments: argparse.Namespace) -> Any:
    from transformers import AutoModel

    if arguments.model:
        return AutoModel.from_pretrained(arguments.model).eval()
    model = build(f"deberta:num_hidden_layers={arguments.layers}")
    for name, parameter in model.named_parameters():
        if "query_proj.weight" in name or "key_proj.weight" in name:
            parameter.data *= arguments.spread
    return model


def _ids(arguments: argparse.Namespace, length: int) -> Tensor:
    if not (arguments.model and arguments.text):
        return torch.randint(5, VOCABULARY, (1, length))
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    text = arguments.text.read_text(encoding="utf-8")
    return tokenizer(text, truncation=True, max_length=length, return_tensors="pt").input_ids


def _converted(dense: Any, settings: dict[str, Any], opening: int) -> Any:
    """The LSG model of a dense one, with its tensors, whose global 0 is the token that the input opens with."""
    from lsg_convert.modeling.modeling_lsg_deberta_v2 import LSGDebertaV2Config, LSGDebertaV2Model

    config = {key: value for key, value in dense.config.to_dict().items() if key != "model_type"}
    options = {**vars(LSGOptions()), **settings, "opening_token_id": opening}
    model = LSGDebertaV2Model(LSGDebertaV2Config(**{**config, **options}))
    model.load_state_dict(dense.state_dict(), strict=False)
    words = dense.embeddings.word_embeddings.weight
    model.embeddings.global_embeddings.weight.data[0] = words.data[opening]
    return model.eval()


if __name__ == "__main__":
    main()
