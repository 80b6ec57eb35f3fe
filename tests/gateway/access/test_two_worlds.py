"""What is hidden changes nothing: two worlds that differ only in it answer every read with the same bytes."""

import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from litestar.handlers import HTTPRouteHandler
from sqlalchemy import update

from federation import tables
from federation.access import Permission
from federation.database import writing
from federation.graph.insights import INSIGHTS
from gateway.mlflow.site import API
from gateway.team import LISTS
from tests.gateway.access.gate import Gate
from tests.gateway.access.worlds import RULES, WORDS, Worlds, told, two_worlds
from tests.soak import explore, soak

Asked = tuple[str, dict[str, Any]]
REGISTRIES = ("alpha", "beta", "alpha", "beta", "secret", "vault", "nowhere")
NAMES = [*WORDS, "fraud%3A"]
registries = st.sampled_from(REGISTRIES)
KEYS = [
    urlsafe_b64encode(key.encode()).decode()
    for key in (
        "model:alpha-0",
        "version:beta-0-1",
        "model:secret-0",
        "version:vault-1-1",
        "endpoint:e-alpha-0-1",
    )
]
models = st.builds("{}/{}".format, registries, st.sampled_from(NAMES))
ends = st.sampled_from([":1", ":1", ":2", ":3", "@champion", "@best", "@stage:production", ":%00", ""])
versions = st.builds("{}{}".format, models, ends)
limits = st.sampled_from([1, 2, 3, 50])
depths = st.sampled_from([1, 2, None])
ids = st.integers(1, 30)
words = st.sampled_from(
    [*WORDS, "fra", "imgae", "prod", "scoring", "unheard", "of", "by risk", "mit license", "torch"]
)
qualifiers = st.builds(
    "{}:{}".format,
    st.sampled_from(
        ["registry", "team", "model", "stage", "alias", "framework", "license", "type", "tag.env"]
    ),
    st.sampled_from(
        [*REGISTRIES, "risk", "hidden", "vision", "production", "champion", "torch", "MIT", "prod", "x*"]
    ),
)
others = st.sampled_from(
    [
        "metric.auc:>0.5",
        "has:schema",
        "changed_by:*",
        "changed_by:l*",
        "approved_by:*",
        "-fraud",
        '"fraud score"',
        "depends_on:alpha/fraud",
        "(",
    ]
)
queries = st.lists(st.one_of(words, qualifiers, others), max_size=3).map(" ".join)
formats = st.sampled_from([None, "csv", "dot", "svg"])
as_table = st.sampled_from([None, "csv"])
teams = st.sampled_from(["", "risk", "hidden", "vision", "nobody"])


def asking(path: str, **params: st.SearchStrategy[Any]) -> st.SearchStrategy[Asked]:
    """A request whose `{…}` and parameters are drawn; None leaves a parameter out."""
    given_places = {name: params.pop(name, st.nothing()) for name in ("ref", "name", "number")}
    places = {name: drawn for name, drawn in given_places.items() if f"{{{name}}}" in path}
    return st.tuples(st.fixed_dictionaries(places), st.fixed_dictionaries(dict(params))).map(
        lambda drawn: (
            path.format(**{key: str(value).replace("%", "%25") for key, value in drawn[0].items()}),
            {key: value for key, value in drawn[1].items() if value is not None},
        )
    )


maybe_time = st.sampled_from([None, "2026-05-02", "2026-06-01"])
maybe_incarnation = st.one_of(st.none(), ids)
sorts = st.sampled_from(["relevance", "name", "created", "updated", "metric.auc", "stage"])
READS: dict[str, st.SearchStrategy[Asked]] = {
    "/api/v1/search": asking(
        "/api/v1/search",
        q=queries,
        limit=limits,
        sort=sorts,
        group=st.sampled_from(["model", "version"]),
        facets=st.sampled_from(["", "registry,team,stage", "framework,license,tag.env"]),
        explain=st.sampled_from(["true", "false"]),
        strict=st.sampled_from([None, None, "true"]),
        literal=st.sampled_from([None, None, "torch"]),
    ),
    "/api/v1/suggest": asking(
        "/api/v1/suggest", q=st.one_of(queries, words, st.sampled_from(["registry:", "team:h", "model:f"]))
    ),
    "/api/v1/references": asking(
        "/api/v1/references", q=st.one_of(words, models, versions, registries.map(lambda name: f"{name}/"))
    ),
    "/api/v1/registries": asking("/api/v1/registries"),
    "/api/v1/registries/{name:str}": asking("/api/v1/registries/{name}", name=registries),
    "/api/v1/registries/{name:str}/records": asking(
        "/api/v1/registries/{name}/records",
        name=registries,
        limit=st.sampled_from([None, 1, 2, 50]),
        cursor=st.sampled_from([None, None, KEYS[0], KEYS[1], "none"]),
        key=st.sampled_from([None, None, *KEYS]),
        since=st.sampled_from([None, None, None, "made-up"]),
    ),
    "/api/v1/syncs": asking("/api/v1/syncs", registry=registries),
    "/api/v1/syncs/{sync_id:int}": asking("/api/v1/syncs/{number}", number=ids),
    "/api/v1/models/{ref:path}": asking(
        "/api/v1/models/{ref}", ref=models, incarnation=maybe_incarnation, as_of=maybe_time
    ),
    "/api/v1/versions/{ref:path}": asking(
        "/api/v1/versions/{ref}", ref=versions, incarnation=maybe_incarnation, as_of=maybe_time
    )
    | asking("/api/v1/versions/{ref}/similar", ref=versions, limit=limits)
    | asking("/api/v1/versions/{ref}/comments", ref=versions)
    | asking(  # without a registry: what is meant is found within the view
        "/api/v1/versions/{ref}", ref=versions.map(lambda ref: ref.partition("/")[2] or ref)
    ),
    "/api/v1/diff": asking("/api/v1/diff", left=versions, right=versions),
    "/api/v1/comparison": st.tuples(st.lists(versions, min_size=2, max_size=4), sorts).map(
        lambda drawn: ("/api/v1/comparison", {"ref": drawn[0], "sort": drawn[1].removeprefix("metric.")})
    ),
    "/api/v1/timeline/{ref:path}": asking("/api/v1/timeline/{ref}", ref=versions, as_of=maybe_time),
    "/api/v1/searches": asking("/api/v1/searches"),
    "/api/v1/searches/{name:str}": asking("/api/v1/searches/{name}", name=registries),
    "/api/v1/dependencies": asking("/api/v1/dependencies", limit=limits),
    "/api/v1/dependencies/{ref:path}": asking(
        "/api/v1/dependencies/{ref}", ref=versions, depth=depths, limit=limits, format=formats
    ),
    "/api/v1/impact/{ref:path}": asking(
        "/api/v1/impact/{ref}",
        ref=versions,
        action=st.sampled_from(["archive", "delete", "change", "move-alias"]),
        to=st.one_of(st.none(), versions),
        depth=depths,
        limit=limits,
        format=formats,
    ),
    "/api/v1/impact": asking(
        "/api/v1/impact",
        dataset=st.sampled_from([None, "clicks", "payments", "clicks#d1"]),
        commit=st.sampled_from([None, "c0ffee"]),
        limit=limits,
        format=formats,
    ),
    "/api/v1/bom/{ref:path}": asking("/api/v1/bom/{ref}", ref=versions, depth=depths),
    "/api/v1/insights": asking("/api/v1/insights"),
    "/api/v1/insights/{name:str}": asking(
        "/api/v1/insights/{name}", name=st.sampled_from([*INSIGHTS, "nothing"]), limit=limits, format=formats
    ),
    "/api/v1/team": asking("/api/v1/team", team=teams, limit=limits),
    "/api/v1/team/{name:str}": asking(
        "/api/v1/team/{name}",
        name=st.sampled_from([*LISTS, "nothing"]),
        team=teams,
        limit=limits,
        format=as_table,
    ),
    "/api/v1/operations": asking(
        "/api/v1/operations", registry=st.one_of(st.none(), registries), ref=st.one_of(st.none(), versions)
    ),
    "/api/v1/operations/{operation_id:int}": asking("/api/v1/operations/{number}", number=ids),
    "/api/v1/policies": asking("/api/v1/policies"),
    "/api/v1/plans": asking("/api/v1/plans", under=st.one_of(st.just(""), registries), limit=limits),
    "/api/v1/retention": asking("/api/v1/retention", under=st.one_of(st.just(""), registries), limit=limits),
    "/api/v1/rollouts": asking("/api/v1/rollouts", limit=limits),
    "/api/v1/promotions": asking("/api/v1/promotions", ref=st.one_of(st.none(), versions), limit=limits),
    "/api/v1/promotions/{promotion_id:int}": asking("/api/v1/promotions/{number}", number=ids),
    "/api/v1/cards/{ref:path}": asking("/api/v1/cards/{ref}", ref=versions),
    "/api/v1/snippets/{ref:path}": asking("/api/v1/snippets/{ref}", ref=versions),
    "/api/v1/events": asking(
        "/api/v1/events",
        type=st.sampled_from([None, "version", "alias.set", "stage", "catalogue", "nothing"]),
        on=st.one_of(
            st.none(), models, st.sampled_from(["team:risk", "team:hidden", "registry:secret", "*"])
        ),
        after=st.sampled_from([None, "newest", "17"]),
        limit=limits,
    ),
    "/api/v1/hooks": asking("/api/v1/hooks"),
    "/api/v1/changes": asking(
        "/api/v1/changes",
        type=st.sampled_from([None, "version", "model", "nothing"]),
        on=st.one_of(st.none(), models, st.sampled_from(["team:risk", "team:hidden", "registry:secret"])),
        limit=limits,
        format=st.sampled_from([None, "csv"]),
    ),
    "/api/v1/inbox": asking("/api/v1/inbox", limit=limits),
    "/api/v1/watches": asking("/api/v1/watches"),
    "/api/v1/deprecations": asking("/api/v1/deprecations"),
    "/api/v1/whoami": asking("/api/v1/whoami"),
    "/api/v1/sessions": asking("/api/v1/sessions"),
    "/api/v1/production": asking("/api/v1/production"),
}


def mlflow(path: str, **params: st.SearchStrategy[Any]) -> st.SearchStrategy[Asked]:
    """A request of MLflow's dialect to any registry; None leaves a parameter out."""
    return st.tuples(registries, st.fixed_dictionaries(dict(params))).map(
        lambda drawn: (
            f"/mlflow/{drawn[0]}{API}{path}",
            {key: value for key, value in drawn[1].items() if value is not None},
        )
    )


names = st.sampled_from(NAMES)
numbers = st.sampled_from(["1", "2", "3", "x"])
filters = st.sampled_from(
    [
        None,
        "name LIKE '%a%'",
        "name = 'fraud'",
        "tags.env = 'prod'",
        "tags.env != 'prod' AND name ILIKE 'F%'",
        "a = 1",
    ]
)
sizes = st.sampled_from([None, 1, 2])
DIALECT = (
    mlflow("/registered-models/get", name=names),
    mlflow("/registered-models/alias", name=names, alias=st.sampled_from(["champion", "best", "latest"])),
    mlflow(
        "/registered-models/get-latest-versions", name=names, stages=st.sampled_from([None, "Production"])
    ),
    mlflow("/registered-models/search", filter=filters, max_results=sizes),
    mlflow(
        "/model-versions/search",
        filter=st.one_of(filters, st.sampled_from(["run_id = 'run-1'", "version_number > 1"])),
        max_results=sizes,
        order_by=st.sampled_from([None, "name DESC", "version_number"]),
    ),
    mlflow("/model-versions/get", name=names, version=numbers),
    mlflow("/model-versions/get-download-uri", name=names, version=numbers),
)
PLACES = {"path": "{ref}", "int": "{number}", "str": "{name}"}
QUESTIONS = {
    "q": queries,
    "left": versions,
    "right": versions,
    "dataset": st.sampled_from([None, "clicks", "payments"]),
    "limit": limits,
}


MOST_PAGES = 4


def differing(worlds: Worlds, asked: Asked) -> Iterator[str]:
    """Where the two answers, or the pages after them, are not the same bytes."""
    path, params = asked
    others = params
    for _ in range(MOST_PAGES):
        one, two = worlds.both(path, params, others)
        if told(one) != told(two):
            yield f"{path} {params}: {one.status_code} {one.text[:1500]} | {two.status_code} {two.text[:1500]}"
            return
        assert one.status_code < 500, one.text
        found = one.json() if "json" in one.headers.get("content-type", "") and one.is_success else None
        more = found if isinstance(found, dict) else {}
        name = next((name for name in ("cursor", "after", "page_token") if more.get(f"next_{name}")), "")
        if name and more.get("events") != []:  # ids of events are each gateway's own
            params, others = ({**params, name: each.json()[f"next_{name}"]} for each in (one, two))
        else:
            return


def reads(gateway: Gate) -> set[str]:
    """Every address that answers who may read."""
    return {
        route.path
        for route in gateway.app.app.routes
        for handler in getattr(route, "route_handlers", ())
        if isinstance(handler, HTTPRouteHandler)
        and "GET" in handler.http_methods
        and handler.opt.get("permission") is Permission.READ
    }


def pages(gateway: Gate) -> list[st.SearchStrategy[Asked]]:
    """Questions to every read that has none of its own above, such as the pages."""
    return [
        asking(
            re.sub(r"{\w+:(\w+)}", lambda found: PLACES[found[1]], path),
            ref=versions,
            number=ids,
            name=registries,
            **QUESTIONS,
        )
        for path in sorted(reads(gateway) - set(READS))
    ]


def test_every_read_of_the_api_has_questions_of_its_own(guarded: Gate) -> None:
    assert {path for path in reads(guarded) if path.startswith("/api/")} == set(READS)
    assert pages(guarded)


def sent(gateway: Gate) -> Iterator[Any]:
    """What somebody is told of their webhook when all that ever happened is sent to it."""
    token = gateway.token("hooked", ("operator", "registry:alpha"))
    spec = {"name": "hook", "url": "https://receiver.example/in"}
    made = gateway.ask("POST", "/api/v1/webhooks", token=token, json=spec)
    path = f"/api/v1/webhooks/{made.json()['webhook']['id']}"
    replayed = gateway.ask("POST", f"{path}/replay", token=token, json={"since": "2000-01-01T00:00:00Z"})
    assert replayed.json()["events"] > 0
    yield told(replayed)
    for asked in ("/api/v1/webhooks", f"{path}/deliveries?limit=200"):
        yield told(gateway.ask("GET", asked, token=token))
    for on in ("registry:secret", "registry:beta", "team:hidden", "registry:nowhere"):
        refused = gateway.ask("POST", "/api/v1/webhooks", token=token, json={**spec, "on": on})
        yield refused.status_code, refused.is_success or told(refused)


def previewed(gateway: Gate) -> Iterator[Any]:
    """What somebody is shown who may change all of one registry, and asks for changes of that and of others."""
    token = gateway.token("many", ("approver", "registry:beta"), ("viewer", "registry:alpha"))
    with writing(gateway.waypost.engine) as connection:
        connection.execute(update(tables.registry).values(writable=True, stages=RULES))
    named = [
        f"{registry}/{word}{end}" for registry in set(REGISTRIES) for word in WORDS for end in ("", ":1")
    ]
    named.sort()
    going = {"until": "2031-01-01", "replacement": "secret/fraud", "note": "old"}
    for body in ({"tags": {"old": "yes", "area": None}}, {"deprecate": going}):
        asked = {"refs": named, **body}
        yield told(gateway.ask("POST", "/api/v1/bulk?dry_run=true", token=token, json=asked))
        form = {f"of {ref}": "on" for ref in named} | {"tags": "old=yes", "until": "2031-01-01"}
        yield told(gateway.ask("POST", "/bulk", token=token, data=form, headers={"Accept": "text/html"}))
    for q in ("team:risk", "fraud", "registry:secret", "tag.env:*"):
        for group in ("model", "version"):
            yield told(gateway.ask("GET", "/bulk", token=token, params={"q": q, "group": group}))


@soak(sample=50, full=5_000)
def test_two_worlds(cases: int, seed: int, tmp_path: Path) -> list[str]:
    with two_worlds(tmp_path / str(seed), seed) as worlds:

        @given(st.one_of(*READS.values(), *DIALECT, *pages(worlds.gates[0])))
        def answers_alike(asked: Asked) -> None:
            wrong = list(differing(worlds, asked))
            assert not wrong, wrong[0]

        one, two = ([*sent(gateway), *previewed(gateway)] for gateway in worlds.gates)
        wrong = [f"{this} | {that}" for this, that in zip(one, two, strict=True) if this != that]
        return [*wrong, *explore(answers_alike, cases, seed)]
