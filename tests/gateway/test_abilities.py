"""What can be done is one list, and the API, the command line and the pages all offer it."""

from pathlib import Path

import pytest
import typer
from litestar import Litestar

from gateway.app import create_app
from gateway.cli import application
from gateway.settings import load_settings
from gateway.waypost import Waypost

API = "/api/v1"
ABILITIES: dict[str, tuple[str, str, str]] = {
    "search every registry": ("GET /search", "search", "GET /"),
    "see a model": ("GET /models/{ref:path}", "show", "GET /models/{ref:path}"),
    "see a version": ("GET /versions/{ref:path}", "show", "GET /versions/{ref:path}"),
    "find more like one": ("GET /versions/{ref:path}", "similar", "GET /similar/{ref:path}"),
    "read its model card": ("GET /cards/{ref:path}", "show --card", "GET /versions/{ref:path}"),
    "copy how to load one": ("GET /snippets/{ref:path}", "show --snippets", "GET /versions/{ref:path}"),
    "compare two": ("GET /diff", "diff", "GET /diff"),
    "compare up to eight": ("GET /comparison", "diff --sort", "GET /compare"),
    "read what people say of one": ("GET /versions/{ref:path}", "comments", "GET /versions/{ref:path}"),
    "say something of one": ("POST /versions/{ref:path}", "comments --add", "POST /comment/{ref:path}"),
    "see what held a stage or alias when": ("GET /timeline/{ref:path}", "timeline", "GET /models/{ref:path}"),
    "see what was in production": ("GET /production", "production", "GET /production"),
    "see what one is made from": ("GET /dependencies/{ref:path}", "deps", "GET /versions/{ref:path}"),
    "see what breaks": ("GET /impact/{ref:path}", "impact", "GET /impact/{ref:path}"),
    "see what data or code reaches": ("GET /impact", "impact --dataset", "GET /impact"),
    "see what a team has to look at": ("GET /team", "team", "GET /team"),
    "see all of one of its lists": ("GET /team/{name:str}", "team --list", "GET /team"),
    "see the lists of the graph": ("GET /insights/{name:str}", "insights", "GET /insights/{name:str}"),
    "see how registries stand": ("GET /registries", "registries list", "GET /registries"),
    "sync one": ("POST /registries/{name:str}/sync", "sync", "POST /registries/{name:str}/sync"),
    "follow a sync": ("GET /syncs/{sync_id:int}", "sync --wait", "GET /syncs/{sync_id:int}"),
    "confirm held deletes": (
        "POST /registries/{name:str}/confirm",
        "registries confirm",
        "POST /registries/{name:str}/confirm",
    ),
    "set a stage": ("PUT /versions/{ref:path}", "set --stage", "POST /change/{ref:path}"),
    "move an alias": ("PUT /models/{ref:path}", "set --alias", "POST /change/{ref:path}"),
    "take an alias away": ("DELETE /models/{ref:path}", "set --unalias", "POST /change/{ref:path}"),
    "set a version's tag": ("PATCH /versions/{ref:path}", "set --tag", "POST /change/{ref:path}"),
    "set a model's tag": ("PATCH /models/{ref:path}", "set --tag", "POST /change/{ref:path}"),
    "see what changes of many do": ("POST /bulk", "bulk --dry-run", "GET /bulk"),
    "tag and deprecate many": ("POST /bulk", "bulk", "POST /bulk"),
    "see what became of a change": (
        "GET /operations/{operation_id:int}",
        "operations",
        "GET /operations/{operation_id:int}",
    ),
    "see every change": ("GET /operations", "operations", "GET /operations"),
    "see what a stage takes": ("POST /promotions", "plan", "GET /promote/{ref:path}"),
    "see what policies say of everything": ("GET /plans", "plan --all", "GET /policies"),
    "see the policies": ("GET /policies", "policies list", "GET /policies"),
    "propose a promotion": ("POST /promotions", "promote", "POST /promote/{ref:path}"),
    "roll back": ("POST /rollbacks", "rollback", "POST /rollback/{ref:path}"),
    "see what a rollback does": ("POST /rollbacks", "rollback --dry-run", "GET /rollback/{ref:path}"),
    "see the promotions": ("GET /promotions", "promotions list", "GET /promotions"),
    "see what retention would do": ("GET /retention", "retention plan", "GET /retention"),
    "archive and delete by rule": ("POST /retention", "retention apply", "POST /retention"),
    "see the rollouts": ("GET /rollouts", "rollouts list", "GET /promotions"),
    "stop a rollout": (
        "POST /rollouts/{promotion_id:int}/stop",
        "rollouts stop",
        "POST /promotions/{promotion_id:int}",
    ),
    "see a promotion": (
        "GET /promotions/{promotion_id:int}",
        "promotions show",
        "GET /promotions/{promotion_id:int}",
    ),
    **{
        f"{word} a promotion": (
            f"POST /promotions/{{promotion_id:int}}/{path}",
            command,
            "POST /promotions/{promotion_id:int}",
        )
        for word, path, command in (
            ("approve", "approve", "approve"),
            ("reject", "reject", "reject"),
            ("comment", "comments", "promotions comment"),
            ("cancel", "cancel", "promotions cancel"),
            ("review", "review", "promotions review"),
        )
    },
    "see the searches that are kept": ("GET /searches", "searches list", "GET /searches"),
    "keep a search": ("POST /searches", "searches save", "POST /searches"),
    "see what a kept search finds": (
        "GET /searches/{name:str}",
        "searches run",
        "GET /searches/{name:str}",
    ),
    "keep a search no longer": (
        "DELETE /searches/{name:str}",
        "searches remove",
        "POST /searches/{name:str}/remove",
    ),
    "see what changed": ("GET /changes", "changes", "GET /changes"),
    "see what changed of what one watches": ("GET /inbox", "inbox", "GET /inbox"),
    "see what one watches": ("GET /watches", "inbox watching", "GET /inbox"),
    "watch something": ("POST /watches", "inbox add", "POST /watches"),
    "watch it no longer": (
        "DELETE /watches/{watch_id:int}",
        "inbox remove",
        "POST /watches/{watch_id:int}/end",
    ),
    "see the webhooks": ("GET /webhooks", "webhooks list", "GET /webhooks"),
    "have events sent": ("POST /webhooks", "webhooks add", "POST /webhooks"),
    "see what was sent": (
        "GET /webhooks/{webhook_id:int}/deliveries",
        "webhooks deliveries",
        "GET /webhooks/{webhook_id:int}",
    ),
    **{
        f"{word} a webhook": (
            f"{method} /webhooks/{{webhook_id:int}}{path}",
            command,
            "POST /webhooks/{webhook_id:int}",
        )
        for word, method, path, command in (
            ("end", "DELETE", "", "webhooks remove"),
            ("try", "POST", "/test", "webhooks test"),
            ("rotate the secret of", "POST", "/rotate", "webhooks rotate"),
            ("send again to", "POST", "/replay", "webhooks replay"),
        )
    },
    "read the journal": ("GET /audit", "audit list", "GET /audit"),
    "prove an entry": ("GET /audit/entries/{seq:int}", "audit verify", "GET /audit/{seq:int}"),
    "fetch the checkpoint": ("GET /audit/checkpoint", "audit checkpoint", "GET /audit"),
    "see the witnesses": ("GET /audit/witnesses", "audit witnesses", "GET /audit"),
    "see the log's keys": ("GET /audit/keys", "audit keys", "GET /audit/{seq:int}"),
    "export the journal": ("GET /audit/export", "audit export", "GET /audit"),
    "see who one is": ("GET /whoami", "whoami", "GET /account"),
    "see the tokens": ("GET /tokens", "tokens list", "GET /tokens"),
    "make a token": ("POST /tokens", "tokens create", "POST /tokens"),
    "end a token": ("DELETE /tokens/{name:str}", "tokens revoke", "POST /tokens/{name:str}/revoke"),
    "see who may do what": ("GET /grants", "grants list", "GET /grants"),
    "give a role": ("POST /grants", "grants add", "POST /grants"),
    "take a role away": (
        "DELETE /grants/{grant_id:int}",
        "grants remove",
        "POST /grants/{grant_id:int}/remove",
    ),
    "see who is known": ("GET /principals", "principals list", "GET /principals"),
    "lock somebody out": (
        "POST /principals/{name:str}/disable",
        "principals disable",
        "POST /principals/{name:str}/disable",
    ),
    "let somebody in again": (
        "POST /principals/{name:str}/enable",
        "principals enable",
        "POST /principals/{name:str}/enable",
    ),
    "end somebody's sessions": (
        "DELETE /principals/{name:str}/sessions",
        "sessions end --of",
        "POST /principals/{name:str}/end",
    ),
    "see who is signed in": ("GET /sessions", "sessions list", "GET /sessions"),
    "end a session": (
        "DELETE /sessions/{session_id:str}",
        "sessions end",
        "POST /sessions/{session_id:str}/end",
    ),
}
"""Each with its route of the API, its command and its page."""
FRAME = {
    "GET /account", "GET /auth/callback", "GET /auth/login", "GET /auth/sign-in", "POST /auth/logout", "GET /sign-in",
    "POST /sign-in", "GET /docs", "GET /search", "GET /insights", "GET /registries/{name:str}",
    "GET /change/{ref:path}", "GET /drawing/{ref:path}", "GET /syncs/{sync_id:int}/progress", "GET /openapi.json",
    "GET /docs/openapi", "GET /metrics", "GET /health", "GET /changes.atom", "GET /inbox.atom",
    "POST /hooks/{registry:str}", "GET /badge/{ref:path}", "GET /graph/{ref:path}",
}  # fmt: skip
"""What is around the pages, or another view of the same."""


@pytest.fixture
def routes(tmp_path: Path) -> set[str]:
    file = tmp_path / "waypost.toml"
    file.write_text("")
    front = create_app(Waypost(load_settings(file)))
    assert isinstance(front.app, Litestar)
    return {
        f"{method} {route.path}"
        for route in front.app.routes
        for method in getattr(route, "methods", ())
        if method in ("GET", "POST", "PUT", "PATCH", "DELETE")
    }


def commands() -> dict[str, set[str]]:
    """Every command with its options."""
    found: dict[str, set[str]] = {}

    def walk(command: typer.core.TyperGroup, before: str) -> None:
        for name, inner in command.commands.items():
            found[f"{before}{name}"] = {option for one in inner.params for option in one.opts}
            if isinstance(inner, typer.core.TyperGroup):
                walk(inner, f"{before}{name} ")

    root = typer.main.get_command(application())
    assert isinstance(root, typer.core.TyperGroup)
    walk(root, "")
    return found


@pytest.mark.parametrize("ability", ABILITIES)
def test_an_ability_is_offered_three_times(ability: str, routes: set[str]) -> None:
    api, command, page = ABILITIES[ability]
    method, path = api.split(" ", 1)
    assert f"{method} {API}{path}" in routes
    assert page in routes
    name, _, option = command.partition(" --")
    assert name in commands()
    assert not option or f"--{option}" in commands()[name]


def test_no_page_can_what_the_list_does_not_have(routes: set[str]) -> None:
    pages = {
        one
        for one in routes
        if not one.split(" ")[1].startswith((API, "/mlflow/", "/health/", "/static/", "/docs/openapi/"))
        and not one.endswith((".json", ".csv"))
    }
    assert pages - FRAME == {page for _, _, page in ABILITIES.values()} - FRAME
