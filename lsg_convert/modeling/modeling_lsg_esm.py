"""ESM with LSG attention. Load with `trust_remote_code=True`; the heads are the library's."""

from transformers.models.esm.configuration_esm import EsmConfig
from transformers.models.esm.modeling_esm import (
    EsmForMaskedLM,
    EsmForSequenceClassification,
    EsmForTokenClassification,
    EsmModel,
)

from .lsg_esm_style import LSGEsmStyleModel
from .lsg_heads import LSGHead


class LSGEsmConfig(EsmConfig):
    """ESM's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-esm"
    _auto_class = "AutoConfig"


class LSGEsmModel(LSGEsmStyleModel, EsmModel):
    """ESM's encoder."""

    config_class = LSGEsmConfig
    _auto_class = "AutoModel"


class LSGEsmHead(LSGHead):
    """On ESM's encoder."""

    config_class = LSGEsmConfig
    lsg_model = LSGEsmModel


class LSGEsmForMaskedLM(LSGEsmHead, EsmForMaskedLM):
    """Masked language modelling."""

    _auto_class = "AutoModelForMaskedLM"


class LSGEsmForSequenceClassification(LSGEsmHead, EsmForSequenceClassification):
    """Classification or regression of whole sequences."""

    _auto_class = "AutoModelForSequenceClassification"


class LSGEsmForTokenClassification(LSGEsmHead, EsmForTokenClassification):
    """Classification of residues."""

    _auto_class = "AutoModelForTokenClassification"
