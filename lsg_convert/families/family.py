"""What a family is: names, offsets and heads as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Config = Mapping[str, Any]
LSG_PREFIX = "lsg-"  # of the model_type of converted folders
PAIR_TYPE = "encoder-decoder"


def dense_model_type(config: Config) -> str:
    """The library's model_type of a configuration, a converted one too."""
    model_type = str(config.get("model_type"))
    name = model_type.removeprefix(LSG_PREFIX)
    return PAIR_TYPE if name != model_type and name.startswith(PAIR_TYPE) else name


@dataclass(frozen=True)
class PositionTable:
    """A position table: its tensor (below the base model's prefix) and the rows before position 0.

    A table of sinusoids names its formula in `positions.SINUSOIDS`; a checkpoint may lack it, the library computes it.
    Where the config decides whether it holds sinusoids, `is_sinusoidal` says so.
    One that a model of this configuration does not use may be in its checkpoint all the same.
    """

    tensor: str
    offset: Callable[[Config], int] = lambda config: 0
    sinusoid: str | None = None
    is_used: Callable[[Config], bool] | None = None  # None: always
    is_sinusoidal: Callable[[Config], bool] | None = None  # None: where there is a formula

    @property
    def kind(self) -> str:
        """What it holds in models of most configurations."""
        return "sinusoids" if self.sinusoid and self.is_sinusoidal is None else "learned"

    def formula(self, config: Config) -> str | None:
        """The formula of the sinusoids that a model of this configuration has; None where its rows are learned."""
        return self.sinusoid if self.is_sinusoidal is None or self.is_sinusoidal(config) else None


@dataclass(frozen=True)
class Rope:
    """The parameters of rotary positions in a configuration, of the layers that see all tokens.

    read: what the library calls rope parameters (`rope_type`, `rope_theta`, ...). written: the fields of a
    configuration that has others. head_width: how many numbers are turned.
    """

    read: Callable[[Config], Mapping[str, Any]]
    written: Callable[[Config, Mapping[str, Any]], Mapping[str, Any]]
    head_width: Callable[[Config], int]


@dataclass(frozen=True)
class Family:
    """A family of checkpoints that can be converted.

    Tensor names are those below the base model's prefix (`bert.`, `model.`), with or without which a checkpoint
    may come. Heads map a library class to the Auto class that loads it and to the tensors that only it has.
    """

    model_type: str
    title: str
    example: str
    modeling_file: str
    base_prefix: str
    base_class: str
    heads: Mapping[str, Head]
    word_embeddings: tuple[str, ...]
    global_embeddings: str
    positions: tuple[PositionTable, ...]
    type_tables: tuple[str, ...] = ()  # whose row 0 is added to every token of an input that names no types
    num_layers: str = "num_hidden_layers"
    layers: str = "encoder.layer"
    hidden_size: str = "hidden_size"
    embedding_size: str | None = None  # the config's field where embeddings may not be `hidden_size` wide
    num_heads: str = "num_attention_heads"
    head_width: str | None = None  # the config's field where heads are not hidden_size / num_heads wide
    # Without position tables: the config's field that names the length of training, and what it is where it is missing.
    trained_length: tuple[str, int] = ("n_positions", 512)
    # Whether queries and keys are turned by their positions where there is no table, and how they can be otherwise.
    rotary: bool = False
    rope: Rope | None = None
    # Of its layers, those that see near tokens only, and stay as they are: how many on each side.
    local_layers: Callable[[Config], Mapping[int, int]] = field(default=lambda config: {})
    # What a tensor of a checkpoint is called in a folder, below the base model: other than it is, or several times.
    names_here: Callable[[str, Config], tuple[str, ...]] = field(default=lambda name, config: (name,))
    own_fields: tuple[str, ...] = ()  # fields of its config that are called as LSG options are
    positions_field: str = "max_position_embeddings"  # the config's field that names their number
    global_bias: str | None = None  # the learned bias of scores towards globals, [heads]: new, and 0
    opens_with_bos: bool = True  # or with CLS
    tokenizer_class: str | None = None  # the library's choice where neither tokenizer nor config names one
    bos_tokenizers: tuple[str, ...] = ()  # tokenizer classes that open inputs with BOS where the family's do not
    # What global 0 is: the first of these that the tokenizer has. The mask token, where it is not a mask in name.
    first_token_roles: tuple[str, ...] = ("cls", "bos", "eos", "pad")
    mask_token: str | None = None
    is_seq2seq: bool = False
    obsolete_tensors: tuple[str, ...] = ()
    tied_head_tensors: tuple[str, ...] = ()
    always_tied: tuple[str, ...] = ()  # the word embeddings under other names, whatever the config says of ties
    former_heads: Mapping[str, str] = field(default_factory=dict)  # names that old configs have, and today's
    former_fields: Mapping[str, str] = field(default_factory=dict)  # the same of the config's fields
    word_scale: Callable[[Config], float] = field(default=lambda config: 1.0)
    # An encoder inside another model: where its configuration lies in the other's, and its own family.
    config_part: str | None = None
    inner: Family | None = None
    # Of a source that is long by itself: the LSG options, of its config and class, with which a converted model attends
    # as its source does, at every length. None of a source whose attention is full all the same.
    source_options: Callable[[Config, str], Mapping[str, Any]] | None = None
    # What a configuration says only by its length, to be said before that changes; and why a model cannot be converted.
    settled: Callable[[Config], Mapping[str, Any]] = field(default=lambda config: {})
    obstacle: Callable[[Config], str | None] = field(default=lambda config: None)
    backends_without: tuple[str, ...] = ()  # attention backends that cannot compute its scores
    modules: tuple[str, ...] = ()  # optional modules of `modeling/` that a folder has whatever its options
    knows_global_ends: bool = False  # whether its models can have automatic_globals="ends"
    # What `max_position_embeddings` counts beyond the tokens (RoBERTa: the rows up to its padding row).
    config_positions_offset: Callable[[Config], int] = field(default=lambda config: 0)

    def encoder_config(self, config: Config) -> Config:
        """The configuration that speaks of the encoder, in a checkpoint's."""
        return config if self.config_part is None else config[self.config_part]

    def positions_of(self, config: Config) -> tuple[PositionTable, ...]:
        """The position tables that a model of this configuration, an encoder's, has."""
        return tuple(table for table in self.positions if table.is_used is None or table.is_used(config))

    @property
    def lsg_model_type(self) -> str:
        """The `model_type` of a converted folder: the source's would let the library load it densely.

        A pair's names its encoder too, since that is part of its code.
        """
        return f"{LSG_PREFIX}{self.model_type.replace('/', '-')}"

    @property
    def global_can_be_bos(self) -> bool:
        """Whether a global can stand in for BOS: it needs BOS's position, of the embeddings or that of no rotation."""
        return self.rotary or bool(self.positions)

    @property
    def global_stands_in(self) -> bool:
        """Whether global 0 stands in for BOS or CLS; not where attention stays the source's own."""
        return self.opens_with_bos and self.global_can_be_bos and self.source_options is None

    def lsg_class(self, architecture: str) -> str:
        """Our class name for a library class name."""
        return f"LSG{architecture}"

    def auto_map(self) -> dict[str, str]:
        """Auto class → `module.Class` of every head, as `config.json` wants it."""
        entries = {"AutoConfig": f"{self.modeling_file}.LSG{self.base_class.removesuffix('Model')}Config"}
        entries |= {
            head.auto_class: f"{self.modeling_file}.{self.lsg_class(name)}" for name, head in self.heads.items()
        }
        return dict(sorted(entries.items()))


MOST_LAYERS = 10_000  # that a model can have


@dataclass(frozen=True)
class Head:
    """A library class: the Auto class that loads it, and prefixes of the tensors it adds to the base model."""

    auto_class: str
    tensors: tuple[str, ...] = ()


def library_model_type(config: Config, family: Family) -> str:
    """The library's model_type of a configuration, a converted one too; that of its family where it names none."""
    return dense_model_type(config) if config.get("model_type") else family.model_type.partition("/")[0]
