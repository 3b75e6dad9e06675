"""What is verified: a converted folder and its source, with the models and inputs that checks ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any

from lsg_convert.common.errors import LSGConvertError
from lsg_convert.common.files import printable
from lsg_convert.common.progress import Reporter, SilentReporter
from lsg_convert.folder.auxiliary_files import has_tokenizer
from lsg_convert.modeling.lsg_options import SEPARATED
from lsg_convert.plan.rotary import is_rescaled
from lsg_convert.verification import loading
from lsg_convert.verification.facts import Facts
from lsg_convert.verification.inputs import Inputs, takes_targets
from lsg_convert.verification.limits import Limits
from lsg_convert.verification.models import Models
from lsg_convert.verification.settings import DTYPE_BYTES, Settings
from lsg_convert.verification.stranger_launch import StrangerProcess
from lsg_convert.verification.texts import Text


@dataclass(frozen=True)
class SavedWeights:
    """How many of a folder's tensors have their source's values, how many do not and by how much, how many are new."""

    equal: int
    different: int
    new: int
    largest: float

    @property
    def text(self) -> str:
        """What was found, in a few words."""
        words = [f"{self.equal} tensors have its values"] * bool(self.equal)
        words += [f"{self.different} differ, by at most {self.largest:.2g}"] * bool(self.different)
        words += [f"{self.new} are new"] * bool(self.new)
        return ", ".join(words)


@dataclass
class Subject(Facts):
    """A converted folder under verification. `no_source` says why there is no source, where there is none.

    `stranger` waits to be asked, where it was started early. `pause` is called where a long check may be interrupted.
    `fresh` is a folder that this process has just written: what was hashed then is not hashed again.
    Of a model that was saved again, `compared` is what became of its weights; with `own_weights` it is its own source,
    since no other has them.
    """

    text: Text
    settings: Settings
    no_source: str = "no source"
    fresh: bool = False
    own_weights: bool = False
    compared: SavedWeights | None = None
    stranger: StrangerProcess | None = None
    pause: Callable[[], None] = lambda: None
    reporter: Reporter = field(default_factory=SilentReporter)
    _remembered: dict[str, Any] = field(default_factory=dict)

    def lacks(self, need: str) -> str | None:
        """Why `need` (weights, source, code) is unavailable, None when it is available."""
        reasons = {
            "weights": lambda: self._lacks_weights,
            "source": lambda: self._lacks_source,
            "code": lambda: self._lacks_code,
            "tokenizer": lambda: self._lacks_tokenizer,
        }
        return reasons[need]()

    @property
    def no_parity(self) -> str | None:
        """Why the source does not compute what the folder's model is to compute; None where it does."""
        if self.own_weights:
            return self.record.saved.sentence if self.record.saved else "its weights are its own"
        return self.other_positions

    @property
    def other_positions(self) -> str | None:
        """What tells positions from the source's at every length; None where nothing does."""
        if is_rescaled(self.record.positions):
            return f"its rotary positions are others than the source's (--positions {self.record.positions})"
        return None

    @cached_property
    def _lacks_weights(self) -> str | None:
        error = _failure(lambda: self.weights)
        return None if error is None else f"the folder's weights cannot be read: {error}"

    @cached_property
    def _lacks_source(self) -> str | None:
        if self.source is None:
            return self.no_source
        error = _failure(lambda: self.plan)
        return None if error is None else f"the source cannot be used: {error}"

    @cached_property
    def _lacks_code(self) -> str | None:
        error = _failure(lambda: self.code)
        return error or self.code.why_not(self.settings.trust_remote_code)

    @cached_property
    def _lacks_tokenizer(self) -> str | None:
        return "the folder has no tokenizer" if not has_tokenizer(self.folder) else None

    @cached_property
    def models(self) -> Models:
        """The two models."""
        cast = self.options.dtype
        return Models(
            folder=self.folder,
            source_folder=None if self.source is None else self.source.folder,
            code=lambda: self.code,
            trusted=self.settings.trust_remote_code,
            family=self.family,
            architecture=self.architecture,
            dtype=self.settings.dtype,
            device=self.settings.device,
            cast=None if cast == "keep" else cast,
            reporter=self.reporter,
        )

    @cached_property
    def tokenizer(self) -> Any:
        """The folder's tokenizer."""
        return loading.load_tokenizer(self.folder, self.family, self._texts, proven=self.fresh)

    @cached_property
    def source_tokenizer(self) -> Any:
        """The source's tokenizer; that of a fresh folder has been made from the same files, and tried."""
        assert self.source is not None
        return loading.load_tokenizer(self.source.folder, self.family, self._texts, proven=self.fresh)

    @property
    def _texts(self) -> list[str]:
        return [self.text.starting_with(0)[1]]

    @cached_property
    def inputs(self) -> Inputs:
        """The maker of inputs."""
        rows = self.encoder_config.get("vocab_size")
        return Inputs(
            tokenizer=self.tokenizer,
            text=self.text,
            rows=rows if isinstance(rows, int) else None,
            decoder_start=self.decoder_start if takes_targets(self.family, self.architecture) else None,
            as_choices=self.auto_class == "AutoModelForMultipleChoice",
            after_question=self.lsg.automatic_globals in SEPARATED,
            device=self.settings.device,
        )

    @property
    def limits(self) -> Limits:
        """How much memory a check may take."""
        return Limits(self.settings.max_memory)

    def model_bytes(self, models: int = 1) -> int:
        """About the memory of `models` loaded models."""
        elements = sum(prod(info.shape) for info in self.weights.tensors.values())
        return models * elements * DTYPE_BYTES[self.settings.dtype]

    def logit_bytes(self, rows: int) -> int:
        """The memory of `rows` rows of logits over the vocabulary, or of hidden states where those are wider."""
        width = max(self.encoder_config.get("vocab_size") or 1, self.width)
        return rows * width * DTYPE_BYTES[self.settings.dtype]

    def remember(self, name: str | None, compute: Callable[[], Any]) -> Any:
        """What `compute` gives, computed once under a name; anew without one."""
        if name is None:
            return compute()
        if name not in self._remembered:
            self._remembered[name] = compute()
        return self._remembered[name]

    def forget(self) -> None:
        """Forget what was remembered: what is computed from now on need not be rounded the same way."""
        self._remembered.clear()

    def free(self) -> None:
        """Free the memory of the models, and of what was remembered."""
        self.models.release_source()
        self.models.release_converted()
        self.forget()


def _failure(action: Callable[[], Any]) -> str | None:
    try:
        action()
    except LSGConvertError as error:
        return error.message
    except Exception as error:
        return f"{type(error).__name__}: {printable(error, 300)}"
    return None
