"""What a conversion imports; loaded once, before `forked.py` forks."""

import huggingface_hub  # noqa: F401
import torch  # noqa: F401
import transformers  # noqa: F401
from transformers import AutoTokenizer, BertTokenizerFast  # noqa: F401

import lsg_convert.cli.main
import lsg_convert.conversion
import lsg_convert.folder.card
import lsg_convert.folder.publish
import lsg_convert.folder.tensors
import lsg_convert.plan.special_tokens  # noqa: F401
