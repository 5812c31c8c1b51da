"""A Hugging Face Hub on this machine, as far as huggingface_hub asks for one.

Repositories are folders of files in memory, with a history of commits. Refusals are those of the
real one: status, and the header ``X-Error-Code`` that huggingface_hub reads.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hub:
    """Repositories by name, each a list of commits, the newest last."""

    def __init__(self) -> None:
        self.repos: dict[str, list[tuple[str, dict[str, bytes]]]] = {}
        self.gated: set[str] = set()
        self.private: set[str] = set()
        self.asked: list[str] = []
        self.url = ""

    def commit(self, repo: str, files: dict[str, bytes]) -> str:
        """Add files; returns the hash."""
        history = self.repos.setdefault(repo, [])
        whole = {**(history[-1][1] if history else {}), **files}
        text = repr((repo, len(history), sorted(whole.items())))
        history.append((hashlib.sha1(text.encode()).hexdigest(), whole))
        return history[-1][0]

    def at(self, repo: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        history = self.repos[repo]
        if revision == "main":
            return history[-1]
        return next((one for one in history if one[0] == revision), None)


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, content: Any = b"", error: str = "", **headers: str) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        if error:
            self.send_header("X-Error-Code", error)
            self.send_header("X-Error-Message", error)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _found(self, repo: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """Return a commit; answer where there is none."""
        if repo not in self.hub.repos:
            self._answer(404, error="RepoNotFound")
            return None
        if repo in self.hub.gated:
            self._answer(403, error="GatedRepo")
            return None
        found = self.hub.at(repo, revision)
        if found is None:
            self._answer(404, error="RevisionNotFound")
        return found

    def do_GET(self) -> None:
        self.hub.asked.append(f"{self.command} {self.path}")
        path = self.path.partition("?")[0]
        about = re.fullmatch(r"/api/models/([^/]+/[^/]+)(/revision/(.+))?", path)
        if about:
            found = self._found(about[1], about[3] or "main")
            if found:
                commit, files = found
                siblings = [{"rfilename": name} for name in files]
                private = about[1] in self.hub.private
                known = {"id": about[1], "modelId": about[1], "private": private}
                self._answer(200, {**known, "sha": commit, "siblings": siblings})
            return
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        found = file and self._found(file[1], file[2])
        if not file or not found:
            if not file:
                self._answer(404)
            return
        commit, files = found
        if file[3] not in files:
            self._answer(404, error="EntryNotFound", X_Repo_Commit=commit)
            return
        tag = hashlib.sha1(files[file[3]]).hexdigest()
        self._answer(200, files[file[3]], X_Repo_Commit=commit, ETag=f'"{tag}"')

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:
        self.hub.asked.append(f"POST {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.headers.get("Authorization") != "Bearer hf_good":
            self._answer(401, {"error": "Invalid credentials"})
        elif self.path == "/api/repos/create":
            asked = json.loads(body)
            repo = "/".join(filter(None, [asked.get("organization"), asked["name"]]))
            if repo in self.hub.repos:
                self._answer(409, {"url": f"{self.hub.url}/{repo}"})
            else:
                self.hub.commit(repo, {})
                if asked.get("visibility") == "private" or asked.get("private"):
                    self.hub.private.add(repo)
                self._answer(200, {"url": f"{self.hub.url}/{repo}"})
        elif "/preupload/" in self.path:
            files = json.loads(body)["files"]
            self._answer(
                200,
                {
                    "files": [
                        {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False}
                        for f in files
                    ]
                },
            )
        elif "/commit/" in self.path:
            repo = self.path.split("/api/models/")[1].split("/commit/")[0]
            lines = [json.loads(line) for line in body.splitlines()]
            files = {
                line["value"]["path"]: base64.b64decode(line["value"]["content"])
                for line in lines
                if line["key"] == "file"
            }
            commit = self.hub.commit(repo, files)
            url = f"{self.hub.url}/{repo}/commit/{commit}"
            self._answer(200, {"success": True, "commitOid": commit, "commitUrl": url})
        else:
            self._answer(200, {"errors": [], "warnings": []})  # of the card's front matter


@contextmanager
def served() -> Iterator[Hub]:
    """Serve a hub while the body runs."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
