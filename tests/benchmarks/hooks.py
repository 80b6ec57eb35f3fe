"""How soon what MLflow announces is searchable: its own client changes a real server, and no run looks meanwhile."""

import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx

from gateway.cli import run
from gateway.demo.servers import mlflow_server
from tests.adapters.mlflow.harness import client as mlflow_client
from tests.benchmarks import Figure, benchmark, spread
from tests.gateway.paper import ask, finished
from tests.gateway.served import Served, served
from tests.servers.mlflow import WEBHOOKS

CONFIG = """
[[registries]]
name = "ml"
kind = "mlflow"
team = "t"
sync_every = 0
config = {{ url = "{url}", webhook_secret = "file:{secret}" }}
"""
GOAL = 1.0
LONGEST = 60.0
POLL = 0.01
BURST = 50
Change = tuple[str, Callable[[], object], str, set[str]]
"""Its kind, what makes it, and the versions (or models) that a query must find then."""


@benchmark(sample=1, full=60, servers=True)
def mlflow_changes_announced(size: int, folder: Path) -> Iterator[Figure]:
    """Seconds from before a client's call until `GET /search` shows the change: p95 of `size` changes of each kind that
    MLflow announces, and until the last of a burst of fifty versions is there.
    """
    (secret := folder / "secret").write_text("shared with MLflow")
    with mlflow_server(folder / "mlflow", settings=WEBHOOKS) as server:
        config = CONFIG.format(url=server.url, secret=secret)
        with served(folder / "gateway", config=config) as gateway:
            finished(gateway.engine, ask(gateway.engine, "ml"))
            assert run(["hooks", "add", "ml", "--config", str(folder / "gateway" / "waypost.toml")]) == 0
            taken: defaultdict[str, list[float]] = defaultdict(list)
            for number in range(size):
                for kind, change, query, wanted in changes(server.url, f"model{number:04}"):
                    taken[kind].append(until_found(gateway.client, change, query, wanted))
            for kind, found in taken.items():
                yield Figure(f"{kind} is searchable, p95", spread(found).p95, "s", GOAL)
            every = spread(list(itertools.chain(*taken.values())))
            yield Figure("any of them, p50", every.p50, "s")
            yield Figure("any of them, p95", every.p95, "s", GOAL)
            yield Figure(f"the last of {BURST} versions made at once", burst(server.url, gateway), "s")


def changes(url: str, name: str) -> Iterator[Change]:
    """Each kind of change that MLflow announces, in the order in which they can be made."""
    client = mlflow_client(url)
    of = f"registry:ml model:{name}"
    first, second = f"ml/{name}:1", f"ml/{name}:2"
    point = partial(client.set_registered_model_alias, name, "champion")
    yield "a model", partial(client.create_registered_model, name), of, {f"ml/{name}"}
    yield "a version", partial(client.create_model_version, name, "s3://b/1"), of, {first}
    yield (
        "a version",
        partial(client.create_model_version, name, "s3://b/2"),
        of,
        {first, second},
    )
    tagged = f"{of} tag.seen:yes"
    yield "a tag", partial(client.set_model_version_tag, name, "1", "seen", "yes"), tagged, {first}
    yield "a tag taken away", partial(client.delete_model_version_tag, name, "1", "seen"), tagged, set()
    yield "an alias", partial(point, "1"), f"{of} alias:champion", {first}
    yield "an alias that moves", partial(point, "2"), f"{of} alias:champion", {second}
    gone = partial(client.delete_registered_model_alias, name, "champion")
    yield "an alias taken away", gone, f"{of} alias:champion", set()


def found_by(client: httpx.Client, query: str) -> set[str]:
    """The versions, or models without any, that a search finds."""
    answer = client.get("/search", params={"q": query, "group": "version", "limit": 100})
    return {hit["ref"] for hit in answer.raise_for_status().json()["hits"]}


def until_found(client: httpx.Client, change: Callable[[], object], query: str, wanted: set[str]) -> float:
    """Make a change; seconds until a search shows it."""
    began = time.monotonic()
    change()
    while found_by(client, query) != wanted:
        assert time.monotonic() < began + LONGEST, query
        time.sleep(POLL)
    return time.monotonic() - began


def burst(url: str, gateway: Served) -> float:
    """Seconds from the first of many versions of one model, made by four clients, until all are found."""
    client = mlflow_client(url)
    client.create_registered_model("burst")
    wanted = {f"ml/burst:{number + 1}" for number in range(BURST)}
    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        for made in [pool.submit(client.create_model_version, "burst", f"s3://b/{n}") for n in range(BURST)]:
            made.result()
    while found_by(gateway.client, "registry:ml model:burst") != wanted:
        assert time.monotonic() < began + LONGEST
        time.sleep(POLL)
    return time.monotonic() - began
