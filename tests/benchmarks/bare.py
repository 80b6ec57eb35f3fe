"""The least that could answer a search: the engine, its facets and the stored rows, with nothing around them: no
permissions, no language, no groups, no freshness.

`search_speed` compares search with it in one process, `search_http` the gateway with it behind the same server:
`python -m granian … tests.benchmarks.bare:create` with the index's folder in `BARE_INDEX`.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from litestar import Litestar, get
from litestar.params import FromQuery
from tantivy import Query, Searcher

from federation.search.tantivy import facets, folder, queries, schema

FACETS = facets.columns(("registry", "team", "stage"))


@dataclass(frozen=True, slots=True)
class BareEngine:
    """The newest state of an index, as the engine itself reads it."""

    searcher: Searcher
    registries: facets.Registries

    @classmethod
    def open(cls, path: Path) -> "BareEngine":
        """The index in a folder."""
        searcher = folder.open_current(path).index.searcher()
        return cls(searcher, schema.registries(searcher))

    def search(self, query: Query) -> dict[str, Any]:
        """The first twenty by rank, the totals and three facets."""
        hits = self.searcher.search(query, limit=20, count=False, order_by_field="rank").hits
        counts = facets.count(self.searcher, query, FACETS, self.registries)
        rows = [msgspec.json.decode(bytes(self.searcher.doc(address)["stored"][0])) for _, address in hits]
        return {
            "total": counts.documents,
            "versions": counts.versions,
            "models": counts.models,
            "hits": rows,
            "facets": counts.facets,
        }


def create() -> Litestar:
    """The application: one route."""
    engine = BareEngine.open(Path(os.environ["BARE_INDEX"]))

    @get("/search", sync_to_thread=True)
    def search(q: FromQuery[str]) -> dict[str, Any]:
        return engine.search(queries.term("all", q))

    return Litestar([search], openapi_config=None)
