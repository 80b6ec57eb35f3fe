"""The repository: its refs by one request, its objects by a partial clone, its changes by one push.

Git runs in an environment that holds nothing of the machine's or of ours: no configuration, no hooks, no prompts, one
protocol, bounded time, output and disk. A secret is handed on in the environment, never as an argument.
"""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from adapters.contract import Observer
from adapters.errors import (
    AdapterError,
    AuthError,
    ConflictError,
    InvalidError,
    RejectedError,
    TransientError,
    UnsupportedError,
)
from adapters.git.config import GitConfig
from adapters.http import HttpClient, basic
from adapters.outgoing import is_allowed
from adapters.programs import Program
from adapters.resolving import addresses
from adapters.writing import digest

OLDEST = (2, 37)
"""The first release of git that can be held to an address (`http.curloptResolve`)."""
MOST_PACKS = 50
"""Fetches after which the clone is made anew: each leaves a pack."""
AT_ONCE = 500
"""Objects that are asked for before the first answer is read: what asks for them has to fit into a pipe."""
SMALL = 1 << 14
"""Bytes of an object that is read ahead."""
OURS = "[core]\n\tbare = true\n"
_FAILURES: tuple[tuple[type[AdapterError], str, str], ...] = (
    (ConflictError, r"stale info|cannot lock ref|already exists|fetch first", "read it again"),
    (InvalidError, r"not appear to be a git|does not exist|not found|dubious", "check the registry's `url`"),
    (
        AuthError,
        r"authentication failed|prompts disabled|could not read|permission denied|denied to|error: 40[13]",
        "check the registry's credentials and what they may do",
    ),
    (InvalidError, r"signal 25|file too large", "raise `max_repository_mb`"),
    (InvalidError, r"not our ref|unadvertised object", "name a commit that the repository has"),
    (InvalidError, r"hook declined|protected|remote rejected", "the repository's own rules forbid it"),
)


class Ref(NamedTuple):
    """What a tag points at: an object, and the commit (or what else) that an annotated tag leads to."""

    oid: str
    peeled: str | None = None


class Refs(NamedTuple):
    """What the repository says that it has. `head` is None while there is no commit."""

    head: str | None
    tags: Mapping[str, Ref]
    agent: str = "unknown"
    filters: bool = True
    """Whether it is known to leave out what is not asked for; else all that a commit holds has to be fetched."""

    @property
    def watermark(self) -> str:
        """The same for as long as nothing changed."""
        return digest([self.head, sorted(self.tags.items())], 40)


class Objects:
    """Reads what was fetched, through one process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._asks, self._answers = process.stdin, process.stdout
        self._ahead: dict[str, tuple[str, bytes]] = {}

    def read(self, oid: str, most: int) -> tuple[str, bytes] | None:
        """An object's type and content; None where it was not fetched or is larger than so many bytes."""
        if oid in self._ahead:
            found = self._ahead.pop(oid)
            return found if len(found[1]) <= most else None
        (size,) = self._sizes([oid])
        return None if size is None or size > most else next(self._contents([oid]))

    def ahead(self, oids: Iterable[str]) -> None:
        """Read these before they are asked for, many at once, as far as they are there and small."""
        left = iter(dict.fromkeys(oids))
        while some := list(islice(left, AT_ONCE)):
            sizes = zip(some, self._sizes(some), strict=True)
            small = [oid for oid, size in sizes if size is not None and size <= SMALL]
            self._ahead.update(zip(small, self._contents(small), strict=True))

    def _sizes(self, oids: Sequence[str]) -> list[int | None]:
        self._ask("info", oids)
        said = [self._answers.readline().split() for _ in oids]
        return [int(words[2]) if len(words) == 3 else None for words in said]

    def _contents(self, oids: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        self._ask("contents", oids)
        for _ in oids:
            _, kind, size = self._answers.readline().split()
            yield kind.decode(), self._answers.read(int(size) + 1)[:-1]

    def _ask(self, what: str, oids: Sequence[str]) -> None:
        self._asks.write("".join(f"{what} {oid}\n" for oid in oids).encode())
        self._asks.flush()


class GitClient:
    """One repository. Nothing is opened, started or written before the first call."""

    def __init__(self, config: GitConfig) -> None:
        self.config = config
        self.observer: Observer = lambda method, path, status, seconds: None
        auth = (config.username, config.token) if config.token else None
        endpoint = config.endpoint(config.url, headers={}, auth=auth, verify=config.verify)
        self.http = HttpClient(endpoint, observer=lambda *told: self.observer(*told))
        self._program = Program(
            "git", config.call_timeout, config.max_response_mb << 20, config.max_repository_mb << 20
        )
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._have: dict[Path, set[str]] = {}
        self._making, self._fetching = threading.Lock(), threading.Lock()

    @property
    def host(self) -> str:
        """What the repository is called in messages."""
        return self.http.host if self.config.is_web else self.config.url

    def refs(self, service: str = "upload-pack") -> Refs:
        """HEAD and every tag, by one request; `receive-pack` asks as one who is about to push. Errors: any
        `AdapterError`; what is not git's own answer is none, however well it came.
        """
        if not self.config.is_web:
            said = self._git("ls-remote", f"--upload-pack=git-{service}", self.config.remote, remote=True)
            return _refs(line.split("\t", 1) for line in said.decode("utf-8", "replace").splitlines())
        path, params = "/info/refs", {"service": f"git-{service}"}
        reply = self.http.call("GET", path, params=params, repeatable=True)
        kind = reply.headers.get("content-type", "").partition(";")[0]
        if kind != f"application/x-git-{service}-advertisement":
            raise TransientError(
                f"{self.host} answered {reply.status} with something that is not git's: check that `url` is the "
                "repository itself, and no login page or proxy stands before it"
            )
        try:
            return _advertised(reply.body)
        except ValueError:
            raise TransientError(
                f"{self.host} gave a list of refs that breaks off: it is asked again"
            ) from None

    def may_push(self) -> str | None:
        """None, or why not, as the server says it to one who is about to."""
        places = [Path(self.config.url, within, "objects") for within in ("", ".git")]
        if self.config.protocol == "file" and not any(os.access(place, os.W_OK) for place in places):
            return "its files may not be written"
        try:
            self.refs("receive-pack")
        except RejectedError as error:
            return str(error)
        return None

    def fetch(self, oids: Iterable[str]) -> None:
        """Get these objects and what they lead to, but no history and no large file, unless they are here."""
        limit = f"blob:limit={self.config.max_file_kb}k"
        self._fetch(self._folder("objects"), oids, "--depth=1", f"--filter={limit}")

    def root(self, head: str) -> str | None:
        """The commit that the history of HEAD began with."""
        folder = self._folder("history")
        self._fetch(folder, [head], "--filter=tree:0")
        found = self._git("rev-list", "--first-parent", "--max-parents=0", head, folder=folder)
        return found.decode().strip() or None

    @contextmanager
    def objects(self) -> Iterator[Objects]:
        """What was fetched, to be read."""
        command = ("git", "cat-file", "--batch-command")
        folder = self._folder("objects")
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command,
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=self._environment(folder),
        ) as process:
            try:
                yield Objects(process)
            finally:
                process.kill()

    def files(self, tree: str) -> list[str]:
        """The paths of all files of a tree that was fetched."""
        said = self._git("ls-tree", "-r", "-z", "--name-only", tree)
        return said.decode("utf-8", "replace").split("\0")[:-1]

    def store(self, tag: str) -> str:
        """Keep the text of a tag object until it is pushed; its id."""
        return self._git("hash-object", "-t", "tag", "-w", "--stdin", given=tag).decode().strip()

    def push(self, changes: Mapping[str, tuple[str | None, str | None]]) -> None:
        """Make tags point at objects, by name: from what they point at now (None: they are not there) to (None:
        nothing). All of it or nothing. Errors: `ConflictError` where one is something else by now.
        """
        if not changes:
            raise InvalidError(
                "only what GTO's tags say is changed here: do the rest in the repository itself"
            )
        leases = [f"--force-with-lease=refs/tags/{tag}:{old or ''}" for tag, (old, _) in changes.items()]
        moves = [f"{new or ''}:refs/tags/{tag}" for tag, (_, new) in changes.items()]
        atomic = ["--atomic"] if len(changes) > 1 else []
        self._git("push", "--quiet", *atomic, *leases, self.config.remote, *moves, remote=True)

    def close(self) -> None:
        """Give connections and disk back."""
        self.http.close()
        scratch, self._scratch, self._have = self._scratch, None, {}
        if scratch is not None:
            scratch.cleanup()

    def tidy(self) -> None:
        """Begin the clone anew where it has become large. Not while it is read."""
        folder = self._folder("objects")
        packs = list(folder.glob("objects/pack/*.pack"))
        if len(packs) > MOST_PACKS or sum(each.stat().st_size for each in packs) > self._program.most_written:
            shutil.rmtree(folder)

    def _fetch(self, folder: Path, oids: Iterable[str], *how: str) -> None:
        with self._fetching:
            self._fetch_missing(folder, oids, *how)

    def _fetch_missing(self, folder: Path, oids: Iterable[str], *how: str) -> None:
        have = self._have.setdefault(folder, set())
        if not (wanted := set(oids) - have):
            return
        local = self.config.protocol == "file"
        serving = ["--upload-pack=git -c uploadpack.allowFilter=true upload-pack"] if local else []
        quietly = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-gc", "--no-recurse-submodules")
        command = ("fetch", *quietly, *how, *serving, "--stdin", self.config.remote)
        try:
            self._git(*command, given="\n".join(sorted(wanted)), folder=folder, remote=True)
        finally:
            # Git notes that what is missing can be had from the repository: reading would ask for it, one by one.
            (folder / "config").write_text(OURS)
        have |= wanted
        # What is here, for git to tell at the next fetch.
        (folder / "packed-refs").write_text("".join(f"{oid} refs/here/{oid}\n" for oid in sorted(have)))

    def _folder(self, name: str) -> Path:
        """A bare repository in our own scratch space, made at the first use."""
        with self._making:
            return self._made(name)

    def _made(self, name: str) -> Path:
        if self._scratch is None:
            found = shutil.which("git")
            said = (
                subprocess.run(["git", "version"], capture_output=True, check=False).stdout if found else b""
            )
            numbers = [int(each) for each in re.findall(rb"\d+", said)[:2]]
            if tuple(numbers) < OLDEST:
                raise UnsupportedError(
                    "the git adapter needs git 2.37 or newer: install it where the worker runs"
                )
            self._scratch = tempfile.TemporaryDirectory(prefix="waypost-git-")
        folder = Path(self._scratch.name) / name
        if not (folder / "HEAD").exists():
            for each in ("objects", "refs"):
                (folder / each).mkdir(parents=True)
            (folder / "config").write_text(OURS)
            (folder / "safe").write_text("[safe]\n\tdirectory = *\n")
            (folder / "HEAD").write_text("ref: refs/heads/none\n")
            self._have.pop(folder, None)
        return folder

    def _git(
        self, *arguments: str, given: str = "", folder: Path | None = None, remote: bool = False
    ) -> bytes:
        """What a command prints. Errors: any `AdapterError`."""
        folder, command = folder or self._folder("objects"), arguments[0]
        environment = self._environment(folder, remote=remote, pushes=command == "push")
        began, code = time.monotonic(), -1
        try:
            code, printed, said = self._program.run(
                arguments, given=given, folder=folder, environment=environment
            )
        except (InvalidError, TransientError) as error:
            raise type(error)(f"{self.host}, git {command}: {error}") from None
        finally:
            if remote:
                self.observer("GIT", command, None if code else 200, time.monotonic() - began)
        if code:
            raise self._failure(command, said)
        return printed

    def _failure(self, command: str, said: str) -> AdapterError:
        lines = [line for line in said.splitlines() if re.match(r"fatal:|error:|remote:|.*\[", line)]
        line = f"{self.host}, git {command}: {' '.join((lines or said.splitlines() or ['it failed'])[0].split())[:160]}"
        for kind, pattern, remedy in _FAILURES:
            if re.search(pattern, said, re.IGNORECASE):
                return kind(f"{line}: {remedy}")
        return TransientError(f"{line}: it is tried again later")

    def _environment(self, folder: Path, *, remote: bool = False, pushes: bool = False) -> dict[str, str]:
        config = self.config
        settings = {
            "core.hooksPath": os.devnull, "core.fsmonitor": "false", "gc.auto": "0", "maintenance.auto": "false",
            "protocol.version": "2", "credential.helper": "", "submodule.recurse": "false",
        }  # fmt: skip
        if remote and config.is_web:
            settings |= {"http.followRedirects": "false", "http.proxy": "", "http.postBuffer": str(1 << 24)}
            settings |= {"http.lowSpeedLimit": "1", "http.lowSpeedTime": f"{max(1, config.timeout):.0f}"}
            settings |= {"http.sslVerify": str(config.verify).lower(), **self._address()}
            if config.ca_file:
                settings["http.sslCAInfo"] = str(config.ca_file)
            if config.token:
                settings["http.extraHeader"] = f"Authorization: {basic(config.username, config.token)}"
        given = {f"GIT_CONFIG_KEY_{place}": name for place, name in enumerate(settings)}
        given |= {f"GIT_CONFIG_VALUE_{place}": value for place, value in enumerate(settings.values())}
        key = f" -o IdentitiesOnly=yes -i {shlex.quote(str(config.ssh_key))}" if config.ssh_key else ""
        kept = {name: os.environ[name] for name in ("PATH", "SSH_AUTH_SOCK") if name in os.environ}
        return {
            **kept, **given, "GIT_CONFIG_COUNT": str(len(settings)), "GIT_CONFIG_NOSYSTEM": "1",
            # Whoever owns a repository on a path: reading it runs nothing of theirs. Pushing to it may, and is refused.
            "GIT_CONFIG_GLOBAL": os.devnull if pushes else str(folder / "safe"), "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "false", "GIT_SSH_COMMAND": f"ssh -o BatchMode=yes{key}",
            "GIT_ALLOW_PROTOCOL": config.protocol if remote else "", "GIT_DIR": str(folder), "HOME": str(folder),
            "LC_ALL": "C",
        }  # fmt: skip

    def _address(self) -> dict[str, str]:
        """Holds git to an address that is allowed, wherever the name points by the time it looks."""
        if not self.config.allowed_networks:
            return {}
        parts = urlsplit(self.config.url)
        host, port = parts.hostname or "", parts.port or {"http": 80, "https": 443}[parts.scheme]
        try:
            found = [str(each[4][0]) for each in addresses(host, port, self.config.timeout)]
        except (OSError, UnicodeError):
            raise TransientError(f"{host} cannot be found: its name leads nowhere") from None
        allowed = [each for each in found if is_allowed(each, self.config.allowed_networks)]
        if not allowed:
            raise InvalidError(f"{host} is at {found[0]}, outside `allowed_networks`: nothing was sent")
        return {"http.curloptResolve": f"{host}:{port}:{allowed[0]}"}


def _advertised(body: bytes) -> Refs:
    """The refs in an answer of the smart protocol. Errors: `ValueError` for one that does not end as it should."""
    parts: list[list[bytes]] = [[]]  # what stands between one flush and the next
    at = 0
    while at < len(body):
        size = int(body[at : at + 4], 16)
        parts += [] if size else [[]]
        parts[-1] += [body[at + 4 : at + size]] if size else []
        at += max(size, 4)
    if at != len(body) or len(parts) != 3 or parts[2]:
        raise ValueError("it breaks off")
    lines = parts[1] or [b""]
    first, _, abilities = lines[0].partition(b"\0")
    agent = re.search(rb"agent=([!-~]{1,80})", abilities)
    rows = (line.decode("utf-8", "replace").rstrip("\n").split(" ", 1) for line in (first, *lines[1:]))
    said = agent[1].decode() if agent else "unknown"
    return _refs(rows)._replace(agent=said, filters=not lines[0] or b"filter" in abilities.split())


def _refs(rows: Iterable[list[str]]) -> Refs:
    found = {row[1]: row[0] for row in rows if len(row) == 2}
    if any(len(oid) != 40 for oid in found.values()):
        raise UnsupportedError("the repository names its objects by SHA-256, which is not read")
    tags = {
        name.removeprefix("refs/tags/"): Ref(oid, found.get(f"{name}^{{}}"))
        for name, oid in found.items()
        if name.startswith("refs/tags/") and not name.endswith("^{}")
    }
    return Refs(found.get("HEAD"), tags)
