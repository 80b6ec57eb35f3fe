"""Tags and deprecations of many at once: one preview, then all of it or none."""

import json
from collections.abc import Iterator

import pytest

from gateway.cli import run
from tests.gateway.api.test_operations import CONFIG, ended, made
from tests.gateway.served import Served, served
from tests.patience import until
from waypost.client import Client, WaypostClientError


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("bulk"), config=CONFIG) as running:
        yield running


def tags_of(gateway: Served, ref: str) -> dict[str, str]:
    area = "versions" if ":" in ref else "models"
    tags: dict[str, str] = gateway.client.get(f"/{area}/{ref}").json()["tags"]
    return tags


def test_many_are_tagged_and_deprecated_after_one_preview(gateway: Served) -> None:
    refs = [made(gateway, f"many-{number}") for number in range(3)]
    going = {"until": "2031-03-31", "replacement": "r/better", "note": "old"}
    body = {"refs": [*refs, "r/many-0"], "tags": {"area": "ads"}, "deprecate": going}
    shown = gateway.client.post("/bulk", params={"dry_run": True}, json=body).json()
    assert [one["ref"] for one in shown["tagged"]] == [*refs, "r/many-0"]
    assert [one["plan"]["steps"][0]["fields"] for one in shown["tagged"]] == [
        [{"ref": ref, "field": "tag:area", "before": None, "after": "ads"}] for ref in [*refs, "r/many-0"]
    ]
    assert [one["ref"] for one in shown["deprecated"]] == ["r/many-0", "r/many-1", "r/many-2"]
    assert (shown["refused"], shown["unchanged"]) == (0, 0)
    assert all(tags_of(gateway, ref) == {} for ref in refs)

    done = gateway.client.post("/bulk", json={**body, "plan": shown["token"]})
    assert done.status_code == 202, done.text
    for one in done.json()["operations"]:
        path = f"/operations/{one['id']}"
        until(lambda path=path: gateway.client.get(path).json()["state"] == "ok")  # type: ignore[misc]
    assert [tags_of(gateway, ref) for ref in refs] == [{"area": "ads"}] * 3
    known = gateway.client.get("/deprecations").json()["deprecations"]
    said = {one["ref"]: (one["until"], one["replacement"]) for one in known if "many-" in one["ref"]}
    assert said == dict.fromkeys(["r/many-0", "r/many-1", "r/many-2"], ("2031-03-31", "r/better"))
    again = gateway.client.post("/bulk", params={"dry_run": True}, json=body).json()
    assert again["unchanged"] == 4
    assert {one["before"]["until"] for one in again["deprecated"]} == {"2031-03-31"}
    stale = gateway.client.post("/bulk", json={**body, "plan": shown["token"]})
    assert (stale.status_code, stale.json()["type"]) == (412, "/problems/plan-changed")


def test_a_part_that_cannot_be_refuses_all_and_says_which(gateway: Served) -> None:
    fine = made(gateway, "fine")
    body = {"refs": [fine, "r/nobody:1", "closed/any:1"], "tags": {"area": "ads"}}
    shown = gateway.client.post("/bulk", params={"dry_run": True}, json=body).json()
    assert [bool(one["refusal"]) for one in shown["tagged"]] == [False, True, True]
    assert shown["refused"] == 2
    refused = gateway.client.post("/bulk", json={**body, "plan": shown["token"]})
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/refused-together")
    assert "r/nobody:1" in refused.json()["detail"]
    assert tags_of(gateway, fine) == {}
    itself = {"refs": [fine], "deprecate": {"until": "2031-03-31", "replacement": "r/fine"}}
    assert "not replaced by itself" in gateway.client.post("/bulk", json=itself).json()["detail"]
    for nothing in (
        {"refs": [fine]},
        {"refs": [], "tags": {"a": "b"}},
        {"refs": [f"r/m:{n}" for n in range(201)]},
    ):
        assert gateway.client.post("/bulk", json=nothing).status_code in (400, 422)


def test_a_program_sees_the_same_and_carries_it_out_once(gateway: Served) -> None:
    refs = [made(gateway, f"programmed-{number}") for number in range(2)]
    with Client(gateway.url) as client:
        plan = client.bulk(refs, tags={"area": "ads"}, until="2031-03-31", replacement="r/better")
        assert (plan.refused, plan.unchanged) == ({}, 0)
        assert "tag:area" in plan._repr_html_()
        assert [(one.ref, one.state) for one in plan.carry_out()] == [(ref, "ok") for ref in refs]
        assert [client.show(ref).tags for ref in refs] == [{"area": "ads"}] * 2
        with pytest.raises(WaypostClientError) as late:
            plan.carry_out()
        assert late.value.status == 412
        assert client.bulk(refs, tags={"area": "ads"}).unchanged == 2


def test_a_search_is_tagged_from_the_command_line(
    gateway: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    told = ended(
        gateway,
        gateway.client.post("/registries/r/versions", json={"model": "lined", "source": "s3://b/m"}),
    )
    until(lambda: gateway.client.get("/search", params={"q": "model:lined"}).json()["total"] == 1)
    asked = ["bulk", "--query", "model:lined", "--tag", "area=ads", "--url", gateway.url]
    assert run([*asked, "--dry-run"]) == 0
    shown = capsys.readouterr()
    assert f"{told['ref']}  tag:area: nothing -> ads" in shown.out
    token = shown.err.partition("--plan ")[2].split()[0]
    both = ["bulk", told["ref"], "r/lined", "--tag", "area=ads", "--dry-run", "--url", gateway.url]
    assert run(both) == 0
    steps = [line for line in capsys.readouterr().out.splitlines() if " of r/lined" in line]
    assert [step.partition(".")[0] for step in steps] == ["1", "2"]
    assert run(asked) == 2, "nobody can be asked here"
    assert "--yes" in capsys.readouterr().err
    assert run([*asked, "--plan", token, "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["operations"]
    assert (one["state"], one["wanted"]) == ("ok", {"tags": {"area": "ads"}})
    assert run(["bulk", "r/lined", "--until", "2031-03-31", "--yes", "--url", gateway.url]) == 0
    assert "r/lined is deprecated" in capsys.readouterr().err
    assert run(["bulk", "r/lined", "--url", gateway.url]) == 2
    capsys.readouterr()
    assert run(["bulk", "--query", "model:nosuch", "--tag", "a=b", "--yes", "--url", gateway.url]) == 2
    assert capsys.readouterr().err == "waypost: nothing fits model:nosuch\n"
