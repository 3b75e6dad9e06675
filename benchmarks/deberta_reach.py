"""How far a converted DeBERTa agrees with the library's dense model at lengths that both read:

    python benchmarks/deberta_reach.py                                        # random weights of v3-base's shape
    python benchmarks/deberta_reach.py --model microsoft/deberta-v3-base --texts papers.jsonl

A DeBERTa without a position table has no limit of length, so the dense model is a yardstick where others have none.
The beginning of each text is read in pieces of every length, with 15 % of the words masked, the same at all lengths.
Printed for every selection and block size, means over the pieces: the cosine of hidden states at the same token, that
of the worst twentieth, and that of the first token. Where the masked-LM head is trained too: the loss on the masked
words, and how often the likeliest word is the dense model's. Where no model can be downloaded, `deberta_from_bert.py`
makes one. **Random weights say little**: their attention is nearly even, so that what a token does not see hardly
differs from what it sees. With `--spread` the projections of queries and keys are larger, attention sharper.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from masked_words import masked, read_texts  # noqa: E402
from sides import VOCABULARY, build  # noqa: E402

from lsg_convert.modeling.lsg_options import LSGOptions  # noqa: E402

SETTINGS: dict[str, dict[str, Any]] = {
    "local 128": {"sparsity_type": "none"},
    "local 256": {"sparsity_type": "none", "block_size": 256},
    "local 512": {"sparsity_type": "none", "block_size": 512},
    "norm 128/2": {"sparsity_type": "norm"},
    "norm 128/4": {"sparsity_type": "norm", "sparsity_factor": 4},
    "norm 256/2": {"sparsity_type": "norm", "block_size": 256, "sparse_block_size": 256},
    "norm 256/4": {"sparsity_type": "norm", "sparsity_factor": 4, "block_size": 256, "sparse_block_size": 256},
    "pooling 128/2": {"sparsity_type": "pooling"},
    "pooling 128/4": {"sparsity_type": "pooling", "sparsity_factor": 4},
    "bos_pooling 128/4": {"sparsity_type": "bos_pooling", "sparsity_factor": 4},
    "stride 128/4": {"sparsity_type": "stride", "sparsity_factor": 4},
    "block_stride 128/4": {"sparsity_type": "block_stride", "sparsity_factor": 4},
}


class Read(NamedTuple):
    """What a model makes of a piece: hidden states [T, width], logits of the masked words [M, V]; and the words [M]."""

    hidden: Tensor
    logits: Tensor | None
    words: Tensor


def main() -> None:
    """Compare, and print a row for every setting and length."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a DeBERTa-v2 or -v3, a folder or an id; random weights without it")
    parser.add_argument("--texts", type=Path, help='what it reads: JSONL with "text", SQuAD\'s format or plain text')
    parser.add_argument("--count", type=int, default=8, help="texts that are read at most, those that are long enough")
    parser.add_argument("--tokens", default="1024,2048")
    parser.add_argument("--settings", default=",".join(SETTINGS), help="some of them, separated by commas")
    parser.add_argument("--layers", type=int, default=12, help="of random weights")
    parser.add_argument("--spread", type=float, default=1.0, help="factor on random projections of queries and keys")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    dense, head = _dense(arguments)
    lengths = [int(length) for length in arguments.tokens.split(",")]
    pieces = _pieces(arguments, lengths)
    opening = int(pieces[lengths[0]][0][0][0])
    title = f"{'setting':18}  {'tokens':>6}  {'mean':>7}  {'worst 5 %':>9}  {'first token':>11}"
    print(title + (f"  {'loss':>7}  {'same word':>9}" if head else ""))
    wanted = {length: [_read(dense, head, piece) for piece in pieces[length]] for length in lengths}
    for length in lengths:
        print(_row("dense", length, wanted[length], wanted[length]), flush=True)
    for name in arguments.settings.split(","):
        ours = _converted(dense, SETTINGS[name], opening)
        for length in lengths:
            print(
                _row(name, length, [_read(ours, head, piece) for piece in pieces[length]], wanted[length]), flush=True
            )


def agreement(ours: Tensor, wanted: Tensor) -> tuple[float, float, float]:
    """Cosines of hidden states [T, width]: their mean, the mean of the lowest twentieth, and the first token's."""
    cosine = functional.cosine_similarity(ours.float(), wanted.float(), dim=-1)
    lowest = cosine.sort().values[: max(len(cosine) // 20, 1)]
    return float(cosine.mean()), float(lowest.mean()), float(cosine[0])


def _row(name: str, length: int, ours: list[Read], wanted: list[Read]) -> str:
    agreements = torch.tensor([agreement(one.hidden, other.hidden) for one, other in zip(ours, wanted, strict=True)])
    mean, worst, first = agreements.mean(0).tolist()
    row = f"{name:18}  {length:6}  {mean:7.4f}  {worst:9.4f}  {first:11.4f}"
    if ours[0].logits is None:
        return row
    logits, words = torch.cat([one.logits for one in ours]), torch.cat([one.words for one in ours])
    likeliest = torch.cat([other.logits.argmax(-1) for other in wanted])
    same = (logits.argmax(-1) == likeliest).float().mean()
    return f"{row}  {functional.cross_entropy(logits, words):7.3f}  {float(same):9.3f}"


@torch.inference_mode()
def _read(model: Any, head: Callable[[Tensor], Tensor] | None, piece: tuple[Tensor, Tensor]) -> Read:
    """A piece is its tokens [T], some of them masked, and the words [T] at those, -100 elsewhere."""
    given, words = piece
    hidden = model(input_ids=given[None])[0][0]
    chosen = words != -100
    return Read(hidden, head(hidden[None, chosen])[0].float() if head else None, words[chosen])


def _dense(arguments: argparse.Namespace) -> tuple[Any, Callable[[Tensor], Tensor] | None]:
    """The library's model without head, and its masked-LM head if that is trained."""
    from transformers import AutoModelForMaskedLM

    if arguments.model:
        model, report = AutoModelForMaskedLM.from_pretrained(arguments.model, output_loading_info=True)
        model = model.float().eval()
        trained = not any(name.startswith(("cls.", "lm_predictions.")) for name in report["missing_keys"])
        if model.config.legacy:
            return model.deberta, model.cls if trained else None
        embeddings = model.deberta.embeddings.word_embeddings
        return model.deberta, (lambda hidden: model.lm_predictions(hidden, embeddings)) if trained else None
    model = build(f"deberta:num_hidden_layers={arguments.layers}")
    for name, parameter in model.named_parameters():
        if "query_proj.weight" in name or "key_proj.weight" in name:
            parameter.data *= arguments.spread
    return model, None


def _pieces(arguments: argparse.Namespace, lengths: list[int]) -> dict[int, list[tuple[Tensor, Tensor]]]:
    """Pieces of every length, of the same words, as `_read` takes them. Texts shorter than the longest are left out."""
    if not (arguments.model and arguments.texts):
        return {n: [(torch.randint(5, VOCABULARY, (n,)), torch.full((n,), -100))] for n in lengths}
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    generator = torch.Generator().manual_seed(1)
    words_read = min(max(lengths) // n * (n - 2) for n in lengths)
    pieces: dict[int, list[tuple[Tensor, Tensor]]] = {n: [] for n in lengths}
    for text in read_texts(arguments.texts):
        words = torch.tensor(tokenizer(text["text"], add_special_tokens=False, verbose=False).input_ids)
        if len(words) < max(lengths) or len(pieces[max(lengths)]) == arguments.count:
            continue
        given, chosen = masked(words, tokenizer, generator)
        chosen[words_read:] = False  # beyond, not every length has a piece
        given, wanted = torch.where(chosen, given, words), torch.where(chosen, words, -100)
        for n in lengths:
            for start in range(0, max(lengths) // n * (n - 2), n - 2):
                ids, labels = given[start : start + n - 2], wanted[start : start + n - 2]
                ends = torch.tensor([tokenizer.cls_token_id]), torch.tensor([tokenizer.sep_token_id])
                pieces[n].append((torch.cat([ends[0], ids, ends[1]]), functional.pad(labels, (1, 1), value=-100)))
    if not pieces[lengths[0]]:
        raise SystemExit(
            f"{arguments.texts}: no text of {max(lengths)} tokens; give longer ones, or a smaller --tokens"
        )
    print(f"{len(pieces[max(lengths)])} texts, {words_read} words of each")
    return pieces


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
