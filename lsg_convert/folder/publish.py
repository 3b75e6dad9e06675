"""Publishing a converted folder, by huggingface_hub's own upload. Nothing incomplete, changed or failed goes out."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsg_convert.common.errors import LSGConvertError, OutsideError, RequestError
from lsg_convert.common.files import printable
from lsg_convert.common.interruption import RUN
from lsg_convert.common.progress import Reporter, SilentReporter
from lsg_convert.common.sizes import size_text
from lsg_convert.folder.auxiliary_files import has_tokenizer
from lsg_convert.folder.card import published_card, updated_card
from lsg_convert.folder.discovery import find_converted_folder
from lsg_convert.folder.figures import VERIFICATION
from lsg_convert.folder.integrity import FolderState, check_folder
from lsg_convert.folder.record import RECORD_NAME, Record, record_text
from lsg_convert.folder.saved_again import UNKNOWN
from lsg_convert.folder.trusted_code import FolderCode
from lsg_convert.folder.upload import Upload, prepare
from lsg_convert.sources.hub_client import hub_error, quiet_hub, retrying, without_password
from lsg_convert.sources.names import hub_name

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_NAME = re.compile(r"[\w][\w.-]{0,95}", re.ASCII)
_OVERRIDE = "convert again, or push all the same with --no-verify"
YOUR_ACCOUNT = "<your account>"


@dataclass(frozen=True)
class PushResult:
    """What was published, and where; of a dry run, what would be."""

    repo_id: str
    url: str
    revision: str
    private: bool | None
    commit: str | None
    pull_request: str | None
    verified: str
    dry_run: bool
    bytes: int
    files: dict[str, int]
    left_out: tuple[str, ...]
    saved: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The result as plain data."""
        return asdict(self) | {"left_out": list(self.left_out)}


def push(
    folder: str | Path | None = None,
    repo_id: str | None = None,
    *,
    private: bool = False,
    revision: str | None = None,
    create_pr: bool = False,
    message: str | None = None,
    token: str | None = None,
    dry_run: bool = False,
    verify: bool = True,
    reporter: Reporter | None = None,
) -> PushResult:
    """Upload a converted folder to the Hub; the repository and the branch are created when they are missing.

    After a failure the same call goes on where it stopped. Only regular files that the record names are uploaded.
    `verify=False` also uploads a folder whose verification failed, or whose files were changed since they were written.

    Raises:
        RequestError: the folder is not fit to be published, or the request contradicts itself.
        OutsideError: the Hub, the network or the permission failed.
    """
    from huggingface_hub import HfApi

    reporter = reporter or SilentReporter()
    if create_pr and revision not in (None, "main"):
        raise RequestError(
            "--create-pr opens a pull request against main; --revision names another branch.", "leave out one of them."
        )
    place = find_converted_folder(folder)
    state = check_folder(place, hashes=verify, reporter=reporter)
    verdict = _fitness(place, state, verify)
    recorded = {name: entry.sha256 for name, entry in state.record.files.items()} if verify else {}
    api = HfApi(token=token)
    uploads = prepare(place, {name: recorded.get(name) for name in state.files})
    if state.record.saved is not None:
        uploads = _brought_up_to_date(place, state.record, uploads)
    wanted = _repo_id(api, place, repo_id, offline=dry_run)
    uploads = [_as_published(upload, wanted) for upload in uploads]
    files = {upload.name: upload.size for upload in uploads}
    planned = PushResult(
        repo_id=wanted,
        url=without_password(f"{api.endpoint}/{wanted}"),
        revision=revision or "main",
        private=private or None,
        commit=None,
        pull_request=None,
        verified=verdict,
        dry_run=dry_run,
        bytes=sum(files.values()),
        files=files,
        left_out=state.extra,
        saved=None if state.record.saved is None else f"{state.record.saved.by}; {state.record.saved.sentence}",
    )
    if dry_run:
        return planned
    title = message or f"Add {place.resolve().name}, converted to LSG attention"
    return _publish(api, planned, uploads, title, revision, create_pr, reporter)


def _publish(
    api: HfApi,
    planned: PushResult,
    uploads: list[Upload],
    title: str,
    revision: str | None,
    create_pr: bool,
    reporter: Reporter,
) -> PushResult:
    """Do what was planned; returns it with what came of it."""
    wanted = planned.repo_id
    try:
        with quiet_hub():
            is_private = _prepare(api, wanted, bool(planned.private), revision)
            kept = RUN.keeping("the same command goes on where it stopped")
            with kept, reporter.stage(f"Uploading {size_text(planned.bytes)} to {wanted}"):
                commit = _upload(api, wanted, uploads, title, revision, create_pr)
                _check_uploaded(api, wanted, commit.pr_revision if create_pr else revision, uploads)
    except LSGConvertError:
        raise
    except Exception as error:
        raise hub_error(error, wanted, revision) from error
    pull_request = without_password(commit.pr_url) if create_pr else None
    return replace(planned, private=is_private, commit=commit.oid, pull_request=pull_request)


def _brought_up_to_date(folder: Path, record: Record, uploads: list[Upload]) -> list[Upload]:
    """The files of a model that was saved again: its record and its card say what it is now, not what it was."""
    outdated = {RECORD_NAME, "README.md", *([] if record.verification else [VERIFICATION])}
    kept = [upload for upload in uploads if upload.name not in outdated]
    card, text = updated_card(folder, record), record_text(record)
    return [*kept, Upload.of("README.md", card.encode("utf-8", "replace")), Upload.of(RECORD_NAME, text.encode())]


def _as_published(upload: Upload, repo_id: str) -> Upload:
    """A file as it is sent: the snippets of the card load the repository and not the folder."""
    if upload.name != "README.md" or isinstance(upload.content, Path):
        return upload
    card = published_card(upload.content.decode("utf-8", "surrogateescape"), repo_id)
    return Upload.of(upload.name, card.encode("utf-8", "surrogateescape"))


def _check_saved_again(folder: Path, record: Record) -> None:
    """Raise RequestError for a model that was saved again, but not with all that others need to use it."""
    if record.saved is not None and record.saved.by == UNKNOWN and record.verification is None:
        raise RequestError(
            f"the folder has no {RECORD_NAME}, and its config.json is not as the library saves one.",
            f"look at it with `lsg-convert verify`, which records what is there; {_OVERRIDE}.",
        )
    foreign = FolderCode.read(folder, record.converted_family).foreign
    if foreign:
        raise RequestError(f"{foreign[0]} is not the file that ships with lsg-convert, or is missing.", f"{_OVERRIDE}.")
    if not has_tokenizer(folder):
        raise RequestError(
            "the folder has no tokenizer.",
            "save it there, tokenizer.save_pretrained(folder), or push all the same with --no-verify.",
        )


def _fitness(folder: Path, state: FolderState, verify: bool) -> str:
    """The verdict of the folder's verification; raises RequestError when it must not be published."""
    if state.missing or not any(name.endswith(".safetensors") for name in state.files):
        shown = ", ".join(printable(name) for name in state.missing[:3]) or "the weights"
        raise RequestError(f"the folder is not complete: {shown} missing.", "convert the source again.")
    verification = state.record.verification
    verdict = "not verified" if verification is None else verification.verdict
    failed = verification is not None and verification.failed
    if verify and failed:
        raise RequestError(
            "the verification of this folder failed.", f"look at it with `lsg-convert verify`; {_OVERRIDE}."
        )
    if verify and state.record.saved is not None:
        _check_saved_again(folder, state.record)
    if verify and state.changed:
        shown = ", ".join(printable(name) for name in state.changed[:3])
        raise RequestError(f"changed since the folder was written: {shown}.", f"{_OVERRIDE}.")
    return "failed" if failed else verdict


def check_repo_id(repo_id: str) -> str:
    """`repo_id`, or the one in an address, when it can be a repository's name; raises RequestError when it cannot."""
    name, _ = hub_name(repo_id)
    parts = name.split("/")
    if len(parts) > 2 or not all(_NAME.fullmatch(part) for part in parts) or ".." in name or "--" in name:
        raise RequestError(
            f"'{printable(name)}' cannot be the name of a repository.",
            "give one: `lsg-convert push FOLDER owner/name`.",
        )
    return name


def _repo_id(api: HfApi, folder: Path, repo_id: str | None, offline: bool) -> str:
    """`repo_id` with its owner; without one, the user's account and the folder's name."""
    name = check_repo_id(repo_id or folder.resolve().name)
    if "/" in name:
        return name
    from huggingface_hub.errors import LocalTokenNotFoundError

    try:
        with quiet_hub():
            return f"{retrying(api.whoami)['name']}/{name}"
    except Exception as error:
        if offline:  # a dry run needs no account
            return f"{YOUR_ACCOUNT}/{name}"
        if isinstance(error, LocalTokenNotFoundError):
            raise OutsideError("you are not logged in to the Hub.", "run `hf auth login`, or give --token.") from error
        raise hub_error(error, name) from error


def _prepare(api: HfApi, repo_id: str, private: bool, revision: str | None) -> bool:
    """Make sure that repository and branch exist; returns whether the repository is private."""
    from huggingface_hub.utils import RepositoryNotFoundError

    try:
        info = retrying(lambda: api.model_info(repo_id))
    except RepositoryNotFoundError:
        retrying(lambda: api.create_repo(repo_id, private=private, exist_ok=True))
        info = retrying(lambda: api.model_info(repo_id))
    if private and not info.private:
        raise RequestError(
            f"'{printable(repo_id)}' exists and is public, but --private was asked for.",
            "make it private in its settings on the Hub, or choose another name.",
        )
    if revision and revision != "main" and not revision.startswith("refs/"):
        retrying(lambda: api.create_branch(repo_id, branch=revision, exist_ok=True))
    return bool(info.private)


def _upload(api: HfApi, repo_id: str, uploads: list[Upload], title: str, revision: str | None, create_pr: bool) -> Any:
    def upload() -> Any:
        return api.create_commit(
            repo_id=repo_id,
            operations=[file.operation() for file in uploads],  # the client marks those that it has committed
            commit_message=title,
            revision=revision,
            create_pr=create_pr,
        )

    # the answer to a commit may get lost: trying again then changes nothing, but would open a second pull request
    return _interruptible(lambda: retrying(upload, attempts=1 if create_pr else 3))


def _interruptible(action: Callable[[], Any]) -> Any:
    """Run `action` so that Ctrl-C ends the wait for it: the client's own threads would finish whole files first."""
    outcome: list[Any] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(action())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run, name="upload", daemon=True)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


def _check_uploaded(api: HfApi, repo_id: str, revision: str | None, uploads: list[Upload]) -> None:
    """Raise OutsideError unless the Hub has every file, with the size and the hash of what we sent."""
    names = [upload.name for upload in uploads]
    there = {
        item.path: item
        for start in range(0, len(names), 500)
        for item in retrying(lambda: api.get_paths_info(repo_id, names[start : start + 500], revision=revision))  # noqa: B023
    }
    for upload in uploads:
        item: Any = there.get(upload.name)
        lfs = getattr(item, "lfs", None)
        sound = item is not None and item.size == upload.size
        if not sound or not upload.arrived(None if lfs else item.blob_id, lfs.sha256 if lfs else None):
            raise OutsideError(
                f"'{printable(upload.name)}' did not arrive whole at '{printable(repo_id)}'.",
                "run the same command again.",
            )
