"""A small trained DeBERTa (v3's settings), made of a trained BERT where none can be downloaded:

    python benchmarks/deberta_from_bert.py BERT_FOLDER --train texts.jsonl squad.json --hold-out ID,ID --output deberta

Words, projections, feed-forward layers, norms and the masked-LM head are BERT's. Queries are multiplied by √3, since
DeBERTa divides its scores by √(3·width). Position and token-type rows give way to their mean, added to the words, and
distances get a table of their own, which starts as BERT's position rows. Then masked-LM training, all weights, with a
second term: the mean square of the differences to BERT's hidden states after each layer (off: `--teacher 0`). That
term says more about each token than the words alone, and there is little time. The texts of `--hold-out` are not
trained on: the loss on them is printed before and after, BERT's beside it, and they are written to `held_out.jsonl`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from masked_words import masked, read_texts, token_rows, words_loss  # noqa: E402

V3 = {
    "relative_attention": True, "position_buckets": 256, "max_relative_positions": 512, "share_att_key": True,
    "norm_rel_ebd": "layer_norm", "pos_att_type": ["p2c", "c2p"], "position_biased_input": False, "type_vocab_size": 0,
}  # fmt: skip
RENAMED = {"self.query.": "self.query_proj.", "self.key.": "self.key_proj.", "self.value.": "self.value_proj."}


def main() -> None:
    """Make it, train it, and print the losses."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bert", type=Path, help="a folder with a BertForMaskedLM and its tokenizer")
    parser.add_argument("--train", type=Path, nargs="+", required=True, help='JSONL with "text", or SQuAD files')
    parser.add_argument("--hold-out", default="", help='"id" of texts to measure on, separated by commas')
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=140)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--rate", type=float, default=5e-4, help="learning rate at its highest")
    parser.add_argument("--table-rate", type=float, default=5e-3, help="of the table of distances")
    parser.add_argument("--teacher", type=float, default=1.0, help="weight of the term of hidden states")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    from transformers import AutoTokenizer, BertForMaskedLM

    tokenizer = AutoTokenizer.from_pretrained(arguments.bert)
    bert = BertForMaskedLM.from_pretrained(arguments.bert, dtype=torch.float32).eval()
    texts = [text for path in arguments.train for text in read_texts(path)]
    names = set(filter(None, arguments.hold_out.split(",")))
    held_out = [text for text in texts if text["id"] in names]
    rows = token_rows(tokenizer, (text["text"] for text in texts if text["id"] not in names), arguments.tokens)
    unseen = token_rows(tokenizer, (text["text"] for text in held_out), arguments.tokens)[::4]
    print(f"{rows.numel():,} tokens to train on, {unseen.numel():,} to measure on")
    model = deberta_of(bert)
    print(f"loss on held-out texts: BERT {words_loss(bert, unseen, tokenizer):.3f}, ", end="")
    print(f"DeBERTa before training {words_loss(model, unseen, tokenizer):.3f}", flush=True)
    train(model, bert, rows, tokenizer, arguments)
    model.save_pretrained(arguments.output)
    tokenizer.save_pretrained(arguments.output)
    lines = (json.dumps(text) + "\n" for text in held_out)
    (arguments.output / "held_out.jsonl").write_text("".join(lines), encoding="utf-8")
    print(f"loss on held-out texts: DeBERTa after training {words_loss(model, unseen, tokenizer):.3f}", flush=True)
    table = model.deberta.encoder.rel_embeddings.weight.data
    table.copy_(table.mean(0, keepdim=True))
    print(f"the same with one row for all distances: {words_loss(model, unseen, tokenizer):.3f}")


def deberta_of(bert: Any) -> Any:
    """A DebertaV2ForMaskedLM with BERT's weights and a table of distances that starts as BERT's position rows."""
    from transformers import DebertaV2Config, DebertaV2ForMaskedLM

    names = ["vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act"]
    names += ["layer_norm_eps", "max_position_embeddings", "pad_token_id"]
    shape = {name: getattr(bert.config, name) for name in names}
    model = DebertaV2ForMaskedLM(DebertaV2Config(**shape, **V3)).eval()
    tensors = {}
    for name, tensor in bert.state_dict().items():
        for old, new in RENAMED.items():
            name = name.replace(old, new)
        tensors[name.replace("bert.", "deberta.", 1)] = tensor * 3**0.5 if "query_proj" in name else tensor
    positions = tensors.pop("deberta.embeddings.position_embeddings.weight")
    kinds = tensors.pop("deberta.embeddings.token_type_embeddings.weight")
    words = tensors.pop("deberta.embeddings.word_embeddings.weight")
    # The same vector on all words: the head, which shares them, adds the same number to every logit.
    tensors["deberta.embeddings.word_embeddings.weight"] = words + kinds[0] + positions[1:].mean(0)
    tensors.pop("cls.predictions.decoder.weight")
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    print(f"not from BERT: {', '.join(missing)}; left over: {', '.join(unexpected) or 'nothing'}")
    with torch.no_grad():
        table = model.deberta.encoder.rel_embeddings.weight
        model.deberta.encoder.LayerNorm.weight.fill_(0.3)  # At 1 they drown what the words say to each other.
        table.copy_(functional.interpolate(positions.T[None], size=len(table), mode="linear")[0].T)
    return model


def train(model: Any, bert: Any, rows: Tensor, tokenizer: Any, arguments: argparse.Namespace) -> None:
    """Masked-LM training in bfloat16 autocast, without dropout: the model stays in eval mode."""
    encoder = model.deberta.encoder
    table = [encoder.rel_embeddings.weight, *encoder.LayerNorm.parameters()]
    others = [weight for weight in model.parameters() if all(weight is not one for one in table)]
    groups = [{"params": others, "lr": arguments.rate}, {"params": table, "lr": arguments.table_rate}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [group["lr"] for group in groups], arguments.steps, pct_start=0.1, cycle_momentum=False
    )
    generator = torch.Generator().manual_seed(0)
    order = torch.cat([torch.randperm(len(rows), generator=generator) for _ in range(99)])
    start, shown = time.monotonic(), torch.zeros(2)
    for step in range(arguments.steps):
        wanted = rows[order[step * arguments.batch :][: arguments.batch]]
        given, chosen = masked(wanted, tokenizer, generator)
        with torch.autocast("cpu", torch.bfloat16):
            ours = model.deberta(given, output_hidden_states=True)
            words = functional.cross_entropy(model.cls(ours[0][chosen]).float(), wanted[chosen])
            apart = torch.zeros(())
            if arguments.teacher:
                with torch.no_grad():
                    taught = bert.bert(given, output_hidden_states=True).hidden_states
                pairs = zip(ours.hidden_states[1:], taught[1:], strict=True)
                apart = torch.stack([functional.mse_loss(one.float(), other.float()) for one, other in pairs]).mean()
        (words + arguments.teacher * apart).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        shown += torch.stack([words, apart]).detach()
        if (step + 1) % 10 == 0:
            loss, distance = (shown / 10).tolist()
            seconds = time.monotonic() - start
            print(f"step {step + 1}: loss {loss:.3f}, to BERT {distance:.4f}, {seconds:.0f} s", flush=True)
            shown.zero_()


if __name__ == "__main__":
    main()
