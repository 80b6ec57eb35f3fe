"""Moving tags, and deleting: what it would take along is said instead."""

import pytest

from adapters import (
    ConflictError,
    InvalidError,
    Key,
    ModelRecord,
    NotFoundError,
    UnsupportedError,
    VersionRecord,
)
from tests.adapters.oci.conftest import Emulate, Site
from tests.adapters.scans import scanned


def versions(site: Site) -> dict[str, VersionRecord]:
    """Versions by name."""
    return {one.version: one for one in scanned(site.adapter()).records if isinstance(one, VersionRecord)}


def model_of(site: Site) -> Key:
    return Key("model", site.repository)


@pytest.fixture
def filled(site: Site) -> Site:
    """With two versions, the first of them in production."""
    first = site.pusher.modelpack(site.repository, "1.0.0", seed=site.repository)
    site.pusher.modelpack(site.repository, "1.1.0", seed=f"{site.repository}-other")
    site.pusher.tag(site.repository, "production", first)
    return site


def test_an_alias_is_moved_to_the_same_bytes(filled: Site) -> None:
    adapter = filled.adapter()
    before = filled.pusher.tags(filled.repository)
    found = adapter.set_alias(model_of(filled), "production", "1.1.0")
    assert isinstance(found, ModelRecord)
    assert dict(found.aliases) == {"production": "1.1.0"}
    assert filled.pusher.tags(filled.repository) == {**before, "production": before["1.1.0"]}


@pytest.mark.parametrize(
    "alias", ["1.2.0", "v3", "2", "sha256-" + "0f" * 32, "no/slash", "-x", "x" * 129, ""]
)
def test_what_cannot_be_an_alias_is_refused(filled: Site, alias: str) -> None:
    before = filled.pusher.tags(filled.repository)
    with pytest.raises(InvalidError, match="alias"):
        filled.adapter().set_alias(model_of(filled), alias, "1.1.0")
    assert filled.pusher.tags(filled.repository) == before


def test_the_only_tag_of_a_version_is_not_moved_away(filled: Site) -> None:
    filled.pusher.docker(filled.repository, "candidate")
    with pytest.raises(InvalidError, match="would be lost: give that another tag first"):
        filled.adapter().set_alias(model_of(filled), "candidate", "1.1.0")
    assert len(versions(filled)) == 3


def test_a_delete_is_refused_with_what_it_takes_along(filled: Site) -> None:
    adapter = filled.adapter()
    filled.pusher.tag(filled.repository, "1.0", filled.pusher.tags(filled.repository)["1.0.0"])
    with pytest.raises(
        ConflictError, match=r"1\.0\.0 takes along tag 1\.0, tag production: move or delete that first"
    ):
        adapter.delete(versions(filled)["1.0.0"].key)
    assert set(filled.pusher.tags(filled.repository)) == {"1.0", "1.0.0", "1.1.0", "production"}
    adapter.delete(versions(filled)["1.1.0"].key)
    assert "1.1.0" not in filled.pusher.tags(filled.repository)


def test_what_is_in_an_index_is_not_deleted(filled: Site) -> None:
    tags = filled.pusher.tags(filled.repository)
    filled.pusher.index(filled.repository, "2.0.0", [tags["1.1.0"]])
    found = versions(filled)
    with pytest.raises(ConflictError, match=r"1\.1\.0 takes along index 2\.0\.0, which has it"):
        filled.adapter().delete(found["1.1.0"].key)
    with pytest.raises(ConflictError, match=r"2\.0\.0 takes along manifest sha256:[0-9a-f]{12} in it"):
        filled.adapter().delete(found["2.0.0"].key)
    assert filled.pusher.tags(filled.repository).keys() == {"1.0.0", "1.1.0", "2.0.0", "production"}


def test_a_version_without_a_number_goes_with_its_tag(filled: Site) -> None:
    digest = filled.pusher.docker(filled.repository, "candidate")
    filled.adapter().delete(Key("version", f"{filled.repository}@{digest}"))
    assert "candidate" not in filled.pusher.tags(filled.repository)
    filled.adapter().delete(Key("version", f"{filled.repository}@{digest}"))


def test_a_repository_is_not_deleted(filled: Site) -> None:
    with pytest.raises(UnsupportedError, match="deletes no repository"):
        filled.adapter().delete(model_of(filled))


def test_a_tag_is_taken_away_only_where_the_registry_does_that(filled: Site, emulate: Emulate) -> None:
    with pytest.raises(UnsupportedError, match="point production at another version"):
        filled.adapter().set_alias(model_of(filled), "production", None)
    assert "production" in filled.pusher.tags(filled.repository)
    other = emulate(takes_tags_away=True)
    digest = other.pusher.modelpack(other.repository, "1.0.0")
    other.pusher.tag(other.repository, "production", digest)
    found = other.adapter().set_alias(model_of(other), "production", None)
    assert isinstance(found, ModelRecord)
    assert not found.aliases
    assert other.pusher.tags(other.repository) == {"1.0.0": digest}


def test_a_registry_that_deletes_nothing_says_so(emulate: Emulate) -> None:
    site = emulate(deletes=False)
    digest = site.pusher.modelpack(site.repository, "1.0.0")
    with pytest.raises(UnsupportedError, match="its configuration may allow it"):
        site.adapter().delete(Key("version", f"{site.repository}@{digest}"))


def test_writes_ask_for_the_rights_they_need(emulate: Emulate) -> None:
    site = emulate(password="p")
    digest = site.pusher.modelpack(site.repository, "1.0.0")
    site.pusher.modelpack(site.repository, "2.0.0", seed="other")
    adapter = site.adapter(username="waypost", password="p")
    adapter.set_alias(model_of(site), "production", "2.0.0")
    adapter.delete(Key("version", f"{site.repository}@{digest}"))
    assert site.registry is not None
    assert set().union(*site.registry.tokens.values()) == {
        f"repository:{site.repository}:{rights}" for rights in ("pull", "pull,push", "delete")
    }


def test_an_alias_of_nothing_is_refused(filled: Site) -> None:
    with pytest.raises(NotFoundError, match="an alias needs one that exists"):
        filled.adapter().set_alias(model_of(filled), "candidate", "9.9.9")
