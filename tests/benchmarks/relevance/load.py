"""The public models in a registry with a REST API of its own, read by a plain mapping, as a gateway would."""

import tomllib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import select

from adapters import discover
from adapters.emulators.rest.server import Row, Shelf, serve
from federation import tables
from federation.access import EVERYTHING
from federation.database import reading, writing
from federation.leases import Leases
from federation.registries import configured
from federation.registries.configured import RegistrySpec
from federation.registries.connections import Connections
from federation.search import lexicon
from federation.search.answer import SearchRequest
from federation.search.freshness import FreshnessBoard
from federation.search.source import CatalogueSource
from federation.search.syntax import QuerySyntaxError
from federation.search.tantivy.engine import Search
from federation.search.tantivy.follower import IndexFollower
from federation.sync import schedule
from federation.sync.context import SyncContext
from federation.sync.run import run
from tests.benchmarks.relevance.measure import DEPTH, Find, RankedNames
from tests.benchmarks.relevance.models import Record, records
from tests.servers import blank

MAPPING = Path(__file__).with_name("registry.toml")
TOKEN = "shelf-token"


@contextmanager
def searching(names: Collection[str], folder: Path) -> Iterator[Find]:
    """Searches these models, read by a synchronisation from a registry on a real socket."""
    shelf = Shelf(token=TOKEN)
    for number, record in enumerate((one for one in records() if one["name"] in names), 1):
        shelf.models[f"m{number}"], shelf.versions[f"v{number}"] = _rows(number, record)
    server = serve(shelf)
    try:
        search = _synchronised(f"http://127.0.0.1:{server.server_port}/api", folder)
    finally:
        server.shutdown()
        server.server_close()
    yield lambda text: _asked(search, text)


def _asked(search: Search, text: str) -> RankedNames:
    try:
        found = search.query(EVERYTHING, SearchRequest(q=text, limit=DEPTH))
    except QuerySyntaxError:  # an empty page that says something else
        return RankedNames((), nothing_fits=False)
    return RankedNames([hit.model for hit in (*found.hits, *found.near)], found.nothing_fits)


def _rows(number: int, record: Record) -> tuple[Row, Row]:
    """A model and its one version as the registry has them; its lists are texts with commas, as people type them."""
    lists = {"base_model": "base_models", "languages": "languages", "datasets": "datasets", "tags": "tags"}
    said: dict[str, Any] = {field: ", ".join(record[held]) or None for field, held in lists.items()}
    plain = ("name", "publisher", "task", "license", "library", "parameters", "metrics")
    said |= {field: record[field] for field in plain}
    said["released"] = f"{record['released']}-01"[:10] if record["released"] else None
    common = said | {"updated": number}
    return common | {"id": f"m{number}"}, common | {"id": f"v{number}", "model": f"m{number}", "number": 1}


def _synchronised(url: str, folder: Path) -> Search:
    engine = blank.opened(blank.sqlite(folder / "waypost.db"))
    (folder / "token").write_text(TOKEN)
    config = {**tomllib.loads(MAPPING.read_text(encoding="utf-8")), "url": url}
    config["token"] = f"file:{folder / 'token'}"
    with writing(engine) as connection:
        configured.apply(connection, [RegistrySpec(name="hub", kind="rest", team="research", config=config)])
        registry = connection.execute(select(tables.registry.c.id)).scalar_one()
        sync = schedule.request(connection, registry, full=True)
    run(SyncContext(engine, Connections(discover()), Leases("worker")), sync)
    with reading(engine) as connection:
        states = connection.execute(select(tables.sync.c.state)).scalars().all()
    if states != ["ok"]:
        raise RuntimeError(f"the registry could not be read: {states}")
    follower = IndexFollower(folder / "index", CatalogueSource(engine))
    while follower.step():
        pass
    follower.close()
    search = Search(folder / "index", FreshnessBoard(engine), lexicon.load())
    search.reload()
    return search


def text(record: Record) -> str:
    """Everything searchable but the name, as one text, for the baselines."""
    fields = [record[field] for field in ("publisher", "library", "license", "task", "released")]
    lists = [value for field in ("base_models", "languages", "datasets", "tags") for value in record[field]]
    return " ".join(filter(None, fields + lists))
