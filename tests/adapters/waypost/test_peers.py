"""Gateways that read gateways: what comes through, what is told, and what does not go round in a circle."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from adapters import Dataset, EndpointRecord, Key, Lineage, Parent, Traffic
from adapters.emulators.services import serve
from adapters.memory import MemoryBackend
from federation import tables
from federation.access import LOCAL
from federation.database import now, writing
from federation.registries import configured
from gateway.cli import run
from gateway.cli.doctor import registries as look_at_registries
from gateway.settings import load_settings
from tests.adapters.pasting import arguments
from tests.adapters.waypost.conftest import Starts
from tests.adapters.waypost.gateways import Door, SocketGateway, registry

Backend = Callable[[str], MemoryBackend]


def reads(name: str, other: SocketGateway, **config: str) -> str:
    """A registry that is another gateway."""
    return registry(name, "waypost", "peers", 0, url=other.url, **config)


@pytest.fixture
def emea(starts: Starts, backend: Backend) -> SocketGateway:
    """A gateway over two teams' registries, read."""
    fraud, search = backend("fraud"), backend("search")
    encoder = search.model("encoder", aliases={"champion": "1"})
    search.add_version(encoder, "1")
    mine = fraud.model("encoder")
    fraud.add_version(mine, "1")
    card = fraud.model("card", aliases={"champion": "2"}, tags={"tier": "1"}, owner="ada")
    fraud.add_version(card, "1", stage="Staging")
    scorer = fraud.add_version(
        card,
        "2",
        tags={"depends_on": "encoder:1, search/encoder:1", "env": "prod"},
        metrics={"auc": 0.9},
        lineage=Lineage(
            run_id="r1",
            datasets=(Dataset("clicks", "d1"),),
            parents=(Parent("search/encoder@champion", "base"), Parent("arn:aws:models:m/7", "copy")),
        ),
    )
    serving = (Traffic(scorer.key, 100.0),)
    fraud.put(EndpointRecord(key=Key("endpoint", "live"), name="live", traffic=serving))
    found = starts(
        "emea",
        registry("fraud", "memory", team="risk", backend="fraud"),
        registry("search", "memory", team="discovery", backend="search"),
    )
    assert [found.sync(name) for name in ("fraud", "search")] == ["ok", "ok"]
    return found


def test_what_another_gateway_knows_comes_through(
    starts: Starts, emea: SocketGateway, backend: Backend
) -> None:
    trap = backend("trap")  # called like one over there, with the model that is meant over there
    trap.add_version(trap.model("encoder"), "1")
    here = starts("here", registry("search", "memory", backend="trap"), reads("emea", emea))
    assert [here.sync(name) for name in ("search", "emea")] == ["ok", "ok"]
    here.follow()
    found = here.ask("/versions/emea/fraud/card@champion")
    assert found["ref"] == "emea/fraud/card:2"
    assert (found["stage"], found["stage_reason"]) == ("production", "stage:production")
    assert found["tags"] == {
        "env": "prod",
        "peer.registry": "fraud",
        "peer.team": "risk",
        "peer.kind": "memory",
        "peer.stage_reason": "alias:champion",
    }
    assert (found["metrics"], found["deployed"], found["owner"]) == ({"auc": 0.9}, True, "ada")
    assert [one["name"] for one in found["endpoints"]] == ["fraud/live"]
    assert found["lineage"]["datasets"][0]["name"] == "clicks"
    answer = here.ask("/dependencies/emea/fraud/card:2", depth=1)
    needed = {one["ref"]: one["sources"] for one in answer["dependencies"] if one["kind"] == "version"}
    assert needed.keys() == {"emea/fraud/encoder:1", "emea/search/encoder:1"}
    assert [one["wanted"] for one in answer["unresolved"]] == ["arn:aws:models:m/7"], (
        "the alias leads somewhere"
    )
    found = here.ask("/versions/emea/fraud/card:2")["lineage"]
    assert found["dependencies"] == ["fraud%2Fencoder:1", "search%2Fencoder:1"]
    assert {(one["reference"], one["kind"]) for one in found["parents"]} == {
        ("search%2Fencoder@champion", "base"),
        ("arn:aws:models:m/7", "copy"),
    }
    staging = here.ask("/versions/emea/fraud/card:1")
    assert (staging["stage"], staging["tags"]["peer.stage_reason"]) == ("staging", "stage:Staging")
    assert here.ask("/search", q="tag.peer.team:discovery")["total"] == 1


def test_the_lines_of_a_version_over_there_are_those_that_it_has_itself(
    starts: Starts, emea: SocketGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    here = starts("here", reads("emea", emea))
    assert here.sync("emea") == "ok"
    shown = here.ask("/snippets/emea/fraud/card@champion")["snippets"]
    [shell] = [one["code"] for one in shown if one["title"] == "Its own lines"]
    assert run(arguments("waypost", shell)) == 0
    printed = capsys.readouterr().out
    for one in emea.ask("/snippets/fraud/card:2")["snippets"]:
        assert one["code"].splitlines()[0] in printed
    [python] = [one["code"] for one in shown if one["title"] == "MLflow" and emea.url in one["code"]]
    assert f"{emea.url}/mlflow/fraud" in python
    assert "models:/card/2" in python


def test_what_changes_and_goes_over_there_is_followed_without_listing_anew(
    starts: Starts, emea: SocketGateway, backend: Backend
) -> None:
    here = starts("here", reads("emea", emea))
    here.sync("emea")
    fraud = backend("fraud")
    card = fraud.named("card")
    assert card is not None
    old, _ = fraud.versions(card.key)
    fraud.drop(old.key)
    fraud.add_version(card, "3")
    emea.sync("fraud")
    with writing(here.waypost.engine) as connection:  # so that the next run is none that lists everything
        connection.execute(update(tables.registry).values(full_seconds=3600.0))
    assert here.sync("emea") == "ok"
    shown = [one["version"] for one in here.ask("/models/emea/fraud/card")["versions"]]
    assert sorted(shown) == ["2", "3"]
    with writing(here.waypost.engine) as connection:
        run = connection.execute(tables.sync.select().order_by(tables.sync.c.id.desc())).first()
    assert run is not None
    assert (run.full, run.counts["deleted"]) == (False, 1)
    assert run.counts["calls"] <= 4


def test_a_token_reads_what_it_sees_and_what_it_no_longer_sees_is_kept(
    starts: Starts, backend: Backend
) -> None:
    for name in ("fraud", "search"):
        kept = backend(name)
        kept.add_version(kept.model(f"{name}-model"), "1")
    registries = [registry(name, "memory", team=name, backend=name) for name in ("fraud", "search")]
    other = starts("other", *registries, auth="token")
    for name in ("fraud", "search"):
        other.sync(name)
    token = other.token("reader", ("viewer", "registry:fraud"))
    here = starts("here", reads("peer", other, token=f"file:{_kept(other, token)}"))
    assert here.sync("peer") == "ok"
    state = here.ask("/registries/peer")
    assert (state["models"], state["missing"]) == (1, [])
    assert here.ask("/models/peer/fraud/fraud-model")["tags"]["peer.registry"] == "fraud"
    identity = other.waypost.identity
    for grant in identity.grants(LOCAL):
        identity.take_role(LOCAL, grant.id)
    assert here.sync("peer", full=True) in ("partial", "failed")
    assert here.ask("/registries/peer")["models"] == 1


def _kept(gateway: SocketGateway, token: str) -> Path:
    path = gateway.waypost.settings.search.path.parent / "token"
    path.write_text(token)
    path.chmod(0o600)
    return path


def test_how_old_it_is_over_there_is_passed_on(starts: Starts, emea: SocketGateway) -> None:
    here = starts("here", reads("emea", emea))
    assert here.sync("emea") == "ok"
    known = tables.registry.c
    with writing(emea.waypost.engine) as connection:
        connection.execute(
            update(tables.registry)
            .where(known.name == "fraud")
            .values(sync_every=60, last_success_at=now() - timedelta(hours=2))
        )
    assert here.sync("emea") == "partial"
    [line] = here.errors("emea")
    assert line.startswith("the other gateway says that its registry fraud is stale: read last at ")
    stands = here.ask("/registries/emea")
    assert (stands["state"], stands["last_error"], stands["quarantined"]) == ("partial", line, 0)
    assert here.sync("emea") == "partial", "it is said as long as it is so"
    emea.sync("fraud")
    assert here.sync("emea") == "ok"


def test_what_the_other_gateway_has_not_read_yet_deletes_nothing(
    starts: Starts, emea: SocketGateway, backend: Backend
) -> None:
    here = starts("here", reads("emea", emea))
    here.sync("emea")
    with writing(emea.waypost.engine) as connection:  # forgotten there, and configured anew
        connection.execute(
            update(tables.registry).where(tables.registry.c.name == "search").values(last_success_at=None)
        )
        connection.execute(update(tables.model).values(deleted_at=now()))
        connection.execute(update(tables.version).values(deleted_at=now()))
    here.sync("emea", full=True)
    here.ask("/registries/emea")
    assert here.ask("/models/emea/search/encoder")["deleted_at"] is None


def test_a_registry_that_is_renamed_over_there_goes_on_under_its_new_name(
    starts: Starts, backend: Backend, tmp_path: Path
) -> None:
    kept = backend("kept")
    kept.add_version(kept.model("m", aliases={"champion": "1"}), "1")
    other = starts("other", registry("old", "memory", backend="kept"))
    other.sync("old")
    here = starts("here", reads("peer", other))
    assert here.sync("peer") == "ok"
    known = here.ask("/versions/peer/old/m:1")["first_seen_at"]
    file = tmp_path / "renamed.toml"
    text = (tmp_path / "other" / "waypost.toml").read_text().replace('name = "old"', 'name = "new"')
    file.write_text(text + 'former_names = ["old"]\n')
    with writing(other.waypost.engine, alone=True) as connection:
        configured.apply(connection, [one.spec() for one in load_settings(file).registries])
    other.sync("new")
    assert here.sync("peer", full=True) == "ok"
    assert here.ask("/registries/peer")["versions"] == 1
    found = here.ask("/versions/peer/new/m@champion")
    assert (found["first_seen_at"], found["stage"]) == (known, "production")


def test_a_gateway_that_is_away_is_failing_and_takes_nothing_along(
    starts: Starts, emea: SocketGateway
) -> None:
    door = Door(behind=emea.url)
    server = serve(door)
    address = f"http://127.0.0.1:{server.server_port}"
    here = starts("here", registry("emea", "waypost", url=address))
    assert here.sync("emea") == "ok"
    before = here.ask("/registries/emea")
    for fault in ("broken", "garbage", "unauthorised"):
        door.fault = fault
        assert here.sync("emea") == "failed"
        stands = here.ask("/registries/emea")
        assert (stands["state"], stands["versions"]) == ("failing", before["versions"])
    door.fault = ""
    assert here.sync("emea") == "ok"
    server.shutdown()
    server.server_close()
    door.client.close()


def test_one_server_reached_directly_and_through_another_gateway_is_told(
    starts: Starts, mlflow_address: dict[str, str]
) -> None:
    url = mlflow_address["MLFLOW"]
    other = starts("other", registry("theirs", "mlflow", url=url))
    assert other.sync("theirs") in ("ok", "partial")
    here = starts("here", registry("ours", "mlflow", url=url), reads("emea", other))
    for name in ("ours", "emea"):
        assert here.sync(name) in ("ok", "partial")
    ours, emea = (here.ask(f"/registries/{name}") for name in ("ours", "emea"))
    assert [(one["part"], one["other"]) for one in emea["overlaps"]] == [("emea/theirs", "ours")]
    assert [(one["part"], one["other"]) for one in ours["overlaps"]] == [("ours", "emea/theirs")]
    assert ours["identities"] == [emea["overlaps"][0]["identity"]]
    said = emea["overlaps"][0]["says"]
    assert said == "emea/theirs has the same backend as ours: what it holds is listed twice"
    findings = [(one.what, one.state, one.found) for one in look_at_registries(here.waypost)]
    assert ("registry emea", "warn", said) in findings


def test_gateways_that_read_each_other_multiply_nothing(
    starts: Starts, backend: Backend, tmp_path: Path
) -> None:
    for name in ("one", "two", "three"):
        kept = backend(name)
        kept.add_version(kept.model("m"), "1")
    circle = [starts(name, registry("own", "memory", backend=name)) for name in ("one", "two", "three")]
    for place, each in enumerate(circle):  # each reads the next one, and the last one the first
        following = circle[(place + 1) % 3]
        text = (tmp_path / ("one", "two", "three")[place] / "waypost.toml").read_text()
        file = tmp_path / f"{place}.toml"
        file.write_text(text + reads("next", following) + (reads("self", each) if place == 0 else ""))
        with writing(each.waypost.engine, alone=True) as connection:
            configured.apply(connection, [one.spec() for one in load_settings(file).registries])
    assert [each.sync("own") for each in circle] == ["ok", "ok", "ok"]
    for _ in range(4):
        for each in circle:
            assert each.sync("next", full=True) == "ok"
    assert [circle[0].sync("self", full=True) for _ in range(2)] == ["ok", "ok"]
    assert circle[0].sync("next", full=True) == "ok"
    assert [each.ask("/registries/next")["models"] for each in circle] == [1, 1, 1]
    assert circle[0].ask("/registries/self")["models"] == 1
    assert [one["says"] for one in circle[0].ask("/registries/self")["overlaps"]] == [
        "self is this gateway itself: everything is listed twice",
        "self/own has the same backend as own: what it holds is listed twice",
        "self/self is this gateway, in a circle: nothing of it is read again",
    ]
    known = [each.ask("/registries")["gateway"] for each in circle]
    for place, each in enumerate(circle):
        told = each.ask("/registries/next")
        [back] = [one for one in told["overlaps"] if one["over"]]
        following, last = known[(place + 1) % 3], known[place - 1]
        assert (back["part"], back["other"], back["identity"]) == ("next/next", None, known[place])
        assert back["over"] == [last]
        assert back["says"] == (
            f"next/next leads back to this gateway, over {last}, in a circle: nothing of it is read again"
        )
        assert told["chains"] == [[last]], f"{following} reads {last}; what leads back is not handed on"
        [line] = [one for one in look_at_registries(each.waypost) if "leads back" in one.found]
        assert (line.what, line.state) == ("registry next", "ok")


def test_a_circle_that_was_opened_is_no_longer_told(starts: Starts, backend: Backend, tmp_path: Path) -> None:
    names = ("one", "two", "three", "four")
    kept = backend("own")
    kept.add_version(kept.model("m"), "1")
    ring = [starts(name, registry("own", "memory", backend="own")) for name in names]
    for place, each in enumerate(ring):
        configure(tmp_path / names[place], each, reads("next", ring[(place + 1) % 4]))
    for _ in range(4):
        for each in ring:
            each.sync("next", full=True)
    assert all(leads_back(each) for each in ring)
    configure(tmp_path / names[2], ring[2], "")
    for _ in range(4):
        for each in (ring[0], ring[1], ring[3]):
            each.sync("next", full=True)
    assert not any(leads_back(each) for each in ring)
    assert ring[0].ask("/registries/next")["chains"] == [[ring[2].ask("/registries")["gateway"]]]


def configure(folder: Path, gateway: SocketGateway, more: str) -> None:
    """Add registries to those that a gateway has."""
    file = folder / "more.toml"
    file.write_text((folder / "waypost.toml").read_text() + more)
    with writing(gateway.waypost.engine, alone=True) as connection:
        configured.apply(connection, [each.spec() for each in load_settings(file).registries])


def leads_back(gateway: SocketGateway) -> bool:
    return any(one["over"] for one in gateway.ask("/registries/next")["overlaps"])


def test_two_gateways_that_read_each_other_are_told_so(
    starts: Starts, backend: Backend, tmp_path: Path
) -> None:
    kept = backend("one")
    kept.add_version(kept.model("m"), "1")
    one = starts("one", registry("own", "memory", backend="one"))
    two = starts("two", reads("one", one))
    file = tmp_path / "both.toml"
    file.write_text((tmp_path / "one" / "waypost.toml").read_text() + reads("two", two))
    with writing(one.waypost.engine, alone=True) as connection:
        configured.apply(connection, [each.spec() for each in load_settings(file).registries])
    one.sync("own")
    two.sync("one")
    assert one.sync("two") == "ok"
    assert one.ask("/registries/two")["models"] == 0
    [told] = one.ask("/registries/two")["overlaps"]
    assert (told["part"], told["other"], told["identity"]) == (
        "two/one",
        None,
        one.ask("/registries")["gateway"],
    )
    assert told["says"] == "two/one is this gateway, in a circle: nothing of it is read again"
