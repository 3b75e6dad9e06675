"""Making the library know our classes by their `model_type`, as it knows its own."""

from typing import Any

import transformers


def register_classes(config_class: Any, *model_classes: Any) -> None:
    """Register a configuration class, and each model class with the Auto class that loads it.

    Configurations that are nested in others find their classes then, and tokenizers are loaded without a question.
    """
    transformers.AutoConfig.register(config_class.model_type, config_class, exist_ok=True)
    for model_class in model_classes:
        getattr(transformers, model_class._auto_class).register(config_class, model_class, exist_ok=True)
