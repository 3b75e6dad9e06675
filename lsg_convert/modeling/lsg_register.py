"""Making the libraries know our classes by their `model_type`, as they know the source's."""

import sys
from typing import Any

import transformers


def register_classes(config_class: Any, *model_classes: Any) -> None:
    """Register a configuration class, and each model class with the Auto class that loads it.

    Configurations that are nested in others find their classes then, and tokenizers are loaded without a question.
    PEFT, where it is imported already, adapts by default the modules that it adapts in the source.
    """
    transformers.AutoConfig.register(config_class.model_type, config_class, exist_ok=True)
    for model_class in model_classes:
        getattr(transformers, model_class._auto_class).register(config_class, model_class, exist_ok=True)
    source_type = super(config_class, config_class).model_type
    peft_defaults = sys.modules.get("peft.utils.constants")
    for table in vars(peft_defaults).values() if peft_defaults else ():
        if isinstance(table, dict) and source_type in table:
            table.setdefault(config_class.model_type, table[source_type])
