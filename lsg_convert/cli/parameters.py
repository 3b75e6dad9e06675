"""Parameters that several commands share, each with the help text that documents it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

SOURCE_PANEL = "Where the source comes from"
ATTENTION_PANEL = "Attention"
GLOBALS_PANEL = "Global tokens"
OUTPUT_PANEL = "Output"
RUN_PANEL = "This run"

Backend = Literal["auto", "sdpa", "flex", "cpp"]
SparsityType = Literal["norm", "pooling", "bos_pooling", "lsh", "stride", "block_stride", "none"]

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A folder, a well-known short name (bart-base), or a Hub id (facebook/bart-base).",
        show_default=False,
    ),
]
Revision = Annotated[
    str | None,
    typer.Option(help="Branch, tag or commit of a Hub source.", rich_help_panel=SOURCE_PANEL, show_default=False),
]
Token = Annotated[
    str | None,
    typer.Option(
        help="Hub token for private or gated repositories. Default: HF_TOKEN, or what `hf auth login` stored. "
        "It is never written or shown anywhere.",
        rich_help_panel=SOURCE_PANEL,
        show_default=False,
    ),
]
CacheDir = Annotated[
    Path | None,
    typer.Option(
        help="Where Hub downloads are kept. Default: the Hub library's own cache.",
        rich_help_panel=SOURCE_PANEL,
        show_default=False,
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object on stdout and nothing else there.", rich_help_panel=RUN_PANEL),
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="No progress and no hints: results and errors only.", rich_help_panel=RUN_PANEL),
]

MaxLen = Annotated[
    int | None,
    typer.Option(
        "--max-len",
        help="Tokens the converted model can take. Default: 4096; for a source that is LSG already, its own length.",
        show_default=False,
    ),
]
BlockSize = Annotated[
    int | None,
    typer.Option(
        help="Tokens a block. A token sees its own block and both neighbours; inputs of up to two blocks get "
        "full attention. Default: 128.",
        show_default=False,
        rich_help_panel=ATTENTION_PANEL,
    ),
]
SparseBlockSize = Annotated[
    int | None,
    typer.Option(
        help="Sparse entries a block sees on each side, beyond the local ones. 0: none. Default: 128.",
        show_default=False,
        rich_help_panel=ATTENTION_PANEL,
    ),
]
SparsityFactor = Annotated[
    int | None,
    typer.Option(
        help="Tokens that one sparse entry stands for. Must divide the block size. A larger one reaches further "
        "and sees less. Default: 2.",
        show_default=False,
        rich_help_panel=ATTENTION_PANEL,
    ),
]
Sparsity = Annotated[
    SparsityType | None,
    typer.Option(
        "--sparsity-type",
        help="How sparse entries are chosen: norm (largest keys), pooling (means), bos_pooling (means weighted by the "
        "first token's attention), lsh (means of similar tokens), stride, block_stride (every f-th token or run, "
        "per head), none. Default: norm.",
        show_default=False,
        rich_help_panel=ATTENTION_PANEL,
    ),
]
AttentionBackend = Annotated[
    Backend | None,
    typer.Option(
        help="How attention is computed, unless chosen anew when loading: sdpa, flex (FlexAttention, for GPUs), cpp (a "
        "kernel compiled on first use, for float32 on CPUs; sdpa where it cannot be), auto (sdpa). Default: auto.",
        show_default=False,
        rich_help_panel=ATTENTION_PANEL,
    ),
]
Adaptive = Annotated[
    bool | None,
    typer.Option(
        help="Pad inputs to whole blocks inside the model, and trim the outputs back. Default: on.",
        show_default=False,
        rich_help_panel=ATTENTION_PANEL,
    ),
]
NumGlobalTokens = Annotated[
    int | None,
    typer.Option(
        help="Learned tokens that see and are seen by everything (0 to 512). Default: 1.",
        show_default=False,
        rich_help_panel=GLOBALS_PANEL,
    ),
]
MaskFirstToken = Annotated[
    bool | None,
    typer.Option(
        "--mask-first-token/--no-mask-first-token",
        help="Hide the first token, whose place the first global token takes. Default: on for families whose inputs "
        "open with BOS or CLS.",
        rich_help_panel=GLOBALS_PANEL,
        show_default=False,
    ),
]
PoolWithGlobal = Annotated[
    bool | None,
    typer.Option(
        help="Put the first global token's output in the first token's place. Default: on.",
        show_default=False,
        rich_help_panel=GLOBALS_PANEL,
    ),
]
PassGlobalTokensToDecoder = Annotated[
    bool | None,
    typer.Option(
        help="Let the decoder attend the global tokens too. Default: on.",
        show_default=False,
        rich_help_panel=GLOBALS_PANEL,
    ),
]
GlobalInit = Annotated[
    Literal["mask", "random"] | None,
    typer.Option(
        help="Start of the global tokens after the first (which starts as BOS/CLS): the mask token at spread "
        "positions, or random like the word embeddings. Default: mask.",
        show_default=False,
        rich_help_panel=GLOBALS_PANEL,
    ),
]
GlobalPositionalStride = Annotated[
    int,
    typer.Option(help="Distance of the positions that the global tokens start at.", rich_help_panel=GLOBALS_PANEL),
]
KeepFirstGlobalToken = Annotated[
    bool,
    typer.Option(
        "--keep-first-global-token",
        help="For a source that is LSG already: keep its first global token as it is.",
        rich_help_panel=GLOBALS_PANEL,
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of --global-init random.", rich_help_panel=GLOBALS_PANEL)]
Positions = Annotated[
    Literal["tile", "tile-all"],
    typer.Option(
        help="How position embeddings are extended: tile repeats the table without its first row (which is BOS's), "
        "tile-all repeats all of it, as the published LSG models do.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
Architecture = Annotated[
    str | None,
    typer.Option(
        help="Class to convert to, when the config does not name it or names another one, e.g. BertForMaskedLM.",
        rich_help_panel=OUTPUT_PANEL,
        show_default=False,
    ),
]
Dtype = Annotated[
    Literal["keep", "float32", "float16", "bfloat16"],
    typer.Option(help="Type of the written weights.", rich_help_panel=OUTPUT_PANEL),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="Folder to write. Default: ./lsg-<name>-<max-len>.",
        rich_help_panel=OUTPUT_PANEL,
        show_default=False,
    ),
]
MaxShardSize = Annotated[
    str, typer.Option(help="Weights above this size are split into several files.", rich_help_panel=OUTPUT_PANEL)
]
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Replace an existing output folder, once the new one is complete.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan and write nothing.", rich_help_panel=RUN_PANEL)]
Verify = Annotated[
    bool,
    typer.Option(
        help="Check the new folder against its source (integrity and exact parity, some seconds).",
        rich_help_panel=RUN_PANEL,
    ),
]
