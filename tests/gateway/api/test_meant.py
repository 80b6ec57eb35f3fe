"""A reference without its registry, and one that names nothing: what was meant, within what the caller may see."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from federation.access import EVERYTHING, NOTHING
from gateway.cli import run
from gateway.cli.asked import AnsweredProblemError
from gateway.cli.invocation import Invocation
from gateway.cli.local import catch_up, opened
from gateway.meant import candidates
from tests.gateway.chained import Chained, chained, configured


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chained]:
    with chained(tmp_path_factory.mktemp("meant")) as made:
        index(made)
        yield made


def index(gateway: Chained) -> None:
    """Bring the index up to what there is: no worker does."""
    catch_up(gateway.waypost, ["search"])
    gateway.waypost.reload_search()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration file of a gateway that nothing is changed in."""
    return configured(tmp_path_factory.mktemp("shop"))[0]


@pytest.mark.parametrize(
    ("path", "ref"),
    [
        ("/api/v1/versions/encoder:3", "texts/encoder:3"),
        ("/api/v1/models/encoder", "texts/encoder"),
        ("/api/v1/impact/encoder:3", "texts/encoder:3"),
        ("/versions/encoder:3.json", "texts/encoder:3"),
    ],
)
def test_a_bare_reference_is_found_where_it_is_unique(gateway: Chained, path: str, ref: str) -> None:
    assert gateway.send("GET", path).json()["ref"] == ref
    assert gateway.get("/versions/encoder:3")["ref"] == "texts/encoder:3"
    assert gateway.send("HEAD", path).status_code == 200


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("encodr:3", "texts/encoder"),
        ("texts/encodr:3", "texts/encoder"),
        ("tests/encoder:3", "texts/encoder:3"),
    ],
)
def test_what_names_nothing_is_answered_with_what_was_meant(gateway: Chained, asked: str, meant: str) -> None:
    problem = gateway.send("GET", f"/api/v1/versions/{asked}").json()
    assert problem["candidates"][0] == meant
    with pytest.raises(AnsweredProblemError, match=f"did you mean {meant}"):
        gateway.get(f"/versions/{asked}")
    page = gateway.send("GET", f"/versions/{asked}", headers={"Accept": "text/html"})
    assert page.status_code in (400, 404)
    assert "Did you mean" in page.text
    assert f">{meant}<" in page.text
    compared = gateway.send("GET", f"/diff?left={asked}&right=texts/encoder:3")
    assert "Did you mean" in compared.text


def test_what_is_asked_for_in_a_body_may_leave_out_its_registry(gateway: Chained) -> None:
    declared = {"consumer": "follower:1", "provider": "encoder:5"}
    made = gateway.send("POST", "/api/v1/dependencies", json=declared).json()
    assert (made["consumer"], made["provider"]) == ("ranking/follower:1", "texts/encoder:5")
    assert gateway.ask("POST", "/dependencies", body=declared)["id"] == made["id"]
    many = {"refs": ["encoder", "encoder:5"], "tags": {"tier": "0"}}
    for planned in (
        gateway.send("POST", "/api/v1/bulk", params={"dry_run": True}, json=many).json(),
        gateway.ask("POST", "/bulk", query={"dry_run": True}, body=many),
    ):
        assert [one["ref"] for one in planned["tagged"]] == ["texts/encoder", "texts/encoder:5"]
    said = {"until": "2030-01-01", "replacement": "search-blend"}
    assert gateway.send("POST", "/api/v1/models/follower/deprecate", json=said).status_code == 204
    gateway.ask("POST", "/models/follower/deprecate", body=said)
    [told] = gateway.get("/deprecations")["deprecations"]
    assert (told["ref"], told["replacement"]) == ("ranking/follower", "search/search-blend")
    gateway.ask("POST", "/models/follower/reinstate")
    assert gateway.get("/deprecations")["deprecations"] == []


def test_what_names_nothing_in_a_body_is_answered_with_what_was_meant(gateway: Chained) -> None:
    asked = {"consumer": "folower:1", "provider": "encoder:5"}
    problem = gateway.send("POST", "/api/v1/dependencies", json=asked).json()
    assert problem["detail"] == "no registry has folower:1"
    assert problem["candidates"][0] == "ranking/follower"
    with pytest.raises(AnsweredProblemError, match="did you mean ranking/follower"):
        gateway.ask("POST", "/dependencies", body=asked)


@pytest.mark.parametrize(
    "command",
    [
        "set encoder:3 --tag tier=0 --dry-run",
        "set encoder --tag tier=0 --dry-run",
        "delete encoder:5 --dry-run",
        "delete encoder --model --dry-run",
        "bulk encoder:3 --tag tier=0 --dry-run",
        "plan encoder:5 --to staging",
        "deps encoder:3",
        "impact encoder:3",
        "bom encoder:3",
        "diff encoder:3 encoder:5",
        "similar encoder:3",
        "timeline encoder",
        "comments encoder:3",
        "comments encoder",
        "similar encoder",
        "changes --on encoder",
        "watch --once --on encoder",
        "inbox add encoder",
        "show encoder:3",
        "audit list --ref encoder:3",
    ],
)
def test_every_command_about_a_version_takes_a_bare_reference(
    command: str, shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WAYPOST_CONFIG", str(shop))
    told = []
    for words in (command, command.replace("encoder", "texts/encoder")):
        run(words.split())
        told.append(capsys.readouterr())
    bare, whole = told
    assert "not a reference" not in bare.err
    assert bare.out.splitlines()[:3] == whole.out.splitlines()[:3]
    assert bare.err.splitlines()[:1] == whole.err.splitlines()[:1]


def test_a_model_that_has_a_new_name_is_found_by_its_former_one(tmp_path: Path) -> None:
    file, chain = configured(tmp_path)
    model = chain.estate.model("first")
    chain.estate.put("texts", model, chain.estate.version(model, "1"))
    chain.estate.put("texts", replace(model, name="quite-different"))
    with opened(Invocation(config=file)) as waypost:
        assert candidates(waypost, EVERYTHING, "texts/first:1") == ["texts/quite-different:1"]
        assert candidates(waypost, NOTHING, "texts/first:1") == []


def test_a_version_that_is_not_there_is_answered_with_those_that_are(gateway: Chained) -> None:
    problem = gateway.send("GET", "/api/v1/versions/texts/encoder:99").json()
    assert "texts/encoder:3" in problem["candidates"]
    bare = gateway.send("GET", "/api/v1/versions/encoder:99").json()
    assert bare["detail"] == "no registry has encoder:99"
    assert bare["candidates"][:3] == ["texts/encoder:5", "texts/encoder:4", "texts/encoder:3"]


def test_what_is_asked_of_a_version_is_no_part_of_what_names_it(gateway: Chained) -> None:
    index(gateway)  # other tests write, and an answer of an index that lacks it for a second says so
    for asked in ("encoder", "texts/encoder"):
        for tail in ("similar", "comments", "statements"):
            answered = gateway.send("GET", f"/api/v1/versions/{asked}/{tail}")
            assert answered.json() == gateway.get(f"/versions/{asked}/{tail}")
            absent = gateway.send("GET", f"/api/v1/versions/{asked}:99/{tail}").json()
            assert tail not in absent["detail"]
            assert "texts/encoder:3" in absent["candidates"]
            with pytest.raises(AnsweredProblemError, match="did you mean texts/encoder:5") as refused:
                gateway.get(f"/versions/{asked}:99/{tail}")
            assert tail not in str(refused.value)
    said = gateway.send("POST", "/api/v1/versions/encoder/comments", json={"words": "kept"})
    assert (said.status_code, said.json()["words"]) == (201, "kept")


def test_events_are_chosen_by_a_model_without_its_registry(gateway: Chained) -> None:
    for on in ("encoder", "texts/encoder"):
        found = gateway.send("GET", "/api/v1/changes", params={"on": on}).json()
        assert found == gateway.send("GET", "/api/v1/changes", params={"on": "texts/encoder"}).json()
        assert gateway.send("POST", "/api/v1/watches", json={"on": on}).json()["on"] == "texts/encoder"
    absent = gateway.send("GET", "/api/v1/changes", params={"on": "encodr"}).json()
    assert absent["candidates"] == ["texts/encoder"]


def test_a_webhook_is_made_for_a_model_without_its_registry_by_form_and_api(gateway: Chained) -> None:
    form = {"name": "by-form", "url": "https://hooks.example/form", "on": "encoder"}
    page = gateway.send("POST", "/webhooks", data=form, headers={"Accept": "text/html"})
    assert page.status_code == 201
    asked = {"name": "by-api", "url": "https://hooks.example/api", "on": "encoder"}
    assert gateway.send("POST", "/api/v1/webhooks", json=asked).status_code == 201
    hooks = {one["name"]: one["on"] for one in gateway.get("/webhooks")["webhooks"]}
    assert (hooks["by-form"], hooks["by-api"]) == ("texts/encoder", "texts/encoder")


def test_what_nothing_is_like_is_said_to_be_in_no_registry(gateway: Chained) -> None:
    problem = gateway.send("GET", "/api/v1/versions/zzzz:1").json()
    assert (problem["detail"], "candidates" in problem) == ("no registry has zzzz:1", False)
    wrong = gateway.send("GET", "/api/v1/versions/encoder:").json()
    assert "is not a reference" in wrong["detail"]


def test_the_version_that_was_asked_for_is_not_what_was_meant_instead(gateway: Chained) -> None:
    for path in ("/versions/encoder:3", "/versions/texts/encoder:3"):
        early = gateway.send("GET", f"/api/v1{path}", params={"as_of": "1999-01-01"})
        assert (early.status_code, "candidates" in early.json()) == (404, False)
        with pytest.raises(AnsweredProblemError) as refused:
            gateway.get(path, as_of="1999-01-01")
        assert "did you mean" not in str(refused.value)


def test_a_rollback_is_of_a_model_and_says_so_of_a_version(gateway: Chained) -> None:
    body = {"model": "encoder:3", "reason": "slow", "dry_run": True}
    refused = gateway.send("POST", "/api/v1/rollbacks", json=body)
    assert (refused.status_code, "without version" in refused.json()["detail"]) == (422, True)
    with pytest.raises(AnsweredProblemError, match="without version"):
        gateway.ask("POST", "/rollbacks", body=body)


def test_the_evidence_of_a_bare_reference_is_what_its_entries_say(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WAYPOST_CONFIG", str(shop))
    evidence = str(tmp_path / "evidence")
    assert run(["audit", "export", "--ref", "encoder:3", "--output", evidence]) == 0
    assert run(["audit", "verify", evidence]) == 0
    told = capsys.readouterr().out
    assert "evidence.html says what the entries say" in told
    assert "texts/encoder:3" in (tmp_path / "evidence" / "evidence.html").read_text()


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("inbox watching", "you watch nothing"),
        ("deprecate", "nothing is deprecated"),
        ("operations", "nothing was asked of the backends yet"),
        ("operations --state failed", "nothing was asked of that"),
        ("promotions list", "nothing was proposed yet"),
        ("promotions list --mine", "there is no such promotion"),
        ("rollouts list", "no traffic"),
        ("policies list", "no policy holds"),
    ],
)
def test_a_list_without_rows_says_that_it_has_none(
    command: str,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("WAYPOST_CONFIG", str(configured(tmp_path)[0]))
    assert run(command.split()) == 0
    said = capsys.readouterr()
    assert (said.out, told in said.err) == ("", True)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("set encoder:3 --stage gold", "'gold' is not one of 'none', 'staging', 'production', 'archived'"),
        ("plan encoder:3 --to gold", "'gold' is not one of 'none', 'staging', 'production', 'archived'"),
        ("promote encoder:3 --to gold --reason x", "'gold' is not one of"),
        ("rollback encoder --stage gold", "'gold' is not one of"),
        ("operations --state gold", "'gold' is not one of 'queued', 'running'"),
        ("webhooks deliveries x --state gold", "'gold' is not one of 'waiting', 'delivered', 'dead'"),
        ("attest encoder:3 file --kind gold", "'gold' is not one of 'signature', 'scan'"),
        ("deprecate encoder --until tomorrow", "--until is a day such as 2027-03-31, not tomorrow"),
        ("bulk encoder --until tomorrow", "--until is a day such as 2027-03-31, not tomorrow"),
        ("diff encoder:3 encoder:5 ranker:5 --sort gold", "no version has the metric gold"),
        ("comments encoder:3 --add=", "say something, in words"),
        ("show /", "an empty reference names nothing"),
    ],
)
def test_a_wrong_value_is_answered_with_those_that_there_are(
    command: str, told: str, shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WAYPOST_CONFIG", str(shop))
    assert run(command.split()) == 2
    said = capsys.readouterr().err
    assert told in said
    assert "Value error" not in said


def test_a_reference_is_completed_part_by_part(gateway: Chained) -> None:
    def told(typed: str) -> list[str]:
        found: list[str] = gateway.get("/references", q=typed)["references"]
        assert gateway.send("GET", "/api/v1/references", params={"q": typed}).json()["references"] == found
        return found

    assert "texts/" in told("te")
    assert told("texts/enc") == ["texts/encoder"]
    assert "texts/encoder:3" in told("texts/encoder:")
    assert told("texts/encoder@stage:pro") == ["texts/encoder@stage:production"]
    assert told("nobody/x") == []
    assert told("enc") == ["texts/encoder"], "in whichever registry it is"
    assert "texts/encoder:3" in told("encoder:")
    assert told("encoder@stage:pro") == ["texts/encoder@stage:production"]
    assert all(one.endswith("/") for one in told("")), "registries alone, before anything is typed"


@pytest.mark.parametrize("command", ["retention plan text", "plan --all text", "plan --all texts/encodr"])
def test_what_is_asked_of_what_is_not_there_is_no_empty_answer(
    command: str, shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WAYPOST_CONFIG", str(shop))
    whole = command.replace("encodr", "encoder") + ("s" if command.endswith("text") else "")
    assert run([*command.split(), *(["--to", "production"] if "plan --all" in command else [])]) == 2
    assert "did you mean texts" in capsys.readouterr().err
    assert run([*whole.split(), *(["--to", "production"] if "plan --all" in command else [])]) == 0


def test_what_is_taken_although_it_names_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WAYPOST_CONFIG", str(configured(tmp_path)[0]))
    for words, wrong, right in (
        ("deprecate texts/encoder --until 2027-03-31 --replacement {}", "texts/encodr", "texts/encoder"),
        ("dependencies declare texts/encoder:3 {}", "texts/encodr:3", "texts/encoder:5"),
        ("dependencies declare texts/encoder:3 {}", "texts/encodr", "texts/encoder"),
    ):
        assert run(words.format(wrong).split()) == 0
        assert f"{wrong} names nothing yet: " in (told := capsys.readouterr().err)
        assert "did you mean texts/encoder" in told
        run(words.format(right).split())
        assert "names nothing yet" not in capsys.readouterr().err
    assert run(["audit", "list", "--action", "stage.chnged"]) == 0
    assert "no action is called stage.chnged; did you mean stage.changed" in capsys.readouterr().err
    assert run(["audit", "list", "--action", "stage.changed", "--actor", "nobody"]) == 0
    assert capsys.readouterr().err == "nothing is recorded of that\n"


def test_two_to_eight_versions_are_laid_beside_each_other(gateway: Chained) -> None:
    refs = ["texts/encoder:3", "ranker:5", "search-blend:7"]
    found = gateway.get("/comparison", ref=refs, sort="")
    assert [one["ref"].partition("/")[2] for one in found["versions"]] == [
        "encoder:3",
        "ranker:5",
        "search-blend:7",
    ]
    assert all(len(values) == 3 for values in found["fields"].values())
    assert gateway.send("GET", "/api/v1/comparison", params={"ref": refs}).json() == found
    for wrong in (refs[:1], refs * 3):
        refused = gateway.send("GET", "/api/v1/comparison", params={"ref": wrong})
        assert (refused.status_code, "2 to 8" in refused.text) == (422, True)
    absent = gateway.send("GET", "/api/v1/comparison", params={"ref": [*refs, "texts/encoder:99"]})
    assert absent.status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "noun", "shown"),
    [
        ("POST", "/registries/text/sync", "registry", "registries list"),
        ("DELETE", "/tokens/pipelin", "token", "token list"),
        ("POST", "/principals/token:pipelin/enable", "person or token", "principals list"),
        ("DELETE", "/grants/12", "grant", "grants list"),
        ("GET", "/promotions/12", "promotion", "promotions list"),
        ("GET", "/operations/12", "operation", "operations list"),
        ("GET", "/searches/none", "kept search", "searches list"),
    ],
)
def test_a_name_that_is_none_is_answered_with_what_it_should_have_been(
    gateway: Chained, method: str, path: str, noun: str, shown: str
) -> None:
    if not gateway.get("/tokens")["tokens"]:
        gateway.ask("POST", "/tokens", body={"name": "pipeline"})
    problem = gateway.send(method, f"/api/v1{path}").json()
    assert problem["detail"] == f"there is no such {noun} that you may see: `waypost {shown}` shows them"
    near = {"token": ["pipeline"], "person or token": ["token:pipeline"], "registry": ["texts"]}
    assert problem.get("candidates", []) == near.get(noun, [])
    with pytest.raises(AnsweredProblemError, match="there is no such") as refused:
        gateway.ask(method, path)
    assert refused.value.body == problem


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("promotions?state=foo", "state: 'foo' is not known here: known are approved, cancelled, done, "),
        ("operations?state=foo", "state: 'foo' is not known here: known are failed, ok, "),
        ("production?format=foo", "format: 'foo' is not known here: known are csv, json"),
        ("impact/texts/encoder:3?action=foo", "action: 'foo' is not known here: known are archive, "),
        ("plans?to=foo", "to: 'foo' is not known here: known are archived, none, production, staging"),
        ("bom/texts/encoder:3?spec=2", "spec: '2' is not known here: known are 1.6, 1.7"),
        ("promotions?limit=abc", "limit: a whole number is expected"),
        ("search?q=x&limit=0", "limit: at least 1 is expected"),
        ("search?q=x&strict=perhaps", "strict: true or false is expected"),
    ],
)
def test_a_parameter_that_is_none_is_answered_with_those_that_are(
    gateway: Chained, path: str, said: str
) -> None:
    assert gateway.send("GET", f"/api/v1/{path}").json()["detail"].startswith(said)


def test_a_role_for_what_is_not_there_yet_is_given_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WAYPOST_CONFIG", str(configured(tmp_path)[0]))
    assert run(["token", "create", "pipeline"]) == 0
    capsys.readouterr()
    assert run(["grants", "add", "--token", "pipelin", "--role", "viewer", "--on", "registry:text"]) == 0
    told = capsys.readouterr()
    assert "token:pipelin is viewer on registry:text" in told.out
    assert "no token pipelin yet that you see; did you mean pipeline?" in told.err
    assert "no registry text yet that you see; did you mean texts?" in told.err
    assert run(["grants", "add", "--token", "pipeline", "--role", "viewer", "--on", "registry:texts"]) == 0
    assert capsys.readouterr().err == ""
    assert run(["webhooks", "test", "nosuch"]) == 2
    assert "`waypost webhooks list` shows them" in capsys.readouterr().err
    assert run(["team", "txts"]) == 0
    assert "no registry of team txts" in capsys.readouterr().err


@pytest.mark.parametrize(
    "path",
    [
        "operations?ref=encoder:3",
        "promotions?ref=encoder:3",
        "audit?ref=encoder:3",
        "retention?under=encoder",
        "plans?under=encoder",
        "changes?on=encoder",
        "impact/encoder@champion?action=move-alias&to=encoder:5",
        "impact/encoder@champion?action=move-alias&to=texts/encoder:5",
    ],
)
def test_what_narrows_a_list_may_leave_out_its_registry(gateway: Chained, path: str) -> None:
    bare = gateway.send("GET", f"/api/v1/{path}")
    whole = gateway.send("GET", f"/api/v1/{path.replace('=encoder', '=texts/encoder')}")
    assert (bare.status_code, {**bare.json(), "to": None}) == (200, {**whole.json(), "to": None})
    if "impact" not in path:
        missing = gateway.send("GET", f"/api/v1/{path.replace('encoder', 'encodr')}").json()
        assert missing["candidates"] == ["texts/encoder"]


@pytest.mark.parametrize(
    "path",
    ["/operations?ref=encodr:3", "/retention?under=encodr", "/policies?under=encodr", "/badge/encodr.svg"],
)
def test_a_page_that_is_narrowed_by_what_is_not_there_says_what_was_meant(
    gateway: Chained, path: str
) -> None:
    told = gateway.send("GET", path, headers={"Accept": "text/html"}).text
    assert ">texts/encoder<" in told
    assert "encodr.svg" not in told.partition("<main")[2]
    assert gateway.send("GET", path.replace("encodr", "encoder")).status_code == 200


def test_a_form_of_many_takes_a_bare_replacement_and_says_what_was_meant(gateway: Chained) -> None:
    form = {"of texts/encoder:5": "1", "until": "2030-01-01", "replacement": "ranker"}
    taken = gateway.send("POST", "/bulk", data=form, headers={"Origin": "http://localhost"})
    assert (taken.status_code, "did you mean" in taken.text) == (200, False)
    form["replacement"] = "rankr"
    refused = gateway.send("POST", "/bulk", data=form, headers={"Origin": "http://localhost"})
    assert (refused.status_code, "did you mean ranking/ranker" in refused.text) == (422, True)
    assert 'value="rankr"' in refused.text, "what was written is not lost"


@pytest.mark.parametrize(
    "command",
    [
        "production --registry text",
        "production --team serch",
        "audit list --registry text",
        "audit list --team serch",
        "operations --registry text",
        "changes --on team:serch",
        "changes --on registry:text",
        "changes --on texts/encodr",
        "inbox add team:serch",
        "watch --once --on team:serch",
        "team serch",
    ],
)
def test_an_empty_answer_says_where_nobody_is_called_so(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = configured(tmp_path)[0]
    file.write_text(file.read_text().replace('team = "c"', 'team = "search"'))
    monkeypatch.setenv("WAYPOST_CONFIG", str(file))
    run(["registries", "apply"])
    capsys.readouterr()
    run(command.split())
    wanted = "texts" if "text" in command else "search"
    assert f"did you mean {wanted}" in capsys.readouterr().err
