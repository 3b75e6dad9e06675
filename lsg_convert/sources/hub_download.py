"""Downloading the files of a model that a conversion needs, by huggingface_hub's own client. Code never comes along."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lsg_convert.common.errors import LSGConvertError, OutsideError, RequestError
from lsg_convert.common.files import read_json_object, user_path
from lsg_convert.common.interruption import RUN
from lsg_convert.common.progress import Advance, Reporter
from lsg_convert.sources.hub_client import (
    hub_error,
    is_connection_error,
    is_offline,
    quiet_hub,
    retrying,
    status_of,
)

_WANTED = re.compile(
    r"""config\.json | generation_config\.json | README\.md | LICEN[CS]E[\w.]* | NOTICE[\w.]* | lsg_conversion\.json
    | tokenizer\.json | tokenizer_config\.json | special_tokens_map\.json | added_tokens\.json
    | vocab\.(?:txt|json) | merges\.txt | dict\.txt | bpe\.codes | [\w.-]+\.model
    | (?:source|target)\.spm | target_vocab\.json
    | modules\.json | sentence_\w+_config\.json | config_sentence_transformers\.json
    | \d+_\w+/(?:config\.json|model\.safetensors|pytorch_model\.bin)
    """,
    re.VERBOSE | re.ASCII,
)
# Whole or in shards; the first of these that a repository has is taken.
_WEIGHTS = (
    re.compile(r"model\.safetensors"),
    re.compile(r"model\.safetensors\.index\.json|model-\d+-of-\d+\.safetensors"),
    re.compile(r"pytorch_model\.bin"),
    re.compile(r"pytorch_model\.bin\.index\.json|pytorch_model-\d+-of-\d+\.bin"),
)


def download(
    repo_id: str,
    *,
    revision: str | None,
    token: str | None,
    cache_dir: str | Path | None,
    reporter: Reporter,
    accept: Callable[[Mapping[str, Any]], None] | None = None,
) -> tuple[Path, str]:
    """The folder in the Hub cache with what a conversion of `repo_id` needs, and its commit.

    `accept` sees the config before anything else is downloaded.
    """
    from huggingface_hub import HfApi

    try:
        with quiet_hub():
            info = retrying(lambda: HfApi(token=token).model_info(repo_id, revision=revision, files_metadata=True))
    except Exception as error:
        if is_offline(error) or is_connection_error(error) or (status_of(error) or 0) >= 500:
            return _from_cache(repo_id, revision, cache_dir, error)
        raise hub_error(error, repo_id, revision) from error
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}
    names = select_files(repo_id, sizes)
    total = sum(sizes[name] for name in names)

    blobs = _blobs_folder(repo_id, cache_dir)
    fetch = _fetcher(repo_id, token, cache_dir)
    kept = RUN.keeping("what was downloaded so far is kept for the next time")
    with kept, reporter.stage(f"Downloading {repo_id}", total) as advance:
        try:
            with quiet_hub(), _watched(blobs, total, advance):
                # The first file asks for the revision by its name, so that the cache knows it offline too; the
                # others for the commit that this gave, so that all are from one. One by one: threads of the
                # client would make Ctrl-C wait for whole files.
                folder = fetch("config.json", revision).parent
                if accept is not None:
                    accept(read_json_object(folder / "config.json"))
                for name in sorted(names, key=lambda name: sizes[name]):
                    path = fetch(name, folder.name)
                    if folder.name == info.sha and path.stat().st_size != sizes[name]:
                        raise OutsideError(
                            f"'{name}' of '{repo_id}' did not arrive whole.",
                            f"delete {path.resolve()} and try again.",
                        )
        except LSGConvertError:
            raise
        except Exception as error:
            raise hub_error(error, repo_id, revision) from error
    return folder, folder.name


def download_listed(
    repo_id: str,
    first: str,
    listed: Callable[[Path], Mapping[str, int]],
    *,
    revision: str | None,
    token: str | None,
    cache_dir: str | Path | None,
    reporter: Reporter,
) -> Path:
    """The folder in the Hub cache with the file `first` of a repository, and those with their sizes that it lists.

    A listed file that the repository lacks is missing in the folder too.
    """
    from huggingface_hub.errors import RemoteEntryNotFoundError

    fetch = _fetcher(repo_id, token, cache_dir)
    try:
        with quiet_hub():
            folder = fetch(first, revision).parent
            sizes = listed(folder)
            total, blobs = sum(sizes.values()), _blobs_folder(repo_id, cache_dir)
            kept = RUN.keeping("what was downloaded so far is kept for the next time")
            with kept, reporter.stage(f"Downloading {repo_id}", total) as advance, _watched(blobs, total, advance):
                for name in sorted(sizes, key=lambda name: sizes[name]):
                    with suppress(RemoteEntryNotFoundError):
                        fetch(name, folder.name)
    except LSGConvertError:
        raise
    except RemoteEntryNotFoundError as error:
        raise RequestError(f"'{repo_id}' has no {first}.", "Only what lsg-convert wrote can be verified.") from error
    except Exception as error:
        raise hub_error(error, repo_id, revision) from error
    return folder


def _fetcher(repo_id: str, token: str | None, cache_dir: str | Path | None) -> Callable[[str, str | None], Path]:
    """What downloads a file of a repository at a revision into the cache, and goes on where it stopped."""
    from huggingface_hub import hf_hub_download

    blobs = _blobs_folder(repo_id, cache_dir)

    def fetch(name: str, at: str | None) -> Path:
        def get() -> str:
            return hf_hub_download(repo_id, name, revision=at, token=token, cache_dir=cache_dir)

        return Path(retrying(get, kept=lambda: _size_of(blobs)))

    return fetch


def select_files(repo_id: str, names: Sequence[str] | dict[str, int]) -> list[str]:
    """Of a repository's files, those that a conversion needs: config, one form of the weights, tokenizer, card."""
    if "config.json" not in names:
        raise RequestError(f"'{repo_id}' has no config.json: it is not a transformers model.")
    weights: list[str] = []
    for form in _WEIGHTS:
        weights = [name for name in names if form.fullmatch(name)]
        if weights:
            break
    else:
        raise RequestError(
            f"'{repo_id}' has no PyTorch weights (model.safetensors or pytorch_model.bin).",
            "save it with safetensors first: models with TensorFlow or Flax weights only cannot be read.",
        )
    others = [name for name in names if _WANTED.fullmatch(name)]
    twice = {name.replace("model.safetensors", "pytorch_model.bin") for name in others if "/model.safetensors" in name}
    return sorted({*weights, *(name for name in others if name not in twice)})


def _from_cache(
    repo_id: str, revision: str | None, cache_dir: str | Path | None, reason: Exception
) -> tuple[Path, str]:
    """What an earlier run downloaded, for when the Hub cannot be asked."""
    from huggingface_hub import hf_hub_download

    try:
        config = hf_hub_download(repo_id, "config.json", revision=revision, cache_dir=cache_dir, local_files_only=True)
        folder = Path(config).parent
        there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        complete = _listed_shards(folder, select_files(repo_id, sorted(there))) <= there
    except Exception as error:
        if not isinstance(error, (OSError, LSGConvertError)):
            raise hub_error(error, repo_id, revision) from error
        complete = False
    if not complete:
        raise hub_error(reason, repo_id, revision) from reason
    return folder, folder.name


def _listed_shards(folder: Path, names: list[str]) -> set[str]:
    """The shards that the index among `names` lists; none when there is no index."""
    shards: set[str] = set()
    for name in names:
        if name.endswith(".index.json"):
            shards |= {str(shard) for shard in read_json_object(folder / name).get("weight_map", {}).values()}
    return shards


def _blobs_folder(repo_id: str, cache_dir: str | Path | None) -> Path:
    from huggingface_hub import constants

    root = user_path(cache_dir) if cache_dir else Path(constants.HF_HUB_CACHE)
    return root / f"models--{repo_id.replace('/', '--')}" / "blobs"


@contextmanager
def _watched(folder: Path, total: int, advance: Advance) -> Iterator[None]:
    """Report how a download grows on disk: that works with every version and transport of the client."""
    start, shown, done = _size_of(folder), 0, threading.Event()

    def watch() -> None:
        nonlocal shown
        while not done.wait(0.25):
            grown = min(_size_of(folder) - start, total)
            if grown > shown:
                advance(grown - shown)
                shown = grown

    thread = threading.Thread(target=watch, name="download-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    advance(total - shown)


def _size_of(folder: Path) -> int:
    size = 0
    try:
        for path in folder.iterdir():
            size += path.stat().st_size
    except OSError:  # not there yet, or renamed under our eyes
        pass
    return size
