"""Signatures and reports that lie beside a model: found by tags, or by the registry's list of referrers."""

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from adapters import Attached, Key
from federation.access import LOCAL
from federation.references import Reference
from federation.statements.statements import ArtifactSigner, Statements
from tests.adapters.oci.conftest import Emulate, Site
from tests.adapters.scans import scanned
from tests.fidelity import NAME, watching

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SARIF = "application/sarif+json"
CLEAN = json.dumps(
    {
        "runs": [
            {
                "tool": {"driver": {"name": "modelscan"}},
                "results": [],
                "artifacts": [{}],
                "invocations": [{"executionSuccessful": True}],
            }
        ]
    }
).encode()


def signed(key: Any, digest: str) -> bytes:
    """What cosign 3 attaches: its statement's subject is the digest of the manifest."""
    stated = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": digest.partition(":")[2]}, "annotations": {}}],
        "predicateType": "https://sigstore.dev/cosign/sign/v1",
        "predicate": {},
    }
    payload, kind = json.dumps(stated).encode(), b"application/vnd.in-toto+json"
    signature = key.sign(
        b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload), ec.ECDSA(hashes.SHA256())
    )
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": kind.decode(),
        "signatures": [{"sig": base64.b64encode(signature).decode()}],
    }
    return json.dumps(
        {"verificationMaterial": {"publicKey": {"hint": "k"}}, "dsseEnvelope": envelope}
    ).encode()


def attached(site: Site, **settings: Any) -> list[Attached]:
    """What a full scan finds."""
    return [one for page in site.adapter(**settings).scan(since=None, limit=2) for one in page.attached]


def test_statements_under_tags_are_read(site: Site) -> None:
    digest = site.pusher.modelpack(site.repository, "1.0.0", seed="signed")
    site.pusher.modelpack(site.repository, "2.0.0", seed="unsigned")
    site.pusher.attach(site.repository, digest, BUNDLE, b"{}", suffix=".sig")
    listed = [
        site.pusher.attach(site.repository, digest, kind, body)
        for kind, body in ((SARIF, CLEAN), ("text/x", b"x"))
    ]
    site.pusher.index(site.repository, digest.replace(":", "-"), listed)
    key = Key("version", f"{site.repository}@{digest}")
    wanted = [Attached(key, "scan", CLEAN), Attached(key, "signature", b"{}")]
    assert sorted(attached(site), key=lambda one: one.kind) == wanted
    adapter = site.adapter()
    found = scanned(adapter)
    versions = found.versions(Key("model", site.repository)).values()
    assert {one.version for one in versions} == {"1.0.0", "2.0.0"}
    again = [one for page in adapter.scan(since=found.watermark, limit=2) for one in page.attached]
    assert sorted(again, key=lambda one: one.kind) == wanted, "tags are looked at by every scan"


def test_the_registry_is_asked_who_refers_to_a_version(emulate: Emulate) -> None:
    site = emulate(tells_referrers=True)
    digest = site.pusher.modelpack(site.repository, "1.0.0")
    site.pusher.attach(site.repository, digest, BUNDLE, b"{}")
    assert attached(site) == [Attached(Key("version", f"{site.repository}@{digest}"), "signature", b"{}")]
    assert site.registry is not None
    assert not any(".sig" in one for one in site.registry.asked)


def test_a_registry_that_does_not_know_referrers_is_asked_no_more(emulator: Site) -> None:
    emulator.pusher.modelpack(emulator.repository, "1.0.0")
    assert emulator.registry is not None
    adapter = emulator.adapter()
    emulator.registry.asked.clear()
    for _ in range(3):
        assert scanned(adapter).records
    assert sum("/referrers/" in one for one in emulator.registry.asked) == 1


@pytest.mark.parametrize("broken", ["manifest", "blob"])
def test_a_statement_that_cannot_be_read_hides_nothing(emulator: Site, broken: str) -> None:
    digest = emulator.pusher.modelpack(emulator.repository, "1.0.0")
    emulator.pusher.attach(emulator.repository, digest, BUNDLE, b"{}", suffix=".sig")
    assert emulator.registry is not None
    contents = emulator.registry.repositories[emulator.repository]
    if broken == "blob":
        contents.blobs.clear()
    else:
        contents.manifests[contents.tags[f"{digest.replace(':', '-')}.sig"]] = (BUNDLE, b"odd")
    assert attached(emulator) == []
    assert len(scanned(emulator.adapter()).records) == 2


def test_what_is_attached_is_a_statement_of_the_version(emulate: Emulate, database: str) -> None:
    site, key = emulate(tells_referrers=True), ec.generate_private_key(ec.SECP256R1())
    digest = site.pusher.modelpack(site.repository, "1.0.0", seed="1")
    other = site.pusher.modelpack(site.repository, "2.0.0", seed="2")
    site.pusher.attach(site.repository, digest, BUNDLE, signed(key, digest))
    site.pusher.attach(site.repository, digest, SARIF, CLEAN)
    site.pusher.attach(site.repository, other, BUNDLE, signed(key, digest))
    site.pusher.attach(site.repository, other, BUNDLE, b"no bundle")
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    with watching(database, "oci", {"url": site.url}) as watch:
        statements = Statements(watch.engine)
        statements.apply_signers([ArtifactSigner("ml-platform", key=public.decode())])
        for _ in range(2):
            watch.sync(full=True)  # the same again is the same statement
        told = {
            version: {
                (one.kind, one.verdict, one.is_current)
                for one in statements.of(LOCAL.view, Reference(NAME, site.repository, version))
            }
            for version in ("1.0.0", "2.0.0")
        }
        assert told == {
            "1.0.0": {("signature", "yes", True), ("scan", "yes", True)},
            "2.0.0": {("signature", "no", True)},
        }
        made = [entry for entry in watch.entries() if entry.action == "statement.made"]
        assert len(made) == 3
        assert {entry.actor for entry in made} == {"system"}
        assert watch.wrong == []
