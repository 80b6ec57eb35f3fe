"""Statements: kept byte for byte, judged by the signers of now, about the artifact that they were handed in for.

The two bundles were written by model-signing 1.1.1, of a folder and of a single file.
"""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from federation.access import LOCAL
from federation.errors import DeniedError, StateError
from federation.policies.policies import Policy
from federation.statements.kinds import say
from federation.statements.signatures import ArtifactSigner, StatementError, check_signer
from federation.statements.statements import Kind, Statements
from tests.federation.operations.world import hurry
from tests.federation.promotions.world import PromotionsWorld, make_promotions_world, version

HERE = Path(__file__).parent
FOLDER, FILE = (HERE / "model.sig").read_bytes(), (HERE / "file.sig").read_bytes()
MODEL = "sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
"""Of the file that both of them signed."""
OURS = ArtifactSigner("ml-platform", key=(HERE / "signer.pem").read_text())
NOW = datetime.now(UTC)


def bundle(key: Any, digest: str, *chain: x509.Certificate) -> bytes:
    """What a signer with a certificate writes."""
    stated = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "m", "digest": {"sha256": "00"}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {"resources": [{"name": "m.bin", "algorithm": "sha256", "digest": digest}]},
    }
    payload, kind = json.dumps(stated).encode(), b"application/vnd.in-toto+json"
    signed = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    signature = key.sign(signed, ec.ECDSA(hashes.SHA256()))
    raw = [
        {"rawBytes": base64.b64encode(one.public_bytes(serialization.Encoding.DER)).decode()} for one in chain
    ]
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": kind.decode(),
        "signatures": [{"sig": base64.b64encode(signature).decode()}],
    }
    material = {"x509CertificateChain": {"certificates": raw}}
    return json.dumps({"verificationMaterial": material, "dsseEnvelope": envelope}).encode()


def certificate(
    key: Any, by: tuple[Any, str], name: str, *, ca: bool, days: int = 1, mail: str = ""
) -> x509.Certificate:
    """A certificate of `key`, issued by another key under its name."""
    issuer, named = by
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, named)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=2))
        .not_valid_after(NOW + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if mail:
        made = made.add_extension(x509.SubjectAlternativeName([x509.RFC822Name(mail)]), critical=False)
    return made.sign(issuer, hashes.SHA256())


def verdict(kind: Kind, body: bytes | object, digest: str = MODEL, *signers: ArtifactSigner) -> str:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return say(kind, text, digest, signers, NOW).verdict


@pytest.mark.parametrize("body", [FOLDER, FILE], ids=["folder", "file"])
def test_a_signature_of_model_signing_is_checked_offline(body: bytes) -> None:
    assert verdict("signature", body, MODEL, OURS) == "yes"
    assert verdict("signature", body, "sha256:" + "0" * 64, OURS) == "no"
    assert verdict("signature", body, "", OURS) == "unknown"
    assert verdict("signature", body, MODEL) == "no"
    found = json.loads(body)
    payload = base64.b64decode(found["dsseEnvelope"]["payload"]).replace(b"model.bin", b"model.txt")
    found["dsseEnvelope"]["payload"] = base64.b64encode(payload + b" ").decode()
    assert verdict("signature", found, MODEL, OURS) == "no"
    bundles: tuple[object, ...] = ({"dsseEnvelope": {}}, b"[" * 1000, b"{")
    for one in bundles:
        with pytest.raises(StatementError, match="no Sigstore bundle"):
            verdict("signature", one)


def test_a_certificate_counts_by_its_chain_and_by_whom_it_names() -> None:
    root, middle, leaf, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(4))
    top = certificate(root, (root, "root"), "root", ca=True)
    between = certificate(middle, (root, "root"), "middle", ca=True)
    ours = certificate(leaf, (middle, "middle"), "ci", ca=False, mail="ci@example.com")
    roots = top.public_bytes(serialization.Encoding.PEM).decode()
    signer = ArtifactSigner("ci", roots=roots, identity="ci@example.com")
    check_signer(signer)
    digest = MODEL.partition(":")[2]
    assert verdict("signature", bundle(leaf, digest, ours, between), MODEL, signer) == "yes"
    assert verdict("signature", bundle(leaf, digest, ours), MODEL, signer) == "no"  # no way to the root
    assert verdict("signature", bundle(other, digest, ours, between), MODEL, signer) == "no"
    elsewhere = ArtifactSigner("ci", roots=roots, identity="mallory@example.com")
    assert verdict("signature", bundle(leaf, digest, ours, between), MODEL, elsewhere) == "no"
    over = certificate(leaf, (middle, "middle"), "ci", ca=False, days=-1, mail="ci@example.com")
    assert verdict("signature", bundle(leaf, digest, over, between), MODEL, signer) == "no"
    # Who has a certificate that is no authority's makes others with it, and they prove nothing.
    forged = certificate(other, (leaf, "ci"), "forged", ca=False, mail="ci@example.com")
    assert verdict("signature", bundle(other, digest, forged, ours, between), MODEL, signer) == "no"
    strange = ArtifactSigner("ci", roots=roots, identity="ci@example.com", issuer="https://login.example.com")
    assert verdict("signature", bundle(leaf, digest, ours, between), MODEL, strange) == "no"


def modelscan(issues: int = 0, scanned: int = 2, errors: int = 0) -> dict[str, Any]:
    return {
        "summary": {
            "total_issues": issues, "modelscan_version": "0.8.8", "scanned": {"total_scanned": scanned},
        },
        "issues": [{}] * issues,
        "errors": [{}] * errors,
    }  # fmt: skip


def sarif(*results: dict[str, Any], ended: bool = True, files: int = 1) -> dict[str, Any]:
    run = {
        "tool": {"driver": {"name": "scanner"}},
        "invocations": [{"executionSuccessful": ended}],
        "results": list(results),
        "artifacts": [{"location": {"uri": "m"}}] * files,
    }
    return {"version": "2.1.0", "runs": [run]}


def test_a_scan_is_clean_only_where_something_was_scanned() -> None:
    assert verdict("scan", modelscan()) == "yes"
    assert verdict("scan", modelscan(issues=1)) == "no"
    assert verdict("scan", modelscan(scanned=0)) == "unknown"
    assert verdict("scan", modelscan(errors=1)) == "unknown"
    assert verdict("scan", sarif()) == "yes"
    assert verdict("scan", sarif({"level": "error"})) == "no"
    assert verdict("scan", sarif({"level": "note"})) == "yes"
    assert verdict("scan", sarif(ended=False)) == "unknown"
    assert verdict("scan", sarif(files=0)) == "unknown"
    assert verdict("scan", {"runs": []}) == "unknown"
    endless = {"summary": {**modelscan()["summary"], "total_issues": float("inf")}}
    for strange in (b"Scanned files: 2, infected files: 0", b"[" * 1000, endless):
        with pytest.raises(StatementError, match="no report of a scan"):
            verdict("scan", strange)


def test_evaluations_and_checks_have_a_stated_form() -> None:
    good = {"maker": "lab", "dataset": "holdout", "metrics": {"auc": 0.9}, "passed": True}
    assert verdict("evaluation", good) == "yes"
    assert verdict("evaluation", {**good, "passed": None}) == "unknown"
    assert verdict("check", {"maker": "ci", "name": "validation", "verdict": "no"}) == "no"
    for kind, body in (("evaluation", {**good, "metrics": {}}), ("check", good)):
        with pytest.raises(StatementError, match="as JSON"):
            verdict(kind, body)  # type: ignore[arg-type]


@pytest.fixture
def world(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[PromotionsWorld]:
    hurry(monkeypatch)
    made = make_promotions_world(database)
    sync = made.operations.sync
    sync.change(sync.version("m", "2"), artifact_digest=MODEL)
    sync.sync()
    yield made
    made.operations.close()


def test_a_policy_asks_for_what_was_stated(world: PromotionsWorld) -> None:
    statements = Statements(world.engine)
    statements.apply_signers([OURS])
    world.apply(Policy("attested", "*", signed="verified", scanned="clean 30d"))

    def said() -> dict[str, str]:
        checks = world.promotions.plan(LOCAL, version("2"), "production").checks
        return {one.name: one.verdict for one in checks}

    assert said() == {"signed": "no", "scanned": "no"}
    made = statements.state(LOCAL, version("2"), "signature", FILE)
    again = statements.state(LOCAL, version("2"), "signature", FILE)
    assert (made.id, made.content, made.verdict) == (again.id, FILE, "yes")
    statements.state(LOCAL, version("2"), "scan", json.dumps(modelscan()).encode(), MODEL)
    assert said() == {"signed": "yes", "scanned": "yes", "scanned.age": "yes"}
    statements.state(LOCAL, version("2"), "scan", json.dumps(sarif({"level": "error"})).encode())
    assert said()["scanned"] == "no"  # scanners do not agree
    statements.apply_signers([])
    assert said()["signed"] == "no"
    with pytest.raises(DeniedError):
        statements.state(world.person("ann", "contributor"), version("2"), "signature", FOLDER)
    with pytest.raises(StateError, match="has the artifact"):
        statements.state(LOCAL, version("2"), "signature", FOLDER, "sha256:another")
    sync = world.operations.sync
    sync.change(sync.version("m", "2"), artifact_digest="sha256:new")
    sync.sync()
    assert [one.is_current for one in statements.of(LOCAL.view, version("2"))] == [False] * 3
    told = [entry for entry in sync.entries() if str(entry.action) == "statement.made"]
    assert [entry.details["kind"] for entry in told] == ["signature", "scan", "scan"]


@pytest.mark.parametrize(
    ("counts", "beside", "expected"),
    [
        ((1, 0, 0, 0), "", "yes"),
        ((1, 0, 0, 0), "All globals found:\n  * builtins.print - suspicious\n", "yes"),
        ((0, 0, 0, 0), "", "unknown"),
        ((1, 0, 1, 0), "", "unknown"),
        (
            (2, 0, 0, 0),
            "WARNING: could not parse a.pkl as pickle: at position 2, opcode b'n' unknown\n",
            "unknown",
        ),
        ((1, 1, 0, 1), "a.pkl: dangerous import 'os system' FOUND\n", "no"),
    ],
)
def test_what_picklescan_prints_is_read(counts: tuple[int, ...], beside: str, expected: str) -> None:
    names = ("Scanned files", "Infected files", "Suspicious globals", "Dangerous globals")
    summary = "".join(f"{name}: {count}\n" for name, count in zip(names, counts, strict=True))
    first, last = ("", beside) if beside.startswith("All") else (beside, "")
    body = f"{first}----------- SCAN SUMMARY -----------\n{summary}{last}".encode()
    assert verdict("scan", body) == expected
