"""Any name a backend may give makes the round trip: record, reference, URL, socket, answer."""

import random
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from adapters import Key, ModelRecord, VersionRecord
from federation import tables
from federation.catalogue import codec
from federation.catalogue.codec import Encoded
from federation.catalogue.origin import Origin
from federation.catalogue.writer import CatalogueWriter
from federation.database import now, writing
from federation.references import Reference, url
from tests.gateway.served import Served, served
from tests.soak import soak

CONFIG = '[[registries]]\nname = "r"\nkind = "memory"\nteam = "t"\nsync_every = 0\n'
ALPHABET = [
    *"abcXYZ019 -_.~!$&'()*+,;=%@:/?#[]{}|\\^`\"<>",
    *map(chr, range(1, 32)),
    *"\x7f\x80\x9f\u00e9\u4e2d\u202e\u200f\u200d\ufeff\U0001f916\U0001f9e0",
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("gateway"), config=CONFIG) as running:
        yield running


def hostile(rng: random.Random) -> str:
    """A name of up to 255 characters that nobody wants to meet."""
    special = [
        "..",
        ".",
        "/",
        "//",
        "a/",
        "/a",
        "%2F",
        "%",
        "a:b@c",
        "%00",
        "%25",
        "\t\n",
        "a/../b",
        "a/stage",
    ]
    if rng.random() < 0.1:
        return rng.choice(special) + rng.choice(["", "x", "\x01"])
    return "".join(rng.choices(ALPHABET, k=rng.choice([1, 2, 5, 20, 255])))


@soak(sample=60, full=10_000)
def test_hostile_names_make_the_round_trip(cases: int, seed: int, gateway: Served) -> list[str]:
    rng = random.Random(seed)
    names = sorted({hostile(rng) for _ in range(cases)})
    with writing(gateway.engine) as connection:
        registry_id = connection.execute(select(tables.registry.c.id)).scalar_one()
        writer = CatalogueWriter(
            connection,
            Origin(registry_id, "r", {s: [] for s in ("production", "staging", "archived")}, now()),
        )
        records: list[Encoded[Any]] = []
        for number, name in enumerate(names):
            model = Key("model", f"m{seed}-{number}")
            records += [
                codec.encode(ModelRecord(key=model, name=name)),
                codec.encode(
                    VersionRecord(key=Key("version", f"v{seed}-{number}"), model=model, version=name[:60])
                ),
            ]
        writer.write(records)
        writer.batch.append(connection)
    wrong = []
    for name in names:
        reference = Reference("r", name, name[:60])
        for answer in (
            gateway.client.get(f"/versions/{url(reference)}"),
            gateway.client.get(f"/models/{url(Reference('r', name))}"),
        ):
            found = answer.json()
            if (
                answer.status_code != 200
                or found["model"] != name
                or not str(reference).startswith(found["ref"])
            ):
                wrong.append(f"{name!a}: {answer.status_code} {str(found)[:200]}")
    return wrong


RAW = [
    b"/api/v1/versions/r/a%00b:1",
    b"/api/v1/versions/r/a%0ab:1",
    b"/api/v1/versions/r/a%ffb:1",
    b"/api/v1/versions/r/a%zz:1",
    b"/api/v1/versions/r/%252e%252e%252fx:1",
    b"/api/v1/versions/r/../../x:1",
    b"/api/v1/versions/../secrets",
    b"/api/v1/versions/" + b"a" * 10_000,
    b"/api/v1/versions/r/a%2500%:1",
    b"/api/v1/models/%25",
    b"/api/v1/models/r/x%25f",
    b"/api/v1/diff?left=%00&right=%ff",
    b"/api/v1/search?q=%00%ff(((" + b"x" * 8_000,
    b"/api/v1/search?limit=99999999999999999999",
    b"/api/v1/search?cursor=%00",
    b"/api/v1/search?sort=metric.%ff",
    b"/api/v1/syncs/99999999999999999999999999",
    b"/api/v1/syncs/0",
    b"/api/v1/registries/%00",
    b"/api/v1/audit?after=zwei",
    b"/api/v1/audit?since=0000-00-00",
    b"/api/v1/timeline/r/x?as_of=9999999-01-01",
    b"/api/v1/impact/r/x:1?action=explode",
    b"/api/v1/impact?dataset=%00",
    b"/api/v1/dependencies/@",
    b"/api/v1/versions/r/x:1?incarnation=99999999999999999999",
    b"/static/..%2f..%2fsettings.py",
    b"/static/swagger/%2e%2e/%2e%2e/app.py",
]


@pytest.mark.parametrize("target", RAW, ids=lambda target: target[:60].decode("latin-1"))
def test_whatever_is_asked_for_the_answer_is_never_a_fault_of_ours(gateway: Served, target: bytes) -> None:
    answer = gateway.client.build_request("GET", "/")
    sent = httpx.Request("GET", httpx.URL(gateway.url).copy_with(raw_path=target), headers=answer.headers)
    got = gateway.client.send(sent)
    assert 200 <= got.status_code < 500, got.text
    if got.status_code >= 400:
        assert got.headers["content-type"].startswith("application/problem+json"), got.text
        assert got.json()["detail"]


REFUSED = [
    b"/api/v1/versions/r/a\x01b:1",
    b"/api/v1/versions/r/a\nb:1",
    b"/api/v1/versions/r/a b:1",
    b"/api/v1/versions/r/\xff\xfe:1",
    b"/api/v1/versions/r/../../x:1",
    b"/../../etc/passwd",
    b"/api/v1/versions/r/" + b"a" * 10_000,
    b"/api/v1/versions/r/a%",
    b"/api/v1/versions/r/a%2",
    b"/api/v1/search?q=%",
    b"/api/v1/search?q=50%&limit=2",
    b"/api/v1/search?q=\x00",
    b"/api/v1/search?q=%01",
    b"/api/v1/search?q=" + b"a" * 10_000,
]


@pytest.mark.parametrize("target", REFUSED, ids=lambda target: repr(target[:40]))
def test_what_no_client_would_send_is_refused_whatever_it_asks_for(gateway: Served, target: bytes) -> None:
    host, port = gateway.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as line:
        line.sendall(
            b"GET " + target + f" HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode()
        )
        with line.makefile("rb") as answer:
            said = answer.read()
    assert 400 <= int(said.split()[1]) < 500, said


@pytest.mark.parametrize(
    "number", [-(2**63) - 1, -1, 2**63 - 1, 2**63, 10**400], ids=lambda number: str(number)[:20]
)
@pytest.mark.parametrize(
    "path",
    ["/api/v1/audit/entries/", "/api/v1/syncs/", "/api/v1/operations/", "/audit/", "/syncs/", "/operations/"],
)
def test_a_number_that_no_database_can_hold_is_not_found_anywhere(
    gateway: Served, path: str, number: int
) -> None:
    assert gateway.client.get(f"{gateway.url}{path}{number}").status_code in (400, 404)
