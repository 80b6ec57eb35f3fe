"""What the Hub answers to one request, by path and method.

Where nothing else is said, path, method and body are those that huggingface_hub 2.4.0 sends and parses (client,
hf_api.py);
`hub.py` says what the marks mean.
"""

import base64
import json
from typing import Any
from urllib.parse import quote, unquote, urlencode

from adapters.emulators.huggingface.git import object_id
from adapters.emulators.huggingface.hub import Hub, HubRefusalError, HubToken, Row, StoredRepository, moment

VERBS = frozenset(
    {"revision", "refs", "commits", "tree", "tag", "branch", "commit", "preupload", "settings", "resolve"}
)
NO_PAGE = "Sorry, we can't find the page you are looking for."
Query = dict[str, list[str]]


class HubRequest:
    """One request of somebody: `who` is None without a token."""

    def __init__(
        self, hub: Hub, method: str, path: str, query: Query, body: bytes, who: HubToken | None
    ) -> None:
        self.hub, self.method, self.path, self.query, self.body, self.who = (
            hub,
            method,
            path,
            query,
            body,
            who,
        )
        self.headers: dict[str, str] = {}
        """Of the answer."""

    def one(self, name: str, default: str = "") -> str:
        """The last value of a parameter."""
        return self.query.get(name, [default])[-1]

    def json(self) -> Row:
        """The body."""
        found = json.loads(self.body or b"{}")
        return found if isinstance(found, dict) else {}

    def answer(self) -> Any:
        """What the Hub answers. Errors: `HubRefusalError`."""
        if self.path in self.hub.broken:
            raise HubRefusalError(500, "Internal Error")
        parts = [unquote(part) for part in self.path.strip("/").split("/")]
        match self.method, parts:
            case "GET", ["api", "whoami-v2"]:
                return self._whoami()
            case "POST", ["api", "validate-yaml"]:  # before a card is committed (client, create_commit)
                return {"errors": [], "warnings": []}
            case "GET", ["api", "models"]:
                return self._list()
            case _, ["api", "models", *rest]:
                return self._model(rest)
            case "GET", ["api", "organizations", name, "overview"]:
                if name in self.hub.users:
                    raise HubRefusalError(404, "Organization not found", "OrganizationNotFound")
                return {
                    "name": name,
                    "fullname": name,
                }  # a user is none: 404 (client, get_organization_overview)
            case _, ["api", "repos", verb]:
                return self._repos(verb)
            case _, ["api", "settings", "webhooks", *rest]:
                return self._webhooks(rest)
            case "GET" | "HEAD", _ if "resolve" in parts[1:3]:
                at = parts.index("resolve")
                return self._resolve("/".join(parts[:at]), parts[at + 1], "/".join(parts[at + 2 :]))
        raise HubRefusalError(404, NO_PAGE)

    def _whoami(self) -> Row:
        who = self._somebody()
        # The permissions of a fine-grained token by what they are for (recorded).
        scoped = [
            {"entity": {"_id": "0" * 24, "type": "org", "name": name}, "permissions": list(permissions)}
            for name, permissions in who.scoped.items()
        ]
        fine = {"canReadGatedRepos": who.can_read_gated, "global": [], "scoped": scoped}
        token: Row = {"displayName": "waypost", "role": who.role, "createdAt": moment(0)}
        token |= {"fineGrained": fine} if who.role == "fineGrained" else {}
        orgs = [{"type": "org", "name": name} for name in who.orgs]
        auth = {"type": "access_token", "accessToken": token}
        return {"type": "user", "id": "0" * 24, "name": who.name, "orgs": orgs, "auth": auth}

    def _list(self) -> list[Row]:
        """Models by creation or by last commit, newest first; the cursor holds the sort key and `_id` (doc, api)."""
        hub, author, expand = self.hub, self.one("author"), self.query.get("expand", [])
        if expand and (self.one("full") or self.one("cardData")):
            raise HubRefusalError(400, "expand cannot be combined with full or cardData")  # (client)
        limit = min(int(self.one("limit", "1000")), hub.page)
        by_commit = self.one("sort") == "lastModified"
        rows = []
        for found in hub.repositories.values():
            head = found.git.at("main")
            if head and (not author or found.owner == author) and self._sees(found):
                rows.append(((head.at if by_commit else found.created, found.id), found, head))
        rows.sort(key=lambda row: row[0], reverse=True)
        if cursor := self.one("cursor"):
            at, ident = json.loads(base64.urlsafe_b64decode(cursor))
            rows = [row for row in rows if row[0] < (at, ident)]
        if len(rows) > limit:
            following = base64.urlsafe_b64encode(json.dumps(rows[limit - 1][0]).encode()).decode()
            query = urlencode({**self.query, "limit": [str(limit)], "cursor": [following]}, doseq=True)
            address = hub.link or f"{self.origin}/api/models?{query}"
            self.headers["Link"] = f'<{address}>; rel="next"'  # (client, _pagination.py)
        told = [hub.info(found, head, expand) for _, found, head in rows[:limit]]
        hub.listed()
        return told

    origin = ""

    def _model(self, rest: list[str]) -> Any:
        size = 1 if (len(rest) > 1 and rest[1] in VERBS) or len(rest) == 1 else 2
        name, verb = "/".join(rest[:size]), rest[size:]
        path = "".join(f"/{quote(each, safe='')}" for each in verb)
        found = self._find(name, f"/api/models/{{name}}{path}")
        if self.method == "GET":
            return self._told(found, verb)
        if verb[:1] == ["preupload"]:
            files = self.json()["files"]
            return {
                "files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files]
            }
        self._may_write(found)
        return self._written(found, verb)

    def _told(self, found: StoredRepository, verb: list[str]) -> Any:
        """What is read of one repository. `converts` are always there (client, list_repo_refs needs them)."""
        hub, git, expand = self.hub, found.git, self.query.get("expand", [])
        match verb:
            case []:
                return hub.info(found, hub.revision(found, "main"), expand)
            case ["revision", revision]:
                return hub.info(found, hub.revision(found, revision), expand)
            case ["refs"]:
                if found.name in hub.refs_refused:
                    raise HubRefusalError(403, "Access to its refs is restricted", "GatedRepo")
                tags = {tag: None if tag in found.spoilt else at for tag, at in git.tags.items()}
                return {"branches": _refs("heads", git.branches), "converts": [], "tags": _refs("tags", tags)}
            case ["commits", revision]:
                return self._commits(found, revision)
            case ["tree", revision, *_]:
                return self._tree(found, revision)
        raise HubRefusalError(404, NO_PAGE)

    def _written(self, found: StoredRepository, verb: list[str]) -> Row:
        """Commits, tags, branches, settings. What is deleted and is not there: 404 RevisionNotFound (?)."""
        match self.method, verb:
            case "POST", ["commit", branch]:
                return self._commit(found, branch)
            case "POST", ["tag", revision]:
                return self._ref(found, "tags", str(self.json()["tag"]), revision)
            case "POST", ["branch", branch]:
                return self._ref(found, "heads", branch, str(self.json().get("startingPoint", "main")))
            case "DELETE", ["tag" | "branch" as kind, ref]:
                refs = found.git.tags if kind == "tag" else found.git.branches
                if ref not in refs:
                    raise HubRefusalError(404, f"Invalid rev id: {ref}", "RevisionNotFound")
                self.hub.point(found.name, "tags" if kind == "tag" else "heads", ref, None)
                return {}
            case "PUT", ["settings"]:
                said = self.json()
                settings = {"gated": said["gated"]} if "gated" in said else {}
                settings |= {"private": said["visibility"] == "private"} if "visibility" in said else {}
                self.hub.set(found.name, **settings)
                return settings
        raise HubRefusalError(404, NO_PAGE)

    def _ref(self, found: StoredRepository, kind: str, ref: str, revision: str) -> Row:
        """A new tag or branch; one that exists already is a conflict (client, create_tag and create_branch)."""
        if ref in (found.git.tags if kind == "tags" else found.git.branches):
            raise HubRefusalError(409, f"Reference already exists: {ref}")
        self.hub.point(found.name, kind, ref, revision)
        return {}

    def _commits(self, found: StoredRepository, revision: str) -> list[Row]:
        """Newest first, 50 on a page (client, list_repo_commits; @huggingface/hub, list-commits)."""
        history = list(found.git.history(self.hub.revision(found, revision)))
        return [
            {
                "id": one.id,
                "title": one.message,
                "message": "",
                "date": moment(one.at),
                "authors": [{"user": one.author}],
            }
            for one in history[: int(self.one("limit", "50"))]
        ]

    def _tree(self, found: StoredRepository, revision: str) -> list[Row]:
        """All files, of folders too (client, list_repo_tree with `recursive`; it leaves folders out of downloads)."""
        commit = self.hub.revision(found, revision)
        return [
            {"type": "file", "path": path, "size": len(content), "oid": object_id("blob", content)}
            for path, content in sorted(commit.files.items())
        ]

    def _commit(self, found: StoredRepository, branch: str) -> Row:
        """Lines of JSON: a header, then files (client, _commit_api.py); `parentCommit` that is old: 412."""
        changes: dict[str, bytes | None] = {}
        header: Row = {}
        for line in self.body.splitlines():
            said = json.loads(line)
            value = said["value"]
            match said["key"]:
                case "header":
                    header = value
                case "file":
                    changes[value["path"]] = base64.b64decode(value["content"])
                case "deletedFile":
                    changes[value["path"]] = None
        head = found.git.branches.get(branch)
        if head is None:
            raise HubRefusalError(404, f"Invalid rev id: {branch}", "RevisionNotFound")
        if header.get("parentCommit") not in (None, head):
            raise HubRefusalError(412, "A commit has happened since. Please refresh and try again.")
        made = self.hub.commit(found.name, changes, branch, str(header.get("summary", "")))
        return {
            "success": True,
            "commitOid": made.id,
            "commitUrl": f"{self.origin}/{found.name}/commit/{made.id}",
        }

    def _repos(self, verb: str) -> Row:
        """Creating, deleting, moving. A name that is taken: 409; no right to write: 403 (client, create_repo)."""
        said, hub = self.json(), self.hub
        who = self._somebody()
        owner = said.get("organization") or ("" if verb != "create" else who.name)
        name = f"{owner}/{said.get('name')}" if owner else str(said.get("name"))
        match self.method, verb:
            case "POST", "create":
                if not who.may("repo.write", owner):
                    raise HubRefusalError(
                        403, "You don't have the rights to create a model under this namespace"
                    )
                if hub.named(name) is not None:
                    raise HubRefusalError(409, "You already created this model repo")
                made = hub.create(
                    name, private=said.get("visibility") == "private" or bool(said.get("private"))
                )
                return {"url": f"{self.origin}/{name}", "name": name, "id": made.id}
            case "DELETE", "delete":
                found = self._find(name, "")
                self._may_write(found)
                hub.delete(found.name)
                return {}
            case "POST", "move":
                found = self._find(str(said["fromRepo"]), "")
                self._may_write(found)
                if hub.named(str(said["toRepo"])) is not None:
                    raise HubRefusalError(409, "There is a repository of this name")
                hub.move(found.name, str(said["toRepo"]))
                return {}
        raise HubRefusalError(404, NO_PAGE)

    def _webhooks(self, rest: list[str]) -> Any:
        """`user.webhooks.read` and `.write` of the token's own user (recorded, whoami-v2; client, create_webhook)."""
        who, hub = self._somebody(), self.hub
        if not who.may("user.webhooks.read" if self.method == "GET" else "user.webhooks.write", who.name):
            raise HubRefusalError(403, "the token lacks permissions: user.webhooks.write")
        match self.method, rest:
            case "GET", []:
                return list(hub.webhooks.values())
            case "POST", []:
                ident = f"{next(hub.numbers):024x}"
                hub.webhooks[ident] = {"id": ident, "disabled": False, **self.json()}
                return {"webhook": hub.webhooks[ident]}
        webhook = hub.webhooks.get(rest[0])
        if webhook is None:
            raise HubRefusalError(404, "Webhook not found", "WebhookNotFound")
        match self.method, rest[1:]:
            case "GET", []:
                pass
            case "POST", []:
                webhook.update(self.json())
            case "POST", ["enable" | "disable" as verb]:
                webhook["disabled"] = verb == "disable"
            case "DELETE", []:
                del hub.webhooks[rest[0]]
        return {"webhook": webhook}

    def _resolve(self, name: str, revision: str, path: str) -> bytes:
        """A file; a gated one takes a token that was let in (client, GatedRepo)."""
        found = self._find(name, f"/{{name}}/resolve/{quote(revision, safe='')}/{quote(path)}")
        if found.gated and not (self.who and self.who.may("repo.content.read", found.owner)):
            raise HubRefusalError(403, f"Access to model {name} is restricted", "GatedRepo")
        commit = self.hub.revision(found, revision)
        if path not in commit.files:
            raise HubRefusalError(404, "Entry not found", "EntryNotFound")
        content = commit.files[path]
        self.headers |= {"X-Repo-Commit": commit.id, "ETag": f'"{object_id("blob", content)}"'}
        return content

    def _find(self, name: str, moved: str) -> StoredRepository:
        """A repository that may be seen. `moved` is where to look for it under its new name."""
        hub = self.hub
        found = hub.named(name)
        elsewhere = hub.repositories.get(hub.moved.get(name, ""))
        if found is None and elsewhere is not None and self._sees(elsewhere):
            query = f"?{urlencode(self.query, doseq=True)}" if self.query else ""
            to = moved.format(name=elsewhere.name) + query
            raise HubRefusalError(307, "Temporary Redirect", headers={"Location": to})
        if found is None or not self._sees(found):
            # "401 is misleading as it is returned for … missing repos" (client, utils/_http.py)
            raise HubRefusalError(404 if self.who else 401, "Repository not found", "RepoNotFound")
        if found.disabled and self.method != "GET":
            raise HubRefusalError(403, "Access to this resource is disabled.")
        return found

    def _sees(self, found: StoredRepository) -> bool:
        return not found.private or (self.who is not None and self.who.may("repo.content.read", found.owner))

    def _may_write(self, found: StoredRepository) -> None:
        """403 without `X-Error-Code` (client, create_repo and create_branch with `exist_ok`)."""
        if not self._somebody().may("repo.write", found.owner):
            raise HubRefusalError(403, "Forbidden: you need write access to this repository")

    def _somebody(self) -> HubToken:
        """401 for nobody (client, whoami)."""
        if self.who is None:
            raise HubRefusalError(401, "Invalid username or password.")
        return self.who


def _refs(kind: str, refs: Any) -> list[Row]:
    return [{"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": at} for name, at in refs.items()]
