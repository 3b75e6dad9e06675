"""What the loopback Hub answers: the part of the Hub's API that downloads and uploads of models use."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote

from tests.hub.store import Repository, StoredFile, file_info, is_lfs

if TYPE_CHECKING:
    from tests.hub.server import Answer, _Handler

REPO = r"(?P<repo>[^/]+/[^/]+?)"
Route = Callable[["_Handler", "re.Match[str]"], "Answer"]
_ROUTES: list[tuple[str, re.Pattern[str], Route]] = []


class Refused(Exception):
    """Ends a request with an error answer."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        self.status, self.message, self.code = status, message, code


def route(method: str, pattern: str) -> Callable[[Route], Route]:
    def register(function: Route) -> Route:
        _ROUTES.append((method, re.compile(pattern), function))
        return function

    return register


def answer(handler: _Handler) -> Answer:
    """Find the route of a request and run it; uploads of data run beside each other, all else one at a time."""
    from tests.hub.server import Answer

    try:
        if handler.token is not None and handler.token not in handler.hub.store.tokens:
            raise Refused(401, "Invalid credentials in Authorization header")
        for method, pattern, function in _ROUTES:
            match = pattern.fullmatch(handler.route)
            if match and handler.command in (method, "HEAD" if method == "GET" else method):
                if method == "PUT":
                    return function(handler, match)
                with handler.hub.lock:
                    return function(handler, match)
        raise Refused(404, "Not Found")
    except Refused as refused:
        headers = {"X-Error-Message": refused.message} | ({"X-Error-Code": refused.code} if refused.code else {})
        return Answer(refused.status, {"error": refused.message}, headers=headers)
    except ConnectionError:
        raise
    except Exception as error:  # a fault of this server, not one that was asked for
        handler.hub.errors.append(error)
        return Answer(500, {"error": repr(error)})


def _user(handler: _Handler) -> str | None:
    return handler.hub.store.tokens[handler.token][0] if handler.token else None


def _repository(handler: _Handler, repo_id: str, *, files: bool = False, write: bool = False) -> Repository:
    """The repository, when the request's token may do this with it."""
    repository = handler.hub.store.repositories.get(repo_id)
    user = _user(handler)
    if repository is None or (repository.private and user != repository.owner):
        # without a token the Hub does not say whether there is anything
        if user is None:
            raise Refused(401, "Invalid username or password.", "RepoNotFound")
        raise Refused(404, "Repository not found", "RepoNotFound")
    if files and repository.gated and user != repository.owner and user not in repository.granted:
        raise Refused(403 if user else 401, f"Access to model {repo_id} is restricted.", "GatedRepo")
    if write:
        if user is None:
            raise Refused(401, "Invalid username or password.")
        if user != repository.owner or handler.hub.store.tokens[handler.token or ""][1] != "write":
            raise Refused(403, "You don't have the right permissions to write here")
    return repository


def _commit(repository: Repository, revision: str) -> str:
    commit = repository.resolve(revision)
    if commit is None:
        raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
    return commit


@route("GET", r"/api/whoami-v2")
def whoami(handler: _Handler, _: re.Match[str]) -> Answer:
    from tests.hub.server import Answer

    user = _user(handler)
    if user is None or handler.token is None:
        raise Refused(401, "Invalid username or password.")
    role = handler.hub.store.tokens[handler.token][1]
    auth = {"type": "access_token", "accessToken": {"displayName": "tests", "role": role}}
    return Answer(json={"type": "user", "id": user, "name": user, "fullname": user, "orgs": [], "auth": auth})


@route("GET", r"/api/models")
def list_models(handler: _Handler, _: re.Match[str]) -> Answer:
    from tests.hub.server import Answer

    wanted = handler.query.get("search", "").lower()
    public = [r for r in handler.hub.store.repositories.values() if not r.private]
    return Answer(json=[{"id": r.repo_id, "modelId": r.repo_id} for r in public if wanted in r.repo_id.lower()])


@route("POST", r"/api/repos/create")
def create(handler: _Handler, _: re.Match[str]) -> Answer:
    from tests.hub.server import Answer

    asked = handler.json_body()
    user = _user(handler)
    if user is None:
        raise Refused(401, "Invalid username or password.")
    owner = asked.get("organization") or user
    repo_id = f"{owner}/{asked['name']}"
    url = f"{handler.hub.url}/{repo_id}"
    if owner != user or handler.hub.store.tokens[handler.token or ""][1] != "write":
        raise Refused(403, f"You don't have the rights to create a model under the namespace {owner}")
    if repo_id in handler.hub.store.repositories:
        return Answer(409, {"error": "You already created this model repo", "url": url})
    private = asked.get("private") or asked.get("visibility") == "private"
    repository = handler.hub.store.repositories[repo_id] = Repository(repo_id, bool(private))
    handler.hub.store.commit(repository, {}, "main", "initial commit")
    return Answer(json={"url": url, "name": repo_id, "id": repo_id})


@route("GET", rf"/api/models/{REPO}(?:/revision/(?P<revision>.+))?")
def model_info(handler: _Handler, match: re.Match[str]) -> Answer:
    from tests.hub.server import Answer

    repository = _repository(handler, match["repo"])
    commit = _commit(repository, match["revision"] or "main")
    siblings = []
    for path, file in sorted(repository.commits[commit].items()):
        sibling: dict[str, Any] = {"rfilename": path}
        if handler.query.get("blobs"):
            sibling |= {"size": file.size, "blobId": file.blob_id}
            if file.lfs:
                sibling["lfs"] = {"sha256": file.sha256, "size": file.size, "pointerSize": 134}
        siblings.append(sibling)
    info = {"_id": "0", "id": repository.repo_id, "modelId": repository.repo_id, "sha": commit, "siblings": siblings}
    info |= {"private": repository.private, "gated": "manual" if repository.gated else False, "disabled": False}
    return Answer(json=info | {"tags": [], "downloads": 0, "likes": 0, "createdAt": "2026-01-01T00:00:00.000Z"})


@route("GET", rf"/api/models/{REPO}/refs")
def list_refs(handler: _Handler, match: re.Match[str]) -> Answer:
    from tests.hub.server import Answer

    refs = _repository(handler, match["repo"]).refs
    spelled = {name if "/" in name else f"refs/heads/{name}": commit for name, commit in refs.items()}
    items = [{"name": ref.split("/")[-1], "ref": ref, "targetCommit": commit} for ref, commit in spelled.items()]
    pulls = [item for item in items if item["ref"].startswith("refs/pr/")]
    branches = [item for item in items if item not in pulls]
    return Answer(json={"branches": branches, "converts": [], "tags": [], "pullRequests": pulls})


@route("GET", rf"/api/models/{REPO}/tree/(?P<revision>refs/pr/\d+|[^/]+)(?:/(?P<path>.*))?")
def tree(handler: _Handler, match: re.Match[str]) -> Answer:
    from tests.hub.server import Answer

    repository = _repository(handler, match["repo"])
    files = repository.commits[_commit(repository, match["revision"])]
    within = f"{match['path']}/" if match["path"] else ""
    return Answer(json=[file_info(path, file) for path, file in sorted(files.items()) if path.startswith(within)])


@route("POST", rf"/api/models/{REPO}/paths-info/(?P<revision>refs/pr/\d+|[^/]+)")
def paths_info(handler: _Handler, match: re.Match[str]) -> Answer:
    from tests.hub.server import Answer

    repository = _repository(handler, match["repo"])
    files = repository.commits[_commit(repository, match["revision"])]
    wanted = parse_qs(handler.body().read(1 << 20).decode()).get("paths", [])  # this one is a form
    return Answer(json=[file_info(path, files[path]) for path in wanted if path in files])


@route("GET", rf"/{REPO}/resolve/(?P<revision>refs/pr/\d+|[^/]+)/(?P<path>.+)")
def resolve(handler: _Handler, match: re.Match[str]) -> Answer:
    from tests.hub.server import Answer

    repository = _repository(handler, match["repo"], files=True)
    commit = _commit(repository, match["revision"])
    file = repository.commits[commit].get(match["path"])
    if file is None:
        raise Refused(404, "Entry not found", "EntryNotFound")
    headers = {"X-Repo-Commit": commit, "ETag": f'"{file.etag}"', "Accept-Ranges": "bytes"}
    if file.lfs:
        headers |= {"X-Linked-Size": str(file.size), "X-Linked-Etag": f'"{file.sha256}"'}
        headers["Location"] = f"{handler.hub.cdn_url}/_cdn/{file.sha256}/{quote(match['path'])}"
        return Answer(302, {}, headers=headers)
    return Answer(file=handler.hub.store.objects / file.sha256, headers=headers)


@route("GET", r"/_cdn/(?P<oid>[0-9a-f]{64})/.+")
def cdn(handler: _Handler, match: re.Match[str]) -> Answer:
    from tests.hub.server import Answer

    return Answer(file=handler.hub.store.objects / match["oid"], headers={"ETag": f'"{match["oid"]}"'})


@route("POST", r"/api/validate-yaml")
def validate_yaml(handler: _Handler, _: re.Match[str]) -> Answer:
    from tests.hub.server import Answer

    handler.json_body()
    return Answer(json={"errors": [], "warnings": []})


@route("POST", rf"/api/models/{REPO}/preupload/(?P<revision>.+)")
def preupload(handler: _Handler, match: re.Match[str]) -> Answer:
    from tests.hub.server import Answer

    repository = _repository(handler, match["repo"], write="create_pr" not in handler.query)
    known = repository.commits[_commit(repository, match["revision"])]
    files = []
    for file in handler.json_body()["files"]:
        mode = "lfs" if is_lfs(file["path"], file["size"]) else "regular"
        answered = {"path": file["path"], "uploadMode": mode, "shouldIgnore": False}
        if file["path"] in known:
            answered["oid"] = known[file["path"]].etag
        files.append(answered)
    return Answer(json={"files": files})


@route("POST", rf"/{REPO}\.git/info/lfs/objects/batch")
def lfs_batch(handler: _Handler, match: re.Match[str]) -> Answer:
    from tests.hub.server import Answer

    _repository(handler, match["repo"], write=True)
    hub, objects = handler.hub, []
    for item in handler.json_body()["objects"]:
        entry: dict[str, Any] = {"oid": item["oid"], "size": item["size"]}
        if not (hub.store.objects / item["oid"]).exists():
            upload: dict[str, Any] = {"href": f"{hub.url}/_lfs/{item['oid']}"}
            if hub.multipart_size and item["size"] > hub.multipart_size:
                count = -(-item["size"] // hub.multipart_size)
                parts = {f"{n:05d}": f"{hub.url}/_lfs/{item['oid']}/part/{n}" for n in range(1, count + 1)}
                upload = {"href": f"{hub.url}/_lfs/{item['oid']}/complete"}
                upload["header"] = {"chunk_size": str(hub.multipart_size), **parts}
            verify = {"href": f"{hub.url}/_lfs/{item['oid']}/verify"}
            entry |= {"authenticated": True, "actions": {"upload": upload, "verify": verify}}
        objects.append(entry)
    return Answer(json={"transfer": "multipart" if hub.multipart_size else "basic", "objects": objects})


@route("PUT", r"/_lfs/(?P<oid>[0-9a-f]{64})(?:/part/\d+)?")
def lfs_put(handler: _Handler, match: re.Match[str]) -> Answer:
    from tests.hub.server import Answer

    size = int(handler.headers["Content-Length"])
    digest = handler.hub.store.put_stream(handler.body(), size)
    if "/part/" not in handler.route and digest != match["oid"]:
        raise Refused(400, "the content is not what was announced")
    return Answer(json={}, headers={"ETag": f'"{digest}"'})


@route("POST", r"/_lfs/(?P<oid>[0-9a-f]{64})/complete")
def lfs_complete(handler: _Handler, match: re.Match[str]) -> Answer:
    from tests.hub.server import Answer

    parts = sorted(handler.json_body()["parts"], key=lambda part: part["partNumber"])
    if handler.hub.store.join_parts([part["etag"].strip('"') for part in parts]) != match["oid"]:
        raise Refused(400, "the parts are not what was announced")
    return Answer(json={})


@route("POST", r"/_lfs/(?P<oid>[0-9a-f]{64})/verify")
def lfs_verify(handler: _Handler, match: re.Match[str]) -> Answer:
    from tests.hub.server import Answer

    path = handler.hub.store.objects / match["oid"]
    if not path.exists() or path.stat().st_size != handler.json_body()["size"]:
        raise Refused(404, "Object not found")
    return Answer(json={})


@route("POST", rf"/api/models/{REPO}/commit/(?P<revision>.+)")
def commit(handler: _Handler, match: re.Match[str]) -> Answer:
    from tests.hub.server import Answer

    pull_request = "create_pr" in handler.query
    repository = _repository(handler, match["repo"], write=not pull_request)
    if _user(handler) is None:
        raise Refused(401, "Invalid username or password.")
    files = dict(repository.commits[_commit(repository, match["revision"])])
    message = ""
    length = int(handler.headers["Content-Length"])
    for line in handler.body().read(length).splitlines():
        item = json.loads(line)
        value = item["value"]
        if item["key"] == "header":
            message = value["summary"]
        elif item["key"] == "file":
            files[value["path"]] = handler.hub.store.put(base64.b64decode(value["content"]), value["path"])
        elif item["key"] == "lfsFile":
            files[value["path"]] = _uploaded(handler, value["oid"])
        elif item["key"] == "deletedFile":
            files.pop(value["path"], None)
    ref = match["revision"]
    answered: dict[str, Any] = {"success": True}
    if pull_request:
        number = sum(name.startswith("refs/pr/") for name in repository.refs) + 1
        ref = f"refs/pr/{number}"
        answered["pullRequestUrl"] = f"{handler.hub.url}/{repository.repo_id}/discussions/{number}"
    oid = handler.hub.store.commit(repository, files, ref, message)
    answered |= {"commitOid": oid, "commitUrl": f"{handler.hub.url}/{repository.repo_id}/commit/{oid}"}
    return Answer(json=answered)


def _uploaded(handler: _Handler, oid: str) -> StoredFile:
    if not (handler.hub.store.objects / oid).exists():
        raise Refused(400, f"LFS object {oid} was not uploaded")
    return handler.hub.store.lfs_file(oid)


@route("POST", rf"/api/models/{REPO}/branch/(?P<branch>.+)")
def create_branch(handler: _Handler, match: re.Match[str]) -> Answer:
    from tests.hub.server import Answer

    repository = _repository(handler, match["repo"], write=True)
    if match["branch"] in repository.refs:
        raise Refused(409, "Reference already exists")
    start = handler.json_body().get("startingPoint") or "main"
    repository.refs[match["branch"]] = _commit(repository, start)
    return Answer(json={})
