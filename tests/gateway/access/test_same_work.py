"""What is hidden is looked for like what is not there: the same statements, in every route that names something."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from federation.access import ROLES
from tests.gateway.access.gate import Gate, gate
from tests.gateway.access.test_matrix import ALL, MODELS, REFERENCES, REGISTRIES, Route, ask, routes
from tests.gateway.access.worlds import Draft, write

WORDS = re.compile(r"'(?:[^']|'')*'|\b\d+\b")
"""Texts and numbers, which are of the moment or what was asked for."""
FRAME = ("BEGIN", "COMMIT", "ROLLBACK", "PRAGMA")
"""What opens and closes a transaction, which another thread may do a moment later."""
TILES = ("journal_tile", "SELECT leaf_hash FROM journal ")
"""Every 256th entry of the journal ends a tile, whatever the entry says: it is of the moment as well."""
FORMS = (":1", "@best", "@stage:production", "", ":absent", "@absent")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    folder: Path = tmp_path_factory.mktemp("work")
    with gate(folder, teams=(("fraud", "risk"), ("images", "vision"))) as found:
        for registry in ("fraud", "images"):
            write(found, Draft(registry, MODELS))
        found.follow()
        yield found


@pytest.fixture(scope="module")
def work(guarded: Gate) -> Iterator[list[str]]:
    """Every statement that reaches the database, as its driver sees it."""
    seen: list[str] = []
    engine = guarded.waypost.engine

    @event.listens_for(engine, "connect", insert=True)
    def trace(connection: Any, _: Any) -> None:
        connection.set_trace_callback(seen.append)

    engine.dispose()
    with pytest.MonkeyPatch.context() as patch:
        # The tests look by themselves: on a busy machine a request would come late enough to look as well.
        patch.setattr("federation.identity.directory.LOOK_EVERY", 3600.0)
        patch.setattr("federation.search.freshness.FRESH_SECONDS", 3600.0)
        patch.setattr("federation.graph.names.FRESH", 3600.0)
        patch.setattr("federation.identity.directory.USED_EVERY", 3600.0)
        patch.setattr("federation.identity.denials.MINUTE", 3600.0)
        yield seen
    event.remove(engine, "connect", trace)
    engine.dispose()


def statements(guarded: Gate, work: list[str], route: Route, token: str, which: str) -> list[str]:
    guarded.waypost.identity.directory.look()
    ask(guarded, route, token, which)  # whatever is remembered or compiled is so after this
    guarded.waypost.identity.directory.look()
    work.clear()
    ask(guarded, route, token, which)
    return asked(work)


def asked(work: list[str]) -> list[str]:
    return [
        WORDS.sub("?", one)
        for one in work
        if not one.startswith(FRAME) and not any(tile in one for tile in TILES)
    ]


def test_hidden_and_absent_are_asked_the_same_of_the_database(guarded: Gate, work: list[str]) -> None:
    everything = [(role, "team:vision") for role in ROLES if role not in ("auditor", "impact.global")]
    other = guarded.token("other", *everything)
    different: dict[str, list[str]] = {}
    for route in routes(guarded):
        if not route.names_something:
            continue
        hidden, absent = (statements(guarded, work, route, other, which) for which in ("hidden", "absent"))
        if hidden != absent:
            different[f"{route.method} {route.path}"] = [
                f"{which}: {one}"
                for which, more, less in (("hidden", hidden, absent), ("absent", absent, hidden))
                for one in (Counter(more) - Counter(less)).elements()
            ]
    assert different == {}, different


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "path", ["models", "versions", "timeline", "dependencies", "impact", "bom", "snippets", "cards"]
)
def test_whatever_the_reference_names(guarded: Gate, work: list[str], path: str, form: str) -> None:
    token = guarded.token(f"t-{path}-{FORMS.index(form)}", ("viewer", "team:vision"))
    seen = []
    for registry in ("fraud", "nowhere"):
        for _ in range(2):
            guarded.waypost.identity.directory.look()
            work.clear()
            answer = guarded.ask("GET", f"/api/v1/{path}/{registry}/model{form}", token=token)
            assert answer.status_code == 404
        seen.append(asked(work))
    assert seen[0] == seen[1]
    assert seen[0], "nothing was asked of the database"


def test_the_counting_can_fail(guarded: Gate, work: list[str]) -> None:
    assert ALL
    assert REFERENCES["hidden"] != REFERENCES["absent"]
    assert REGISTRIES["hidden"] != REGISTRIES["absent"]
    token = guarded.token("sees", ("viewer", "*"))
    seen = []
    for registry in ("fraud", "nowhere"):
        for _ in range(2):
            guarded.waypost.identity.directory.look()
            work.clear()
            guarded.ask("GET", f"/api/v1/versions/{registry}/model:1", token=token)
        seen.append(len(asked(work)))
    assert seen[0] < seen[1]
