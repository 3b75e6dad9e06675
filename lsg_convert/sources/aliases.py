"""Well-known short names of checkpoints, and the Hub ids they stand for."""

from __future__ import annotations

import difflib

ALIASES: dict[str, str] = {
    "bert-base": "google-bert/bert-base-uncased",
    "bert-base-uncased": "google-bert/bert-base-uncased",
    "bert-base-cased": "google-bert/bert-base-cased",
    "bert-large": "google-bert/bert-large-uncased",
    "bert-large-uncased": "google-bert/bert-large-uncased",
    "bert-large-cased": "google-bert/bert-large-cased",
    "bert-base-multilingual-cased": "google-bert/bert-base-multilingual-cased",
    "bert-base-multilingual-uncased": "google-bert/bert-base-multilingual-uncased",
    "bert-base-german-cased": "google-bert/bert-base-german-cased",
    "bert-base-chinese": "google-bert/bert-base-chinese",
    "mbert": "google-bert/bert-base-multilingual-cased",
    "scibert": "allenai/scibert_scivocab_uncased",
    "legal-bert": "nlpaueb/legal-bert-base-uncased",
    "biobert": "dmis-lab/biobert-base-cased-v1.2",
    "finbert": "ProsusAI/finbert",
    "roberta-base": "FacebookAI/roberta-base",
    "roberta-large": "FacebookAI/roberta-large",
    "distilroberta-base": "distilbert/distilroberta-base",
    "xlm-roberta-base": "FacebookAI/xlm-roberta-base",
    "xlm-roberta-large": "FacebookAI/xlm-roberta-large",
    "xlmr-base": "FacebookAI/xlm-roberta-base",
    "xlmr-large": "FacebookAI/xlm-roberta-large",
    "camembert": "almanach/camembert-base",
    "camembert-base": "almanach/camembert-base",
    "camembert-large": "almanach/camembert-large",
    "camembertv2-base": "almanach/camembertv2-base",
    "camembertav2-base": "almanach/camembertav2-base",
    "flaubert-base-cased": "flaubert/flaubert_base_cased",
    "flaubert-large-cased": "flaubert/flaubert_large_cased",
    "xlm-mlm-en-2048": "FacebookAI/xlm-mlm-en-2048",
    "rembert": "google/rembert",
    "distilbert-base": "distilbert/distilbert-base-uncased",
    "distilbert-base-uncased": "distilbert/distilbert-base-uncased",
    "distilbert-base-cased": "distilbert/distilbert-base-cased",
    "distilbert-base-multilingual-cased": "distilbert/distilbert-base-multilingual-cased",
    "albert-base": "albert/albert-base-v2",
    "albert-base-v2": "albert/albert-base-v2",
    "albert-large-v2": "albert/albert-large-v2",
    "electra-small": "google/electra-small-discriminator",
    "electra-base": "google/electra-base-discriminator",
    "electra-large": "google/electra-large-discriminator",
    "bart-base": "facebook/bart-base",
    "bart-large": "facebook/bart-large",
    "bart-large-cnn": "facebook/bart-large-cnn",
    "bart-large-xsum": "facebook/bart-large-xsum",
    "bart-large-mnli": "facebook/bart-large-mnli",
    "distilbart-cnn": "sshleifer/distilbart-cnn-12-6",
    "longformer-base-4096": "allenai/longformer-base-4096",
    "longformer-large-4096": "allenai/longformer-large-4096",
    "led-base-16384": "allenai/led-base-16384",
    "led-large-16384": "allenai/led-large-16384",
    "deberta-base": "microsoft/deberta-base",
    "deberta-large": "microsoft/deberta-large",
    "deberta-v2-xlarge": "microsoft/deberta-v2-xlarge",
    "deberta-v3-xsmall": "microsoft/deberta-v3-xsmall",
    "deberta-v3-small": "microsoft/deberta-v3-small",
    "deberta-v3-base": "microsoft/deberta-v3-base",
    "deberta-v3-large": "microsoft/deberta-v3-large",
    "mdeberta-v3-base": "microsoft/mdeberta-v3-base",
    "modernbert-base": "answerdotai/ModernBERT-base",
    "modernbert-large": "answerdotai/ModernBERT-large",
    "esm2-8m": "facebook/esm2_t6_8M_UR50D",
    "esm2-35m": "facebook/esm2_t12_35M_UR50D",
    "esm2-150m": "facebook/esm2_t30_150M_UR50D",
    "esm2-650m": "facebook/esm2_t33_650M_UR50D",
    "barthez": "moussaKam/barthez",
    "mbarthez": "moussaKam/mbarthez",
    "mbart-large-cc25": "facebook/mbart-large-cc25",
    "mbart-large-50": "facebook/mbart-large-50",
    "pegasus-large": "google/pegasus-large",
    "pegasus-xsum": "google/pegasus-xsum",
    "pegasus-cnn_dailymail": "google/pegasus-cnn_dailymail",
    "bigbird": "google/bigbird-roberta-base",
    "bigbird-roberta-base": "google/bigbird-roberta-base",
    "bigbird-roberta-large": "google/bigbird-roberta-large",
    "bigbird-pegasus-large-arxiv": "google/bigbird-pegasus-large-arxiv",
    "bigbird-pegasus-large-pubmed": "google/bigbird-pegasus-large-pubmed",
    "bigbird-pegasus-large-bigpatent": "google/bigbird-pegasus-large-bigpatent",
    "minilm": "sentence-transformers/all-MiniLM-L6-v2",
    "all-minilm-l6-v2": "sentence-transformers/all-MiniLM-L6-v2",
    "all-minilm-l12-v2": "sentence-transformers/all-MiniLM-L12-v2",
    "all-mpnet-base-v2": "sentence-transformers/all-mpnet-base-v2",
    "all-distilroberta-v1": "sentence-transformers/all-distilroberta-v1",
    "paraphrase-multilingual-minilm-l12-v2": "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2",
}


def resolve_alias(name: str) -> str | None:
    """The Hub id that a short name stands for, whatever its case; None when it is no short name."""
    return ALIASES.get(name.lower())


def near_matches(name: str, limit: int = 3) -> list[str]:
    """Short names and Hub ids that look like `name`, best first."""
    wanted = name.lower()
    spelled = {alias: alias for alias in ALIASES} | {repo_id.lower(): repo_id for repo_id in ALIASES.values()}
    found = difflib.get_close_matches(wanted, spelled, n=limit, cutoff=0.6)
    if not found and "/" in wanted:  # the owner is misspelled, or another one's copy is meant
        found = difflib.get_close_matches(wanted.rsplit("/", 1)[1], ALIASES, n=limit, cutoff=0.6)
    return [spelled[match] for match in found]
