"""How much of a metastore is read, and what a refusal proves."""

import pytest

from adapters import AuthError, NotFoundError, VersionRecord
from adapters.emulators.services import ServiceAnswer, ServiceRequest
from adapters.emulators.unity import Metastore
from adapters.unity import client
from tests.adapters.scans import scanned
from tests.adapters.unity.conftest import Opens

NAME = "main.risk.churn"


def versions(found: object) -> set[str]:
    """The addresses of the versions that a scan gave."""
    return {one.addresses[0] for one in found.records if isinstance(one, VersionRecord)}  # type: ignore[attr-defined]


def test_an_empty_page_is_not_the_end(metastore: Metastore, opened: Opens) -> None:
    for number in range(3):
        metastore.put(f"main.risk.m{number}")
        metastore.put(f"main.risk.m{number}")
    metastore.hollow, metastore.largest = True, 1
    assert len(scanned(opened()).records) == 9


def test_models_are_read_again_in_turn_within_the_budget(metastore: Metastore, opened: Opens) -> None:
    names = [f"main.risk.m{number:02}" for number in range(12)]
    for name in names:
        metastore.put(name)
    adapter = opened(reads_per_scan=4)
    mark = scanned(adapter).watermark
    for name in names:  # which moves nothing that is listed
        metastore.put(name)
        metastore.point(name, "champion", 2)
    seen, aliases, rounds = set[str](), dict[str, object](), 0
    while len(seen) < len(names):
        metastore.asked.clear()
        found = scanned(adapter, since=mark)
        assert 3 <= len(metastore.asked) <= 1 + 2 * 5, "a bucket is read whole"
        seen |= {one for one in versions(found) if one.endswith("/2")}
        aliases |= {name: dict(model.aliases) for name, model in found.models().items()}
        mark, rounds = found.watermark, rounds + 1
        assert rounds <= 4
    assert aliases == {name: {"champion": "2"} for name in names}


def test_a_row_that_moved_is_read_whatever_the_budget(metastore: Metastore, opened: Opens) -> None:
    for number in range(3):
        metastore.put(f"main.risk.m{number}")
    adapter = opened(reads_per_scan=0)
    first = scanned(adapter)
    assert scanned(adapter, since=first.watermark).records == []
    metastore.touch(metastore.models["main.risk.m1"], comment="new")
    assert set(scanned(adapter, since=first.watermark).models()) == {"main.risk.m1"}


def test_only_configured_places_are_read(metastore: Metastore, opened: Opens) -> None:
    for name in ("main.risk.a", "main.ops.b", "dev.risk.c", "other.risk.d"):
        metastore.put(name)
    adapter = opened(places=("main.risk", "DEV"))
    assert set(scanned(adapter).models()) == {"main.risk.a", "dev.risk.c"}
    [key] = [one.key for one in scanned(opened()).models().values() if one.name == "other.risk.d"]
    with pytest.raises(NotFoundError):
        adapter.get(key)


def test_a_hidden_catalog_is_no_proof_of_absence(either: Metastore, opened: Opens) -> None:
    either.put(NAME)
    adapter = opened()
    keys = [one.key for one in scanned(adapter).records]
    either.hidden.add("main")
    for key in keys:
        with pytest.raises(AuthError, match="gone, or hidden"):
            adapter.get(key)
    either.hidden.clear()
    either.schemas.clear()
    for key in keys:
        with pytest.raises(AuthError, match="gone, or hidden"):
            adapter.get(key)
    either.put("main.risk.other")
    either.drop(NAME)
    for key in keys:
        with pytest.raises(NotFoundError):
            adapter.get(key)


def test_what_cannot_be_read_of_one_model_is_unknown(metastore: Metastore, opened: Opens) -> None:
    for name in (NAME, "main.risk.other"):
        metastore.put(name)
        metastore.point(name, "champion", 1)
    adapter = opened()
    mark = scanned(adapter).watermark
    metastore.refused = {f"/models/{NAME}": 403, f"/models/{NAME}/versions": 500}
    found = scanned(adapter, since=mark)
    churn, other = found.models()[NAME], found.models()["main.risk.other"]
    assert churn.unread is not None
    assert churn.unread.fields == ("aliases", "native.aliases")
    assert other.unread is None
    assert [one.of for one in found.listed if one.kind == "version"] == [other.key]
    assert len(found.bad) == 1


def test_a_service_principal_signs_in(metastore: Metastore, opened: Opens) -> None:
    metastore.token, metastore.secrets = "given-token", {"robot": "robot-secret"}
    metastore.put(NAME)
    adapter = opened(client_id="robot", client_secret="robot-secret")
    assert len(scanned(adapter).records) == 2
    assert adapter.credentials() == ("given-token",)
    assert sum(one.path == "/oidc/v1/token" for one in metastore.asked) == 1
    with pytest.raises(AuthError):
        opened(client_id="robot", client_secret="another").probe()


def test_a_renamed_model_goes_on(metastore: Metastore, opened: Opens) -> None:
    metastore.put(NAME)
    adapter = opened()
    first = scanned(adapter)
    metastore.models["main.risk.uplift"] = metastore.touch(
        metastore.models.pop(NAME), name="uplift", full_name="main.risk.uplift"
    )
    second = scanned(adapter, since=first.watermark)
    for old, new in zip(first.records, second.records, strict=True):
        assert adapter.succeeds(new.key, old.key)
        with pytest.raises(NotFoundError):
            adapter.get(old.key)


def test_pages_are_asked_for_by_their_size(metastore: Metastore, opened: Opens) -> None:
    metastore.put(NAME)
    scanned(opened())
    listing = [one for one in metastore.asked if one.path.endswith("/models")]
    assert [one.one("max_results") for one in listing] == [str(client.PAGE)]


def test_a_version_that_goes_while_tags_are_read_takes_nothing_along(
    metastore: Metastore, opened: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    metastore.put(NAME)
    adapter = opened(tags=True)
    mark = scanned(adapter).watermark
    for _ in range(2):
        metastore.put(NAME)
    metastore.touch(metastore.models[NAME], comment="new")
    answered = metastore.answer

    def answer(asked: ServiceRequest) -> ServiceAnswer:
        if asked.path.endswith("/model-versions/get") and asked.one("version") == "2":
            metastore.drop(NAME, 2)
        return answered(asked)

    monkeypatch.setattr(metastore, "answer", answer)
    found = scanned(adapter, since=mark)
    assert found.models()[NAME].description == "new"
    assert versions(found) == {f"models:/{NAME}/1", f"models:/{NAME}/3"}


def test_a_version_that_cannot_be_understood_leaves_the_tags_of_others_known(
    metastore: Metastore, opened: Opens
) -> None:
    metastore.put(NAME)
    metastore.put(NAME)
    metastore.model(NAME)["versions"][1]["id"] = "a/b"
    found = scanned(opened(tags=True))
    assert len(found.bad) == 1
    assert found.models()[NAME].unread is None
    assert [one.unread for one in found.records if isinstance(one, VersionRecord)] == [None]
