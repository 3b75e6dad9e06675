"""`lsg-convert convert MODEL`, also `lsg-convert MODEL`."""

from __future__ import annotations

from lsg_convert.cli import parameters as p
from lsg_convert.cli.console import Console


def convert(
    model: p.Model,
    max_len: p.MaxLen = None,
    block_size: p.BlockSize = None,
    sparse_block_size: p.SparseBlockSize = None,
    sparsity_factor: p.SparsityFactor = None,
    sparsity_type: p.Sparsity = None,
    adaptive: p.Adaptive = None,
    attention_backend: p.AttentionBackend = None,
    num_global_tokens: p.NumGlobalTokens = None,
    mask_first_token: p.MaskFirstToken = None,
    pool_with_global: p.PoolWithGlobal = None,
    pass_global_tokens_to_decoder: p.PassGlobalTokensToDecoder = None,
    global_init: p.GlobalInit = None,
    global_positional_stride: p.GlobalPositionalStride = 64,
    keep_first_global_token: p.KeepFirstGlobalToken = False,
    seed: p.Seed = 123,
    positions: p.Positions = "tile",
    architecture: p.Architecture = None,
    dtype: p.Dtype = "keep",
    output: p.Output = None,
    max_shard_size: p.MaxShardSize = "5GB",
    force: p.Force = False,
    revision: p.Revision = None,
    token: p.Token = None,
    cache_dir: p.CacheDir = None,
    dry_run: p.DryRun = False,
    verify: p.Verify = True,
    json: p.Json = False,
    quiet: p.Quiet = False,
) -> None:
    """Convert a checkpoint into a folder with LSG attention.

    \b
    Examples:
      lsg-convert bart-base
      lsg-convert facebook/bart-base --max-len 16384 --num-global-tokens 7
      lsg-convert ./my-bert --sparsity-type none --block-size 256 -o ./long-bert
      lsg-convert ccdv/lsg-bart-base-4096 --max-len 16384
      lsg-convert bart-base --dry-run --json

    For a source that is LSG already (as in the last but one example), what is not asked for
    stays as it is: length, attention, global tokens and their values.
    """
    console = Console(json, quiet, secrets=[token])
    with console.working():
        import lsg_convert

        result = lsg_convert.convert(
            model,
            max_len=max_len,
            output=output,
            block_size=block_size,
            sparse_block_size=sparse_block_size,
            sparsity_factor=sparsity_factor,
            sparsity_type=sparsity_type,
            num_global_tokens=num_global_tokens,
            mask_first_token=mask_first_token,
            pool_with_global=pool_with_global,
            pass_global_tokens_to_decoder=pass_global_tokens_to_decoder,
            adaptive=adaptive,
            attention_backend=attention_backend,
            global_init=global_init,
            global_positional_stride=global_positional_stride,
            seed=seed,
            positions=positions,
            keep_first_global_token=keep_first_global_token,
            architecture=architecture,
            dtype=dtype,
            max_shard_size=max_shard_size,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            force=force,
            dry_run=dry_run,
            verify=verify,
            reporter=console,
        )
    from lsg_convert.cli.render import conversion_summary, next_steps, plan_tables

    payload = result.as_dict()
    if dry_run:
        console.result(payload, *plan_tables(payload, console.clean))
        console.hint("A dry run: nothing was written.")
        return
    console.result(payload, *conversion_summary(payload, console.clean))
    console.hint(next_steps(payload["output"], result.plan.family.heads[result.plan.architecture].auto_class))
