"""A second opinion: real git, over its own HTTP server, has the refs, commits and cards that we read off the Hub."""

import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from adapters.emulators.huggingface.git import Git
from adapters.emulators.huggingface.harness import SECRET, HuggingFaceHarness
from adapters.emulators.huggingface.hub import HubToken
from adapters.huggingface import HuggingFaceAdapter
from tests.adapters.scans import scanned

_PROGRAMS = subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout.strip()
BACKEND = Path(_PROGRAMS) / "git-http-backend"
CLEAN = {
    **os.environ,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
}


class _GitHandler(BaseHTTPRequestHandler):
    """Hands each request to `git http-backend`, as a web server does (CGI)."""

    root: Path

    def _handle(self) -> None:
        path, _, query = self.path.partition("?")
        size = int(self.headers.get("Content-Length") or 0)
        given = {
            "GIT_PROJECT_ROOT": str(self.root), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path, "QUERY_STRING": query,
            "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(size), "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }  # fmt: skip
        asked = self.rfile.read(size)
        done = subprocess.run(
            [str(BACKEND)], input=asked, capture_output=True, env={**CLEAN, **given}, check=True
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _handle  # noqa: N815 - the names the standard library looks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Say nothing."""


def git(*arguments: str, cwd: Path | None = None) -> str:
    """What git prints."""
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, cwd=cwd, env=CLEAN, check=True)
    return done.stdout


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder of repositories, and the address at which git serves them."""
    if not BACKEND.exists():
        pytest.skip("git's own HTTP server is not installed")

    class Handler(_GitHandler):
        root = tmp_path / "served"

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield Handler.root, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def harness() -> Iterator[HuggingFaceHarness]:
    made = HuggingFaceHarness()
    made.hub.tokens[SECRET] = HubToken("robot", ("acme",))
    yield made
    made.close()


def test_git_itself_has_what_we_read(
    harness: HuggingFaceHarness, remote: tuple[Path, str], tmp_path: Path
) -> None:
    hub, (served, url) = harness.hub, remote
    hub.create("acme/a")
    for number in range(3):
        card = f"---\nlicense: mit\n---\nnumber {number}\n".encode()
        hub.commit("acme/a", {"README.md": card, "sub/dir/w.bin": bytes([number]), "sub.txt": b"x"})
        hub.point("acme/a", "tags", f"v{number}", "main")
    hub.point("acme/a", "heads", "release/1.0", "v1")
    hub.repository("acme/a").git.export(served / "acme" / "a")
    adapter = HuggingFaceAdapter(harness.config(authors=("acme",)))
    found = scanned(adapter)
    [model] = found.models().values()
    versions = found.versions(model.key)

    lines = [line.split("\t") for line in git("ls-remote", f"{url}/acme/a").splitlines()]
    refs = {name: commit for commit, name in lines}
    told = {f"refs/tags/{name}": one.lineage.commit for name, one in versions.items() if name != "main"}
    told |= {"HEAD": versions["main"].lineage.commit, "refs/heads/main": versions["main"].lineage.commit}
    told["refs/heads/release/1.0"] = versions[model.aliases["release/1.0"]].lineage.commit
    assert refs == told

    git("clone", "--quiet", f"{url}/acme/a", "clone", cwd=tmp_path)
    git("fsck", "--strict", cwd=tmp_path / "clone")
    for name, one in versions.items():
        seen = git("log", "-1", "--format=%H %cI", str(one.lineage.commit), cwd=tmp_path / "clone").split()
        assert one.updated_at is not None
        assert seen == [one.lineage.commit, one.updated_at.isoformat()]
        assert git("show", f"{seen[0]}:README.md", cwd=tmp_path / "clone").startswith("---\nlicense: mit"), (
            name
        )


def test_git_makes_the_same_ids(tmp_path: Path) -> None:
    made = Git()
    files = {"a.txt": b"1", "a/b": b"2", "a.b/c": b"3", "\u00fc": b"4"}
    head = made.add("main", files, "of us", 1_700_000_000, "us")
    git("init", "--quiet", "--initial-branch=main", ".", cwd=tmp_path)
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    git("add", ".", cwd=tmp_path)
    tree = git("write-tree", cwd=tmp_path).strip()
    assert f"tree {tree}\n".encode() in head.objects[head.id][1]
