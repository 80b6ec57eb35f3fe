"""What the Hub knows: repositories, tokens, webhooks, its clock and its window of requests.

Each behaviour of the Hub says where it is from: (doc) https://huggingface.co/docs/hub, (client) the code of
huggingface_hub 2.4.0 or @huggingface/hub 2.17.5, which parse it; (recorded) an answer of the Hub's that somebody has
published; (?) nobody has confirmed it.
"""

import itertools
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from adapters.emulators.huggingface.git import Commit, Files, Git
from adapters.errors import BadRecordError
from adapters.parsing import parse_yaml

Row = dict[str, Any]
WINDOW = 300
"""Seconds of a window of requests (doc, rate-limits)."""


class HubRefusalError(Exception):
    """An answer that is not 200. `code` goes into `X-Error-Code` (client, utils/_http.py)."""

    def __init__(
        self, status: int, message: str, code: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.headers = status, code, dict(headers or {})


@dataclass(slots=True)
class HubToken:
    """Whose it is, and what it may do: `read`, `write`, or by `scoped` permissions of names (recorded, whoami-v2)."""

    name: str
    orgs: tuple[str, ...] = ()
    role: str = "write"
    scoped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    can_read_gated: bool = False

    def may(self, permission: str, owner: str) -> bool:
        """Whether it may do this with what belongs to a name."""
        if self.role == "fineGrained":
            return permission in self.scoped.get(owner, ())
        return owner in ("", self.name, *self.orgs) and (self.role == "write" or permission.endswith(".read"))


@dataclass(slots=True)
class StoredRepository:
    """One model."""

    id: str
    name: str
    created: float
    git: Git = field(default_factory=Git)
    private: bool = False
    gated: Any = False
    disabled: bool = False
    spoilt: frozenset[str] = frozenset()
    """Tags of which no commit is told."""

    @property
    def owner(self) -> str:
        """The organisation or user; empty for one of the first models, which have none."""
        return self.name.rpartition("/")[0]


@dataclass
class Hub:
    """One Hub."""

    tokens: dict[str, HubToken] = field(default_factory=dict)
    users: set[str] = field(default_factory=set)
    repositories: dict[str, StoredRepository] = field(default_factory=dict)
    """By their own ids."""
    moved: dict[str, str] = field(default_factory=dict)
    """Ids of repositories by the names that they had."""
    webhooks: dict[str, Row] = field(default_factory=dict)
    clock: Callable[[], float] = time.time
    quota: int = 1_000_000
    """Requests of a window."""
    spent: int = 0
    window: float = 0.0
    page: int = 1000
    """Repositories on a page, at most (?)."""
    fault: str = ""
    """How every request fails: see `adapters.conformance.Fault`."""
    latency: float = 0.0
    link: str = ""
    """Where each next page is said to be, instead of where it is."""
    broken: set[str] = field(default_factory=set)
    """Paths that are answered by 500."""
    refs_refused: set[str] = field(default_factory=set)
    """Names of repositories whose refs are refused."""
    listed: Callable[[], None] = lambda: None
    """Called when a page of a listing is put together, before it is sent."""
    deliver: Callable[[Row, Row], None] = lambda webhook, payload: None
    """Called with each webhook and what it is told."""
    requests: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def now(self) -> int:
        """Whole seconds since 1970."""
        return int(self.clock())

    def named(self, name: str) -> StoredRepository | None:
        """The repository of this name."""
        return next((one for one in self.repositories.values() if one.name == name), None)

    def create(self, name: str, *, private: bool = False) -> StoredRepository:
        """A repository with the Hub's first commit: `.gitattributes` on `main` (?)."""
        with self.lock:
            ident = f"{self.now() & 0xFFFFFFFF:08x}{next(self.numbers):016x}"
            made = StoredRepository(ident, name, self.clock(), private=private)
            self.moved.pop(name, None)
            self.repositories[ident] = made
            made.git.add("main", {".gitattributes": b""}, "initial commit", self.now(), made.owner or "hub")
            self.announce(made, "create", "repo")
            return made

    def commit(
        self, name: str, changes: Mapping[str, bytes | None], branch: str = "main", message: str = ""
    ) -> Commit:
        """A commit on a branch; None takes a file away."""
        with self.lock:
            found = self.repository(name)
            head = found.git.at(branch)
            files: dict[str, bytes | None] = {**(head.files if head else {}), **changes}
            kept: Files = {path: content for path, content in files.items() if content is not None}
            made = found.git.add(branch, kept, message or "Upload", self.now(), found.owner or "hub")
            self.updated(found, f"refs/heads/{branch}", head.id if head else None, made.id)
            return made

    def point(self, name: str, kind: str, ref: str, revision: str | None) -> None:
        """Make a branch or tag (`heads`, `tags`), or (None) delete it."""
        with self.lock:
            found = self.repository(name)
            refs = found.git.branches if kind == "heads" else found.git.tags
            old = refs.pop(ref, None)
            if revision is not None:
                refs[ref] = self.revision(found, revision).id
            self.updated(found, f"refs/{kind}/{ref}", old, refs.get(ref))

    def move(self, name: str, to: str) -> None:
        """Rename a repository, or hand it over; its former name leads to it (doc, repositories-settings)."""
        with self.lock:
            found = self.repository(name)
            found.name = to
            self.moved[name] = found.id
            self.announce(found, "move", "repo", former=name)

    def delete(self, name: str) -> None:
        """Delete a repository; names that led to it lead nowhere."""
        with self.lock:
            found = self.repository(name)
            del self.repositories[found.id]
            self.moved = {former: ident for former, ident in self.moved.items() if ident != found.id}
            self.announce(found, "delete", "repo")

    def set(self, name: str, **settings: Any) -> None:
        """Change `private`, `gated` or `disabled`: no commit, so `lastModified` stays (doc, client: "last commit")."""
        with self.lock:
            found = self.repository(name)
            for each, value in settings.items():
                setattr(found, each, value)
            self.announce(found, "update", "repo.config", updatedConfig=settings)

    def repository(self, name: str) -> StoredRepository:
        """The repository of this name. Errors: `HubRefusalError`."""
        found = self.named(name)
        if found is None:
            raise HubRefusalError(404, "Repository not found", "RepoNotFound")
        return found

    def revision(self, found: StoredRepository, revision: str) -> Commit:
        """The commit that something names. Errors: `HubRefusalError`."""
        commit = found.git.at(revision)
        if commit is None:
            raise HubRefusalError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return commit

    def updated(self, found: StoredRepository, ref: str, old: str | None, new: str | None) -> None:
        """A ref was made, moved or deleted (doc, webhooks, "Code changes")."""
        told = {"ref": ref, "oldSha": old, "newSha": new}
        self.announce(found, "update", "repo.content", updatedRefs=[told])

    def announce(
        self, found: StoredRepository, action: str, scope: str, former: str = "", **more: Any
    ) -> None:
        """Tell the webhooks that watch it: payload version 3 (client, _webhooks_payload.py)."""
        head = found.git.at("main")
        repo = {
            "type": "model",
            "name": former or found.name,
            "id": found.id,
            "private": found.private,
            "headSha": head.id if head else None,
            "owner": {"id": "0" * 24},
            "url": {"web": f"/{found.name}", "api": f"/api/models/{found.name}"},
        }
        if former:
            more["movedTo"] = {"name": found.name, "owner": {"id": "0" * 24}}
        for webhook in list(self.webhooks.values()):
            names = {each["name"] for each in webhook["watched"]}
            if (
                not webhook["disabled"]
                and "repo" in webhook["domains"]
                and {found.owner, former or found.name} & names
            ):
                told = {"event": {"action": action, "scope": scope}, "repo": repo, **more}
                self.deliver(webhook, {**told, "webhook": {"id": webhook["id"], "version": 3}})

    def info(self, found: StoredRepository, commit: Commit, expand: list[str]) -> Row:
        """A model as the API tells it: all that is asked for by `expand`, `_id` and `id` in any case (client)."""
        card = card_of(commit.files)
        newest = found.git.at("main") or commit
        bases = self._bases(card)
        every: Row = {
            "author": found.owner or None,
            "sha": commit.id,
            "lastModified": moment(commit.at),
            "createdAt": moment(found.created),
            "private": found.private,
            "gated": found.gated,
            "disabled": found.disabled,
            "library_name": card.get("library_name"),
            "pipeline_tag": card.get("pipeline_tag"),
            "tags": tags_of(card),
            # Beside the card, not in it (recorded; client, ModelInfo).
            "model-index": card.get("model-index"),
            "cardData": {name: value for name, value in card.items() if name != "model-index"} or None,
            "baseModels": {"relation": card.get("base_model_relation", "finetune"), "models": bases}
            if bases
            else None,
            "safetensors": safetensors_of(commit.files),
            "siblings": [{"rfilename": path} for path in sorted(commit.files)],
            "downloads": 0,
            "likes": 0,
        }
        wanted = expand or [name for name in every if name not in ("baseModels", "safetensors", "cardData")]
        if not expand and commit is newest:
            wanted.append("cardData")
        told = {name: every[name] for name in wanted if every.get(name) is not None}
        return {"_id": found.id, "id": found.name, **told}

    def _bases(self, card: Row) -> list[Row]:
        named = card.get("base_model") or []
        found = [self.named(one) for one in ([named] if isinstance(named, str) else named)]
        return [{"_id": one.id, "id": one.name} for one in found if one is not None]


def moment(at: float) -> str:
    """A time as the API writes it (recorded)."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def card_of(files: Files) -> Row:
    """The YAML between the first two lines of dashes of `README.md` (doc, model-cards)."""
    text = files.get("README.md", b"").decode(errors="replace")
    if not text.startswith("---\n") or "\n---" not in text[4:]:
        return {}
    try:
        found = parse_yaml(text[4:].partition("\n---")[0], "the card")
    except BadRecordError:
        return {}
    return found if isinstance(found, dict) else {}


def tags_of(card: Row) -> list[str]:
    """The tags that the Hub computes from a card (client, ModelInfo: "extra tags computed by the Hub")."""
    found = [str(one) for one in card.get("tags") or []]
    found += [str(card["library_name"])] if card.get("library_name") else []
    for name, prefix in (("datasets", "dataset"), ("base_model", "base_model"), ("license", "license")):
        value = card.get(name) or []
        found += [f"{prefix}:{one}" for one in ([value] if isinstance(value, str) else value)]
    return [*found, "region:us"]


def safetensors_of(files: Files) -> Row | None:
    """Parameters by type, from the headers of the files (client, SafeTensorsInfo)."""
    counts: dict[str, int] = {}
    for path, content in files.items():
        if path.endswith(".safetensors") and len(content) >= 8:
            header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
            for name, tensor in header.items():
                if name != "__metadata__":
                    size = 1
                    for each in tensor["shape"]:
                        size *= each
                    counts[tensor["dtype"]] = counts.get(tensor["dtype"], 0) + size
    return {"parameters": counts, "total": sum(counts.values())} if counts else None
