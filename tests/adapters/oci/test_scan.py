"""How much is asked for: everything once, then as little as tells that nothing changed."""

from collections import Counter

import pytest

from adapters import Key, VersionRecord
from adapters.emulators.oci import OciRegistry
from tests.adapters.oci.conftest import Emulate, Site
from tests.adapters.scans import scanned

REPOSITORIES, TAGS = 60, 10


def methods(registry: OciRegistry | None) -> Counter[str]:
    """How often each method was asked for, which is forgotten then."""
    assert registry is not None
    found = Counter(one.partition(" ")[0] for one in registry.asked)
    registry.asked.clear()
    return found


@pytest.fixture
def large(emulator: Site) -> Site:
    """60 repositories with 600 tags, which stand for 540 models; one is filled, the others are alike."""
    pusher, registry = emulator.pusher, emulator.registry
    assert registry is not None
    digests = [pusher.modelpack("models/m00", f"1.0.{number}", seed=str(number)) for number in range(1, TAGS)]
    pusher.tag("models/m00", "production", digests[-1])
    for number in range(1, REPOSITORIES):
        registry.repositories[f"models/m{number:02}"] = registry.repositories["models/m00"]
    registry.asked.clear()
    return emulator


def test_when_nothing_changed_one_head_for_each_tag_is_asked(large: Site) -> None:
    adapter = large.adapter(repositories=())
    first = scanned(adapter)
    assert sum(isinstance(one, VersionRecord) for one in first.records) == REPOSITORIES * (TAGS - 1)
    methods(large.registry)
    again = scanned(adapter, since=first.watermark)
    assert again.records == first.records
    assert methods(large.registry) == {"GET": 1 + REPOSITORIES, "HEAD": REPOSITORIES * TAGS}


def test_what_has_a_digest_is_read_once(emulator: Site) -> None:
    adapter = emulator.adapter()
    emulator.pusher.modelpack(emulator.repository, "1.0.0")
    methods(emulator.registry)
    scanned(adapter)
    assert methods(emulator.registry) == {"GET": 4}, (
        "tags, manifest, configuration, and whether it tells referrers"
    )
    digest = emulator.pusher.modelpack(emulator.repository, "1.1.0", seed="other")
    emulator.pusher.tag(emulator.repository, "production", digest)
    emulator.pusher.image(emulator.repository, "web")
    methods(emulator.registry)
    scanned(adapter)
    assert methods(emulator.registry)["HEAD"] == 1
    scanned(adapter)
    assert methods(emulator.registry) == {"GET": 1, "HEAD": 4}
    adapter.get(Key("version", f"{emulator.repository}@{digest}"))
    assert methods(emulator.registry) == {"GET": 1, "HEAD": 4}


def test_a_registry_that_does_not_tell_digests_is_read_all_the_same(
    emulator: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator.pusher.modelpack(emulator.repository, "1.0.0")
    assert emulator.registry is not None
    answer = emulator.registry.answer

    def untold(*given: object) -> object:
        found = answer(*given)  # type: ignore[arg-type]
        headers = {name: one for name, one in found.headers.items() if name != "Docker-Content-Digest"}
        return found._replace(headers=headers)

    monkeypatch.setattr(emulator.registry, "answer", untold)
    adapter = emulator.adapter()
    assert scanned(adapter).records == scanned(adapter).records != []


def test_a_tag_that_is_deleted_while_it_is_read_is_left_out(
    emulate: Emulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = emulate()
    kept = site.pusher.modelpack(site.repository, "1.0.0")
    gone = site.pusher.modelpack(site.repository, "2.0.0", seed="gone")
    adapter = site.adapter()
    scanned(adapter)
    assert site.registry is not None
    site.registry.listed = lambda: site.pusher.delete(site.repository, gone)
    versions = [one for one in scanned(adapter).records if isinstance(one, VersionRecord)]
    assert [one.artifact_digest for one in versions] == [kept]
