"""X-MOD with LSG attention. Load with `trust_remote_code=True`; the heads are the library's."""

from transformers.models.xmod.configuration_xmod import XmodConfig
from transformers.models.xmod.modeling_xmod import (
    XmodForCausalLM,
    XmodForMaskedLM,
    XmodForMultipleChoice,
    XmodForQuestionAnswering,
    XmodForSequenceClassification,
    XmodForTokenClassification,
    XmodModel,
)

from .lsg_adapters import LSGAdaptedModel
from .lsg_heads import LSGHead


class LSGXmodConfig(XmodConfig):
    """X-MOD's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-xmod"
    _auto_class = "AutoConfig"


class LSGXmodModel(LSGAdaptedModel, XmodModel):
    """X-MOD's encoder."""

    config_class = LSGXmodConfig
    _auto_class = "AutoModel"


class LSGXmodHead(LSGHead):
    """On X-MOD's encoder."""

    config_class = LSGXmodConfig
    lsg_model = LSGXmodModel


class LSGXmodForCausalLM(LSGXmodHead, XmodForCausalLM):
    """Language modelling."""

    _auto_class = "AutoModelForCausalLM"


class LSGXmodForMaskedLM(LSGXmodHead, XmodForMaskedLM):
    """Masked language modelling."""

    _auto_class = "AutoModelForMaskedLM"


class LSGXmodForSequenceClassification(LSGXmodHead, XmodForSequenceClassification):
    """Classification or regression of whole texts."""

    _auto_class = "AutoModelForSequenceClassification"


class LSGXmodForMultipleChoice(LSGXmodHead, XmodForMultipleChoice):
    """Multiple choice."""

    _auto_class = "AutoModelForMultipleChoice"


class LSGXmodForTokenClassification(LSGXmodHead, XmodForTokenClassification):
    """Classification of tokens."""

    _auto_class = "AutoModelForTokenClassification"


class LSGXmodForQuestionAnswering(LSGXmodHead, XmodForQuestionAnswering):
    """Extractive question answering."""

    _auto_class = "AutoModelForQuestionAnswering"
