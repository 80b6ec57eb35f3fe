"""Every route, read off the application, for everybody who may not use it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from litestar.handlers import HTTPRouteHandler
from sqlalchemy import update

from adapters import Key, ModelRecord, VersionRecord
from federation.access import LOCAL, ROLES, Permission
from federation.database import now, writing
from federation.identity import tables, tokens
from tests.gateway.access.gate import Gate, gate
from tests.gateway.access.worlds import Draft, write

MODEL = Key("model", "m")
MODELS = (
    ModelRecord(key=MODEL, name="model", aliases={"best": "1"}),
    VersionRecord(key=Key("version", "v"), model=MODEL, version="1"),
)
REFERENCES = {"hidden": "fraud/model:1", "absent": "nowhere/model:1"}
REGISTRIES = {"hidden": "fraud", "absent": "nowhere"}
BODIES: dict[str, Any] = {
    "set_stage": {"stage": "production"},
    "set_alias": {"version": "1"},
    "set_version_tags": {"tags": {"a": "b"}},
    "set_model_tags": {"tags": {"a": "b"}},
    "register_version": {"model": "model", "source": "s3://somewhere"},
    "declare_dependency": {"consumer": "{ref}", "provider": "images/model:1"},
    "add_watch": {"on": "registry:{registry}"},
    "deprecate_model": {"until": "2027-03-31"},
    "create_webhook": {"name": "mine", "url": "https://receiver.example", "on": "registry:{registry}"},
    "replay_webhook": {"dead": True},
    "confirm_identity": {"identity": "another"},
    "create_token": {"name": "mine", "role": "viewer", "on": "registry:{registry}"},
    "propose": {"ref": "{ref}", "to": "production", "reason": "better"},
    "roll_back": {"model": "{registry}/model", "reason": "worse"},
    **{name: {"words": "yes"} for name in ("approve", "reject", "comment", "cancel", "review")},
    "make_statement": {"kind": "check", "content": "e30="},
    "report_check": {"verdict": "yes"},
    "add_grant": {"token": "mine", "role": "viewer", "on": "registry:{registry}"},
}
"""What a request that changes something sends, so that it is not refused for its form."""
AFTER_REFERENCE = {
    "make_statement": "/statements",
    "set_stage": "/stage",
    "deprecate_model": "/deprecate",
    "set_alias": "/aliases/best",
    "set_version_tags": "/tags",
    "remove_alias_or_model": "/aliases/best",
}


@dataclass(frozen=True)
class Route:
    """A route that not everybody may use."""

    method: str
    path: str
    name: str
    permission: Permission

    def request(self, which: str) -> tuple[str, str, Any]:
        """Method, path and body, naming what is hidden or absent."""
        names = {"ref": REFERENCES[which], "registry": REGISTRIES[which]}
        places = {
            "path": names["ref"] + AFTER_REFERENCE.get(self.name, ""),
            "str": names["registry"],
            "int": "1",
        }
        path = re.sub(r"{\w+:(\w+)}", lambda found: places[found[1]], self.path)
        body = json.dumps(BODIES.get(self.name))
        for name, value in names.items():
            body = body.replace(f"{{{name}}}", value)
        return self.method, path, json.loads(body)

    @property
    def names_something(self) -> bool:
        """Whether the path or body says of which registry."""
        return ":path}" in self.path or ":str}" in self.path or "{" in json.dumps(BODIES.get(self.name, 0))


def routes(gateway: Gate) -> list[Route]:
    return [
        Route(method, route.path, handler.handler_name, handler.opt["permission"])
        for route in gateway.app.app.routes
        for handler in getattr(route, "route_handlers", ())
        if isinstance(handler, HTTPRouteHandler) and handler.opt.get("permission") is not None
        for method in handler.http_methods
    ]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    folder: Path = tmp_path_factory.mktemp("matrix")
    with gate(folder, teams=(("fraud", "risk"), ("images", "vision"))) as found:
        for registry in ("fraud", "images"):
            write(found, Draft(registry, MODELS))
        found.follow()
        yield found


def ask(gateway: Gate, route: Route, token: str | None, which: str = "hidden") -> Any:
    method, path, body = route.request(which)
    sent = {} if body is None else {"json": body}
    return gateway.ask(method, path, token=token, **sent)


ALL = [(role, "*") for role in ROLES]


@pytest.mark.parametrize("who", ["anonymous", "expired", "revoked", "invented"])
def test_who_shows_nothing_that_holds_is_refused_by_every_route(guarded: Gate, who: str) -> None:
    token: str | None = None
    if who == "invented":
        token = "wp_" + "0" * 33
    elif who != "anonymous":
        token = guarded.token(who, *ALL)
        assert guarded.ask("GET", "/api/v1/whoami", token=token).status_code == 200
        with writing(guarded.waypost.engine) as connection:
            if who == "revoked":
                tokens.revoke(connection, who, LOCAL)
            else:
                known = tokens.find(connection, who, LOCAL)
                over = now() - timedelta(seconds=1)
                connection.execute(
                    update(tables.token).where(tables.token.c.id == known.id).values(expires_at=over)
                )
        guarded.waypost.identity.directory.forget()
    wrong = {
        f"{route.method} {route.path}": answer.status_code
        for route in routes(guarded)
        if (answer := ask(guarded, route, token)).status_code != 401
    }
    assert wrong == {}


def test_a_token_whose_scopes_leave_a_permission_out_is_refused_by_every_route(guarded: Gate) -> None:
    limited = {
        permission: guarded.token(
            f"all-but-{permission.replace('.', '-')}",
            *ALL,
            scopes=[one for one in Permission if one != permission],
        )
        for permission in Permission
    }
    wrong = {
        f"{route.method} {route.path}": answer.status_code
        for route in routes(guarded)
        if (answer := ask(guarded, route, limited[route.permission])).status_code != 403
    }
    assert wrong == {}


def test_who_belongs_to_another_team_cannot_tell_hidden_from_absent(guarded: Gate) -> None:
    everything = [(role, "team:vision") for role in ROLES if role not in ("auditor", "impact.global")]
    other = guarded.token("other", *everything)
    different, served = {}, {}
    for route in routes(guarded):
        if not route.names_something:
            continue
        hidden, absent = (ask(guarded, route, other, which) for which in ("hidden", "absent"))
        bodies = [
            answer.content.replace(name.encode(), b"")
            for answer, name in ((hidden, "fraud"), (absent, "nowhere"))
        ]
        if (hidden.status_code, bodies[0]) != (absent.status_code, bodies[1]):
            different[f"{route.method} {route.path}"] = (hidden.text[:300], absent.text[:300])
        if hidden.status_code not in (403, 404, 422):
            served[f"{route.method} {route.path}"] = hidden.text[:300]
    assert different == {}
    assert set(served) <= HARMLESS


HARMLESS = {"DELETE /api/v1/dependencies/{ref:path}"}
"""Routes whose path is no reference, though it looks like one: an edge is taken back by its number."""


def test_only_public_routes_declare_no_permission(guarded: Gate) -> None:
    public = {
        route.path
        for route in guarded.app.app.routes
        for handler in getattr(route, "route_handlers", ())
        if isinstance(handler, HTTPRouteHandler) and handler.opt.get("permission", 0) is None
    }
    allowed = (
        "/health/",
        "/static/",
        "/docs",
        "/sign-in",
        "/auth/",
        "/hooks/",
        "/api/v1/witness/",
        "/openapi.json",
        "/problems/",
    )
    assert [path for path in public if not path.startswith(allowed)] == []
