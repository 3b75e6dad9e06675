"""Data2VecText with LSG attention. Load with `trust_remote_code=True`; the heads are the library's."""

from transformers.models.data2vec.configuration_data2vec_text import Data2VecTextConfig
from transformers.models.data2vec.modeling_data2vec_text import (
    Data2VecTextForCausalLM,
    Data2VecTextForMaskedLM,
    Data2VecTextForMultipleChoice,
    Data2VecTextForQuestionAnswering,
    Data2VecTextForSequenceClassification,
    Data2VecTextForTokenClassification,
    Data2VecTextModel,
)

from .lsg_bert_style import LSGBertStyleModel
from .lsg_heads import LSGHead


class LSGData2VecTextConfig(Data2VecTextConfig):
    """Data2VecText's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-data2vec-text"
    _auto_class = "AutoConfig"


class LSGData2VecTextModel(LSGBertStyleModel, Data2VecTextModel):
    """Data2VecText's encoder."""

    config_class = LSGData2VecTextConfig
    _auto_class = "AutoModel"


class LSGData2VecTextHead(LSGHead):
    """On Data2VecText's encoder."""

    config_class = LSGData2VecTextConfig
    lsg_model = LSGData2VecTextModel


class LSGData2VecTextForCausalLM(LSGData2VecTextHead, Data2VecTextForCausalLM):
    """Language modelling."""

    _auto_class = "AutoModelForCausalLM"


class LSGData2VecTextForMaskedLM(LSGData2VecTextHead, Data2VecTextForMaskedLM):
    """Masked language modelling."""

    _auto_class = "AutoModelForMaskedLM"


class LSGData2VecTextForSequenceClassification(LSGData2VecTextHead, Data2VecTextForSequenceClassification):
    """Classification or regression of whole texts."""

    _auto_class = "AutoModelForSequenceClassification"


class LSGData2VecTextForMultipleChoice(LSGData2VecTextHead, Data2VecTextForMultipleChoice):
    """Multiple choice."""

    _auto_class = "AutoModelForMultipleChoice"


class LSGData2VecTextForTokenClassification(LSGData2VecTextHead, Data2VecTextForTokenClassification):
    """Classification of tokens."""

    _auto_class = "AutoModelForTokenClassification"


class LSGData2VecTextForQuestionAnswering(LSGData2VecTextHead, Data2VecTextForQuestionAnswering):
    """Extractive question answering."""

    _auto_class = "AutoModelForQuestionAnswering"
