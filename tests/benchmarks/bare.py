"""The least that could answer a search over HTTP: the engine, its facets and the stored rows, with nothing around them.

What `search_http` compares the gateway with, behind the same server: `python -m granian … tests.benchmarks.bare:create`
with the index's folder in `BARE_INDEX`. `lacking` is a word that no hit may hold: the gateway is asked for the same.
"""

import os
from pathlib import Path
from typing import Any

import msgspec
from litestar import Litestar, get
from litestar.params import FromQuery

from federation.search import facets, folder, queries, schema

FACETS = facets.columns(("registry", "team", "stage"))


def create() -> Litestar:
    """The application: one route, no permissions, no language, no freshness."""
    index = folder.open_current(Path(os.environ["BARE_INDEX"])).index
    searcher = index.searcher()
    held = schema.registries(searcher)

    @get("/search", sync_to_thread=True)
    def search(q: FromQuery[str], lacking: FromQuery[str]) -> dict[str, Any]:
        query = queries.without(queries.term("all", q), queries.term("all", lacking))
        hits = searcher.search(query, limit=20, count=False, order_by_field="rank").hits
        counts = facets.count(searcher, query, FACETS, held)
        rows = [msgspec.json.decode(bytes(searcher.doc(address)["stored"][0])) for _, address in hits]
        return {"total": counts.total, "models": counts.models, "hits": rows, "facets": counts.facets}

    return Litestar([search], openapi_config=None)
