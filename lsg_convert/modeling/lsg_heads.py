"""Library heads on LSG models."""

from typing import Any


class LSGHead:
    """Mixed in before a library head: builds the head, then puts the family's LSG model under it."""

    lsg_model: type
    supports_gradient_checkpointing = True
    # 4.48 would put loaded parameters in the place of the old ones, which parts the tied biases of RoBERTa's LM head.
    _supports_param_buffer_assignment = False

    def __init__(self, config: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        library_model = getattr(self, self.base_model_prefix)
        without_pooler = getattr(library_model, "pooler", self) is None
        pooling = {"add_pooling_layer": False} if without_pooler else {}
        setattr(self, self.base_model_prefix, self.lsg_model(config, **pooling))
        self.post_init()
