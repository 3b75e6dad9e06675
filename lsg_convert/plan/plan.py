"""What a conversion will do, decided from config, tensor shapes and options alone: nothing is read or written.

This is what `--dry-run` and `inspect` print, and what `convert` carries out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import printable, read_json_object, safe_file
from lsg_convert.families import FAMILIES, Config, Family, family_of
from lsg_convert.families.unsupported import why_unsupported
from lsg_convert.modeling.lsg_options import LSGOptions
from lsg_convert.plan.architecture import choose_architecture, with_model_type
from lsg_convert.plan.attention import changed, exact_limit, lsg_options, notes_on
from lsg_convert.plan.config_values import check_config
from lsg_convert.plan.foreign_keys import refuse_quantized
from lsg_convert.plan.layout import Layout, check_shapes, find_layout
from lsg_convert.plan.options import DEFAULT_MAX_LEN, ConvertOptions
from lsg_convert.plan.positions import RowMix, rows_beyond
from lsg_convert.plan.rotary import positions_named, rescaled_config
from lsg_convert.plan.target_config import target_config
from lsg_convert.plan.tensor_plan import TensorPlan, plan_tensors
from lsg_convert.sources.checkpoint import Checkpoint

# Rules for global tokens that go by two texts, and the heads that read two.
_HEADS_OF_RULES = {"question": "AutoModelForQuestionAnswering", "choice": "AutoModelForMultipleChoice"}


@dataclass(frozen=True)
class Plan:
    """A conversion, decided."""

    family: Family
    architecture: str
    layout: Layout
    lsg: LSGOptions
    is_lsg_source: bool
    source_max_len: int
    max_len: int
    positions: str
    opens_with_bos: bool
    global_init: str
    tensors: tuple[TensorPlan, ...]
    dropped: tuple[str, ...]
    config: dict[str, Any]
    nbytes: int
    notes: tuple[str, ...] = field(default=())
    own_attention: Mapping[str, Any] = field(default_factory=dict)

    @property
    def global_is_bos(self) -> bool:
        """Whether global 0 can stand in for the first token of every input."""
        return self.opens_with_bos and self.family.global_can_be_bos and not self.own_attention

    @property
    def keeps_attention(self) -> bool:
        """Whether attention is the source's own at every length: a long one, with nothing changed."""
        return not self.is_lsg_source and bool(self.own_attention) and not changed(self.lsg, self.own_attention)

    @property
    def exact_limit(self) -> int:
        """Tokens up to which every token attends to every other here and in the source."""
        return exact_limit(self.lsg, self.own_attention)

    def rows_beyond(self, source_length: int) -> RowMix:
        """What the positions are made of that a table of `source_length` has not."""
        return rows_beyond(self.positions, source_length, self.max_len, self.opens_with_bos)

    def changes(self) -> list[dict[str, Any]]:
        """Tensors that are not copied byte for byte, and those left out."""
        changed = [
            {"tensor": tensor.name, "action": tensor.action, "shape": list(tensor.shape), "dtype": tensor.dtype}
            for tensor in self.tensors
            if tensor.action != "copy"
        ]
        return changed + [{"tensor": name, "action": "drop"} for name in self.dropped]

    def as_dict(self) -> dict[str, Any]:
        """The plan as plain data."""
        return {
            "family": self.family.model_type,
            "title": self.family.title,
            "architecture": self.family.lsg_class(self.architecture),
            "is_lsg_source": self.is_lsg_source,
            "source_max_len": self.source_max_len,
            "max_len": self.max_len,
            "positions": self.positions,
            "opens_with_bos": self.opens_with_bos,
            "global_init": self.global_init,
            "lsg": asdict(self.lsg),
            "tensors": {"total": len(self.tensors), "bytes": self.nbytes},
            "changes": self.changes(),
            "heads": {head.auto_class: self.family.lsg_class(name) for name, head in self.family.heads.items()},
            "notes": list(self.notes),
        }


def find_family(config: dict[str, Any]) -> Family:
    """The family of a checkpoint's config.

    Raises:
        RequestError: there is none; says why and what is supported.
    """
    family = family_of(config)
    if family is None:
        raise RequestError(
            f"{why_unsupported(config)}.",
            f"Supported: {', '.join(sorted(FAMILIES))}. `lsg-convert families` tells more.",
        )
    return family


def make_plan(checkpoint: Checkpoint, options: ConvertOptions) -> Plan:
    """Decide the conversion of `checkpoint`.

    Raises:
        RequestError: the family is not supported, the request contradicts the source, or the source itself.
    """
    checkpoint, notes = with_model_type(checkpoint, options.architecture)
    config = checkpoint.config
    refuse_quantized(config)
    family = find_family(config)
    check_config(config, {name: info.shape for name, info in checkpoint.tensors.items()})
    layout, encoder = find_layout(checkpoint, family), family.encoder_config(config)
    is_lsg_source = layout.global_embeddings in checkpoint.tensors
    bos = opens_with_bos(checkpoint, family)
    architecture, said = choose_architecture(checkpoint, family, options.architecture)
    notes += said
    own = _own_options(family, architecture, config)
    stands_in = bos and family.global_can_be_bos and not own
    lsg = lsg_options(family, config, options, {} if is_lsg_source else own, is_lsg_source, stands_in)
    source_max_len = check_shapes(checkpoint, family, layout)
    max_len = _max_len(options, source_max_len, is_lsg_source or bool(own))
    _check_automatic_globals(family, architecture, options)
    _check_encoder(family, encoder)
    positions = positions_named(family, encoder, options.positions, bos)
    rope, said = rescaled_config(family, encoder, positions, source_max_len, max_len)
    notes += [*said, *notes_on(options, lsg, own, is_lsg_source)]
    tensors, dropped = plan_tensors(checkpoint, family, layout, options, max_len, is_lsg_source)
    sizes = {name: info.nbytes for name, info in checkpoint.tensors.items()}
    nbytes = sum(sizes[tensor.source or ""] if tensor.action == "copy" else tensor.nbytes for tensor in tensors)
    return Plan(
        family=family,
        architecture=architecture,
        layout=layout,
        lsg=lsg,
        is_lsg_source=is_lsg_source,
        source_max_len=source_max_len,
        max_len=max_len,
        positions=positions,
        opens_with_bos=bos,
        global_init=_global_init(bool(family.positions_of(encoder)), options, is_lsg_source),
        tensors=tensors,
        dropped=dropped,
        config=target_config(config, family, architecture, lsg, max_len, options.dtype, rope),
        nbytes=nbytes,
        notes=tuple(notes),
        own_attention=own,
    )


def _check_encoder(family: Family, encoder: Config) -> None:
    """Raise RequestError for what is no encoder, or none that can be converted."""
    if encoder.get("is_decoder"):
        raise RequestError(
            f"this {family.title} checkpoint is a decoder (is_decoder=true): LSG attention looks both ways.",
            "Convert the encoder checkpoint, or set is_decoder to false in its config.json.",
        )
    obstacle = family.obstacle(encoder)
    if obstacle is not None:
        raise RequestError(
            f"this {family.title} checkpoint cannot be converted: {obstacle}.", "Convert another checkpoint."
        )


def opens_with_bos(checkpoint: Checkpoint, family: Family) -> bool:
    """Whether inputs open with BOS or CLS: as the family's do, unless the tokenizer is of another class."""
    settings = [checkpoint.config]
    if family.bos_tokenizers and (checkpoint.folder / "tokenizer_config.json").is_file():
        settings.append(read_json_object(safe_file(checkpoint.folder, "tokenizer_config.json")))
    classes = {str(setting.get("tokenizer_class")).removesuffix("Fast") for setting in settings}
    return family.opens_with_bos or bool(classes & {*family.bos_tokenizers})


def _own_options(family: Family, architecture: str, config: dict[str, Any]) -> dict[str, Any]:
    """The options with which attention is the source's own, of a source that is long by itself; else none.

    Raises:
        RequestError: the source's configuration contradicts itself.
    """
    if family.source_options is None:
        return {}
    own = dict(family.source_options(family.encoder_config(config), architecture))
    try:
        LSGOptions(**own).validate()
    except (TypeError, ValueError) as error:
        raise RequestError(
            f"config.json: {printable(error)}", "Restore the config.json that belongs to these weights."
        ) from error
    return own


def _check_automatic_globals(family: Family, architecture: str, options: ConvertOptions) -> None:
    """Raise RequestError where a rule is asked for that is not the family's, or needs a head for two texts."""
    rule = options.automatic_globals
    if rule == "ends" and not family.knows_global_ends:
        able = ", ".join(sorted(name for name, each in FAMILIES.items() if each.knows_global_ends))
        raise RequestError(f"--automatic-globals ends is for {able}; this is {family.title}.", "Leave it out.")
    wanted = _HEADS_OF_RULES.get(rule or "")
    if wanted is not None and family.heads[architecture].auto_class != wanted:
        raise RequestError(
            f"--automatic-globals {rule} is for models that read two texts ({wanted}); this one is a {architecture}.",
            "Leave it out, or name such a class with --architecture.",
        )


def _max_len(options: ConvertOptions, source_max_len: int, is_long: bool) -> int:
    max_len = options.max_len
    if max_len is None:
        max_len = source_max_len if is_long else max(DEFAULT_MAX_LEN, source_max_len)
    if max_len < source_max_len:
        raise RequestError(
            f"--max-len {max_len} is below the source's own {source_max_len} tokens.",
            f"Give {source_max_len} or more; shorter inputs always work.",
        )
    return max_len


def _global_init(has_table: bool, options: ConvertOptions, is_lsg_source: bool) -> str:
    if is_lsg_source and options.global_init is None:
        return "keep"
    # Where positions do not tell them apart, mask tokens would be one and the same global, and stay so in training.
    return options.global_init or ("mask" if has_table else "random")
