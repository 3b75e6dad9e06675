"""`benchmarks/deberta_from_bert.py`: the DeBERTa computes what its BERT does, as far as no positions are involved."""

import torch
from transformers import BertConfig, BertForMaskedLM

from benchmarks.deberta_from_bert import deberta_of


def test_without_positions_it_is_the_same_model():
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    bert = BertForMaskedLM(BertConfig(vocab_size=99, **shape, initializer_range=0.5)).eval()
    for name, parameter in bert.named_parameters():
        if parameter.ndim == 1 and "LayerNorm" not in name:
            parameter.data.normal_()
        if "query.bias" in name:
            parameter.data.zero_()  # DeBERTa adds it to keys through the table of distances too
    model = deberta_of(bert)
    model.deberta.encoder.LayerNorm.weight.data.zero_()  # all rows of the table are then zeros
    positions = bert.bert.embeddings.position_embeddings.weight.data
    positions.copy_(positions[1:].mean(0, keepdim=True).expand_as(positions))
    ids = torch.randint(5, 99, (2, 40))
    with torch.inference_mode():
        ours, wanted = model(ids).logits.log_softmax(-1), bert(ids).logits.log_softmax(-1)
    assert wanted.std() > 1  # no flat distribution, which anything equals
    assert (ours - wanted).abs().max() < 5e-5
