"""Serve a converted embedding model over HTTP, with the standard library and sentence-transformers.

    python examples/serve.py FOLDER [PORT]
    curl -d '{"texts": ["A long text.", "Another one."]}' http://127.0.0.1:8000/

It answers {"embeddings": [[...], [...]]}. One request after the other, on this machine only: a start, and no more.
lsg-convert need not be installed where it runs.
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

LIMIT = 2**24  # bytes of a request


def make_server(folder: str, port: int = 0) -> HTTPServer:
    """Return a server of the model in `folder`; port 0 takes one that is free."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(folder, trust_remote_code=True)
    model.encode("The first text takes longer than those behind it.")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            try:
                length = int(self.headers.get("Content-Length", 0))
                if not 0 < length <= LIMIT:
                    raise ValueError(f"a request has 1 to {LIMIT} bytes")
                texts = json.loads(self.rfile.read(length))["texts"]
                if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
                    raise ValueError("texts is a list of texts")
                embeddings = model.encode(texts)
            except (ValueError, KeyError, TypeError) as error:
                self.answer(400, {"error": f"{type(error).__name__}: {error}"})
            else:
                self.answer(200, {"embeddings": embeddings.tolist()})

        def answer(self, status: int, content: dict[str, Any]) -> None:
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return HTTPServer(("127.0.0.1", port), Handler)


if __name__ == "__main__":
    server = make_server(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 8000)
    print(f"http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()
