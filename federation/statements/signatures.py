"""Signatures by the OpenSSF model-signing format, and by cosign: a Sigstore bundle with a DSSE envelope around an
in-toto statement.

Everything is checked offline: the signature against a key of the operator's, or against a certificate whose chain leads
to a root of the operator's and that names the identity that the operator expects.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from adapters import BadRecordError, parse_json
from federation.errors import InvalidRequestError

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

PAYLOAD = "application/vnd.in-toto+json"
PREDICATE = "https://model_signing/signature/v1.0"
OF_DIGEST = "https://sigstore.dev/cosign/sign/v1"
"""cosign's: its subject is the digest of the artifact in a registry."""
FULCIO_ISSUER = "1.3.6.1.4.1.57264.1.8"
LONGEST_CHAIN = 5


class StatementError(InvalidRequestError):
    """A body that is no statement of its kind. One line that says what was expected."""

    code = "invalid-statement"


@dataclass(frozen=True, slots=True)
class ArtifactSigner:
    """Somebody whose signatures count: by a key in PEM, or by roots in PEM with the identity of a certificate."""

    name: str
    key: str = ""
    roots: str = ""
    identity: str = ""
    issuer: str = ""


@dataclass(frozen=True, slots=True)
class ArtifactSignature:
    """A bundle, read. `digests` are those that the signed statement names, in hexadecimal."""

    signed: bytes
    signatures: Sequence[bytes]
    chain: Sequence[bytes]
    digests: frozenset[str]


def read_signature(body: bytes) -> ArtifactSignature:
    """Read a bundle. Errors: `StatementError`."""
    try:
        bundle = parse_json(body, "the bundle")
        envelope = bundle["dsseEnvelope"]
        payload = _bytes(envelope["payload"])
        signatures = [_bytes(one["sig"]) for one in envelope["signatures"]]
        chain = list(_certificates(bundle["verificationMaterial"]))
        stated = parse_json(payload, "its statement")
        is_one = stated["predicateType"] in (PREDICATE, OF_DIGEST)
        if envelope["payloadType"] != PAYLOAD or not is_one or not signatures:
            raise StatementError(f"a signature states {PREDICATE}, which this one does not")
        digests = frozenset(_digests(stated))
    except StatementError:
        raise
    except (BadRecordError, KeyError, TypeError, AttributeError, ValueError):
        raise StatementError(
            "this is no Sigstore bundle of model-signing or cosign: hand in the file that `model_signing sign` wrote"
        ) from None
    kind = PAYLOAD.encode()
    signed = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    return ArtifactSignature(signed, signatures, chain, digests)


def is_about(found: ArtifactSignature, digest: str) -> bool:
    """Whether what was signed is the artifact with a digest (`sha256:…`, or hexadecimal alone)."""
    plain = digest.rpartition(":")[2].lower()
    return plain in found.digests


def signer_of(found: ArtifactSignature, signers: Sequence[ArtifactSigner], at: datetime) -> str | None:
    """Who of these signed it, where the certificate held `at` that time; None for nobody."""
    return next((one.name for one in signers if _signed_by(found, one, at)), None)


def check_signer(signer: ArtifactSigner) -> None:
    """Errors: `StatementError` for keys and certificates that cannot be read."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if bool(signer.key) == bool(signer.roots) or (signer.roots and not signer.identity):
        raise StatementError("a signer has a key, or roots and the identity that a certificate must name")
    try:
        if signer.key:
            load_pem_public_key(signer.key.encode())
        else:
            x509.load_pem_x509_certificates(signer.roots.encode())
    except Exception:
        raise StatementError("its key or roots are not in PEM, or of a kind that is not known") from None


def _digests(stated: Mapping[str, Any]) -> Iterator[str]:
    for one in stated["predicate"]["resources"] if stated["predicateType"] == PREDICATE else ():
        yield str(one["digest"]).lower()
        if one["name"] == ".":  # a model of one file: its subject is the digest of this digest
            yield hashlib.sha256(bytes.fromhex(one["digest"])).hexdigest()
    for one in stated["subject"]:
        yield str(one["digest"]["sha256"]).lower()


def _certificates(material: Mapping[str, Any]) -> Iterator[bytes]:
    if "certificate" in material:
        yield _bytes(material["certificate"]["rawBytes"])
    for one in (material.get("x509CertificateChain") or {}).get("certificates", ()):
        yield _bytes(one["rawBytes"])


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("no base64") from None


def _signed_by(found: ArtifactSignature, signer: ArtifactSigner, at: datetime) -> bool:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        if signer.key:
            key: Any = load_pem_public_key(signer.key.encode())
        else:
            roots = x509.load_pem_x509_certificates(signer.roots.encode())
            chain = [x509.load_der_x509_certificate(one) for one in found.chain[:LONGEST_CHAIN]]
            if not chain or not _leads_to(chain, roots, at) or not _names(chain[0], signer):
                return False
            key = chain[0].public_key()
    except Exception:  # strangers' certificates: whatever is wrong with them, they prove nothing
        return False
    return any(_verifies(key, one, found.signed) for one in found.signatures)


def _verifies(key: Any, signature: bytes, signed: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    sizes = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}
    try:
        if isinstance(key, ec.EllipticCurvePublicKey) and key.key_size in sizes:
            key.verify(signature, signed, ec.ECDSA(sizes[key.key_size]))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, signed)
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _leads_to(chain: Sequence["Certificate"], roots: Sequence["Certificate"], at: datetime) -> bool:
    """Whether a chain leads to one of the roots, and each of it held at that time."""
    if not all(one.not_valid_before_utc <= at <= one.not_valid_after_utc for one in chain):
        return False
    for number, one in enumerate(chain):
        if any(_is_issued_by(one, root) for root in roots if root.not_valid_after_utc >= at):
            return True
        if number + 1 == len(chain) or not _is_issued_by(one, chain[number + 1]):
            return False
    return False


def _is_issued_by(one: "Certificate", issuer: "Certificate") -> bool:
    """Whether an authority signed it; one that is no authority signs nothing."""
    from cryptography import x509

    try:
        one.verify_directly_issued_by(issuer)
        return bool(issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except Exception:
        return False


def _names(leaf: "Certificate", signer: ArtifactSigner) -> bool:
    """Whether a certificate names the identity, and where that is asked for who vouched for it."""
    from cryptography import x509

    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    kinds: tuple[type[Any], ...] = (x509.RFC822Name, x509.UniformResourceIdentifier)
    said = {str(value) for kind in kinds for value in names.get_values_for_type(kind)}
    if signer.identity not in said:
        return False
    if not signer.issuer:
        return True
    found = leaf.extensions.get_extension_for_oid(x509.ObjectIdentifier(FULCIO_ISSUER)).value
    value = found.value if isinstance(found, x509.UnrecognizedExtension) else b""
    return value[2:] == signer.issuer.encode() and value[:1] == b"\x0c"
