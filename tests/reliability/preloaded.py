"""What a conversion imports; loaded once, before `forked.py` forks."""

import huggingface_hub  # noqa: F401
import torch  # noqa: F401
import transformers  # noqa: F401
from transformers import AutoTokenizer, BertTokenizerFast  # noqa: F401
