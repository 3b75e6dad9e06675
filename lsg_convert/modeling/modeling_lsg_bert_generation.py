"""BertGeneration with LSG attention in its encoder. Load with `trust_remote_code=True`."""

from transformers.models.bert_generation.configuration_bert_generation import BertGenerationConfig
from transformers.models.bert_generation.modeling_bert_generation import BertGenerationDecoder, BertGenerationEncoder

from .lsg_bert_style import LSGBertStyleModel
from .lsg_heads import LSGHead


class LSGBertGenerationEncoderConfig(BertGenerationConfig):
    """BertGeneration's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-bert-generation"
    _auto_class = "AutoConfig"


class LSGBertGenerationEncoder(LSGBertStyleModel, BertGenerationEncoder):
    """BertGeneration's encoder."""

    config_class = LSGBertGenerationEncoderConfig
    _auto_class = "AutoModel"

    has_token_types = False


class LSGBertGenerationDecoder(LSGHead, BertGenerationDecoder):
    """Language modelling."""

    config_class = LSGBertGenerationEncoderConfig
    _auto_class = "AutoModelForCausalLM"

    lsg_model = LSGBertGenerationEncoder
