"""A mirror of a corpus and a hub of models on this machine, as slow as a network.

    with served(folder) as address:
        anylead download ludb --mirror ADDRESS/mirror
        HF_ENDPOINT=ADDRESS anylead embed store hf://lab/ecg

`folder/mirror` holds the files of a corpus with their SHA256SUMS.txt; `folder/hub/lab/ecg` a model.
The hub answers what `huggingface_hub` asks: what is in a repository, and each file by its revision.
"""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

REVISION = "a" * 40
_PIECE = 16 * 1024


class Handler(BaseHTTPRequestHandler):
    """Files in whole or from a byte on, a piece at a time."""

    protocol_version = "HTTP/1.1"
    folder: Path
    seconds_each = 0.05

    def do_HEAD(self) -> None:
        self._answer(has_body=False)

    def do_GET(self) -> None:
        self._answer(has_body=True)

    def log_message(self, *words: object) -> None:
        pass

    def _answer(self, has_body: bool) -> None:
        path = self.path.partition("?")[0]
        listed = re.fullmatch(r"/api/models/([\w-]+/[\w-]+)/(revision|tree)/\w+", path)
        wanted = re.fullmatch(r"/([\w-]+/[\w-]+)/resolve/\w+/(.+)", path)
        if listed:
            told = json.dumps(self._listing(listed[1], listed[2] == "tree")).encode()
            self._send(told, {"Content-Type": "application/json"}, has_body)
        elif wanted:
            self._send_file(self.folder / "hub" / wanted[1] / wanted[2], has_body)
        else:
            self._send_file(self.folder / path.lstrip("/"), has_body)

    def _listing(self, repository: str, is_tree: bool) -> object:
        files = sorted((self.folder / "hub" / repository).iterdir())
        if is_tree:
            return [
                {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": _tag(file)}
                for file in files
            ]
        facts = {"id": repository, "modelId": repository, "sha": REVISION, "private": False}
        return {**facts, "siblings": [{"rfilename": file.name} for file in files]}

    def _send_file(self, path: Path, has_body: bool) -> None:
        if not path.is_file():
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = path.read_bytes()
        facts = {"ETag": f'"{_tag(path)}"', "X-Repo-Commit": REVISION}
        self._send(content, facts, has_body)

    def _send(self, content: bytes, headers: dict[str, str], has_body: bool) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        begin = int(asked[1]) if asked else 0
        if asked and begin >= len(content):
            self.send_response(416)
            content = b""
        else:
            self.send_response(206 if asked else 200)
            if asked:
                told = f"bytes {begin}-{len(content) - 1}/{len(content)}"
                self.send_header("Content-Range", told)
            content = content[begin:]
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        for first in range(0, len(content) if has_body else 0, _PIECE):
            self.wfile.write(content[first : first + _PIECE])
            time.sleep(self.seconds_each)


def _tag(file: Path) -> str:
    return sha256(file.read_bytes()).hexdigest()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Clients that were killed."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on a free port until the end of the block; yields the address."""
    handler = type("Serving", (Handler,), {"folder": folder})
    server = _Server(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
