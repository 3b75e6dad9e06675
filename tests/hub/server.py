"""The loopback Hub's HTTP side: connections, bodies, ranges, faults. What the paths mean is in `routes.py`."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import parse_qs, unquote, urlsplit

from tests.hub import routes
from tests.hub.faults import Fault
from tests.hub.store import Repository, Store

WRITE_TOKEN = "hf_loopbackWriteTokenOfMe0000000000"
READ_TOKEN = "hf_loopbackReadTokenOfMe00000000000"
OTHER_TOKEN = "hf_loopbackTokenOfSomebodyElse00000"


@dataclass(frozen=True)
class Seen:
    """A request that arrived."""

    method: str
    path: str
    host: str
    token: str | None
    range: str | None


@dataclass(frozen=True)
class Answer:
    """What to send: JSON, bytes, or a file of the store."""

    status: int = 200
    json: Any = None
    file: Path | None = None
    headers: Mapping[str, str] | None = None


class LoopbackHub:
    """A Hub of its own on 127.0.0.1, with the user `me` and the tokens above."""

    def __init__(self, folder: Path, multipart_size: int | None = None) -> None:
        self.store = Store(folder)
        self.store.tokens = {
            WRITE_TOKEN: ("me", "write"),
            READ_TOKEN: ("me", "read"),
            OTHER_TOKEN: ("somebody", "write"),
        }
        self.faults: list[Fault] = []
        self.seen: list[Seen] = []
        self.errors: list[Exception] = []
        self.multipart_size = multipart_size
        self.lock = threading.RLock()
        hub = self

        class Handler(_Handler):
            pass

        Handler.hub = hub
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        # large files lie on another host, as they do on the real Hub: a token must not go there
        self.cdn_url = f"http://localhost:{self.port}"

    def __enter__(self) -> LoopbackHub:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        assert not self.errors, self.errors

    def environment(self, cache: Path, token: str | None = None) -> dict[str, str]:
        """What a process needs in its environment to talk to this Hub and to no other."""
        values = {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(cache),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_OFFLINE": "0",
            "NO_PROXY": "127.0.0.1,localhost",
        }
        return values | ({"HF_TOKEN": token} if token else {})

    def add(
        self, repo_id: str, files: Mapping[str, bytes] | Path, *, private: bool = False, gated: bool = False,
        revision: str = "main", message: str = "add",
    ) -> str:  # fmt: skip
        """Create a repository, or add a commit to it; returns the commit id. `files` may be a folder."""
        if isinstance(files, Path):
            root = files
            files = {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}
        with self.lock:
            repository = self.store.repositories.setdefault(repo_id, Repository(repo_id, private, gated))
            table = repository.files(revision if revision in repository.refs else "main")
            table = table | {path: self.store.put(data, path) for path, data in files.items()}
            return self.store.commit(repository, table, revision, message)

    def read(self, repo_id: str, path: str, revision: str = "main") -> bytes:
        file = self.store.repositories[repo_id].files(revision)[path]
        return (self.store.objects / file.sha256).read_bytes()

    def requests(self, method: str, part: str) -> list[Seen]:
        """The requests that arrived with this method and this part of a path."""
        return [seen for seen in self.seen if seen.method == method and part in seen.path]


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Clients that go away are what the tests make them do; faults of the routes are in `hub.errors`."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: LoopbackHub

    def log_message(self, *_: object) -> None:
        """Say nothing: the tests look at `hub.seen`."""

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_PUT = do_GET

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        self.route = unquote(parts.path)
        self.query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        authorization = self.headers.get("Authorization", "")
        self.token = authorization.removeprefix("Bearer ") if authorization else None
        host = self.headers.get("Host", "").split(":")[0]
        with self.hub.lock:
            self.hub.seen.append(Seen(self.command, parts.path, host, self.token, self.headers.get("Range")))
            request = f"{self.command} {self.route}"
            faults = [fault for fault in self.hub.faults if fault.applies(request)]
        self._unread = int(self.headers.get("Content-Length") or 0)
        try:
            self._answer(faults)
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def _answer(self, faults: list[Fault]) -> None:
        for fault in faults:
            time.sleep(fault.delay)
            if fault.action is not None:
                fault.action()
            if fault.status is not None:
                self._discard_body()
                self._send(Answer(fault.status, {"error": "injected"}, headers=fault.headers), None)
                return
            if fault.reset_at is not None and self.command in ("PUT", "POST"):
                self.rfile.read(min(fault.reset_at, self._unread))
                self._reset()
                return
        answer = routes.answer(self)
        self._discard_body()
        self._send(answer, faults[0] if faults else None)

    def body(self) -> BinaryIO:
        """The request's body, which ends with it."""
        return cast(BinaryIO, _Body(self))

    def json_body(self) -> Any:
        return json.loads(self.body().read(self._unread) or b"{}")

    def _discard_body(self) -> None:
        while self._unread and self.body().read(min(self._unread, 1 << 20)):
            pass

    def _reset(self) -> None:
        """Close as a crashed peer does: the client sees `connection reset`."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def _send(self, answer: Answer, fault: Fault | None) -> None:
        headers = dict(answer.headers or {})
        data = b"" if answer.file is not None else json.dumps(answer.json).encode()
        size = answer.file.stat().st_size if answer.file else len(data)
        start, end, status = 0, size, answer.status
        wanted = self.headers.get("Range")
        if answer.file is not None and wanted and status == 200:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, end, status = int(first), min(int(last) + 1, size) if last else size, 206
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        self.send_response(status)
        headers.setdefault("Content-Type", "application/octet-stream" if answer.file else "application/json")
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(end - start))
        self.end_headers()
        if self.command == "HEAD":
            return
        if answer.file is None:
            self._send_paced(memoryview(data), fault)
            return
        with answer.file.open("rb") as file:
            file.seek(start)
            while start < end:
                chunk = file.read(min(1 << 18, end - start))
                if not self._send_paced(memoryview(chunk), fault, start):
                    return
                start += len(chunk)

    def _send_paced(self, data: memoryview, fault: Fault | None, position: int = 0) -> bool:
        """Send `data`, which lies at `position` of the body; False once a fault has ended the connection."""
        if fault is None:
            self.wfile.write(data)
            return True
        limit = fault.reset_at if fault.reset_at is not None else fault.truncate_at
        if limit is not None and position + len(data) > limit:
            self.wfile.write(data[: max(limit - position, 0)])
            self.wfile.flush()
            if fault.reset_at is not None:
                time.sleep(0.05)  # a reset overtakes what is still on the line
                self._reset()
            else:
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
            return False
        if fault.bytes_per_second:
            for start in range(0, len(data), 4096):
                self.wfile.write(data[start : start + 4096])
                self.wfile.flush()
                time.sleep(4096 / fault.bytes_per_second)
            return True
        self.wfile.write(data)
        return True


class _Body:
    def __init__(self, handler: _Handler) -> None:
        self._handler = handler

    def read(self, size: int) -> bytes:
        data = self._handler.rfile.read(min(size, self._handler._unread))
        self._handler._unread -= len(data)
        return data
