"""Statements as the gateway asks for them: handing one in, and reading what was stated of a version."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import msgspec
from sqlalchemy import Connection, Engine, Row, bindparam, delete, insert, select

from federation.access import Permission, Principal, View
from federation.catalogue.lookup import find_or_read_version
from federation.catalogue.reader import Version
from federation.database import now, reading, writing
from federation.errors import StateError
from federation.journal.entry import Action, Entry
from federation.journal.log import Batch
from federation.numbering import insert_dated
from federation.prepared import Prepared
from federation.references import Reference
from federation.statements.comments import VersionComment, add_comment, read_comments
from federation.statements.kinds import Kind, say
from federation.statements.signatures import ArtifactSigner, StatementError, check_signer
from federation.statements.tables import COMMENT, signer, statement

__all__ = [
    "ArtifactSigner",
    "ArtifactStatement",
    "Kind",
    "StatementError",
    "Statements",
    "VersionComment",
    "check_signer",
    "read_statements",
]
MOST = 1000
"""Statements of one version that are read, the newest."""
_OF_VERSION = Prepared(
    select(statement)
    .where(statement.c.version_id == bindparam("version", 0), statement.c.kind != COMMENT)
    .order_by(statement.c.id.desc())
    .limit(MOST)
)


class ArtifactStatement(msgspec.Struct, frozen=True):
    """A statement, and what it says by the signers of now."""

    id: int
    kind: str
    verdict: str
    """yes, no or unknown."""
    summary: str
    maker: str
    digest: str
    is_current: bool
    """Whether it is about the artifact that the version has."""
    sha256: str
    content: bytes
    principal: str
    at: datetime


class Statements:
    """What signers, scanners and people state of versions. Safe to share between threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def state(
        self, principal: Principal, reference: Reference, kind: Kind, body: bytes, digest: str = ""
    ) -> ArtifactStatement:
        """Keep a statement about a version's artifact; `digest` says which, where that is to be made sure of. The
        same again is the same statement. Errors: `UnknownError`, `GoneError`, `DeniedError`, `StateError`,
        `StatementError`.
        """
        with writing(self._engine) as connection:
            version = find_or_read_version(connection, principal.view, reference)
            principal.require(Permission.ATTEST, version.registry_id, f"registry {version.registry}")
            known = version.record.artifact_digest or ""
            if digest and known and digest != known:
                raise StateError(f"{version.reference} has the artifact {known[:200]}, not {digest[:200]}")
            at = now()
            say(kind, body, known, (), at)  # it can be read, or is refused
            sha256 = hashlib.sha256(body).hexdigest()
            row = find_statement(connection, version.id, kind, sha256)
            if row is None:
                batch = Batch()
                row = keep(connection, batch, principal.id, version, kind, body, digest or known, sha256)
                batch.append(connection)
            return _read(row, version, read_signers(connection))

    def of(self, view: View, reference: Reference) -> list[ArtifactStatement]:
        """What was stated of a version, newest first. Errors: `UnknownError`, `GoneError`."""
        with reading(self._engine) as connection:
            return read_statements(connection, find_or_read_version(connection, view, reference))

    def comment(self, principal: Principal, reference: Reference, words: str) -> VersionComment:
        """Say something of a version that one may see. Errors: `UnknownError`, `GoneError`, `DeniedError`,
        `InvalidRequestError`.
        """
        with writing(self._engine) as connection:
            version = find_or_read_version(connection, principal.view, reference)
            principal.require(Permission.APPROVE, version.registry_id, f"registry {version.registry}")
            batch = Batch()
            made = add_comment(connection, batch, principal, version, words)
            batch.append(connection)
            return made

    def comments(self, view: View, reference: Reference) -> list[VersionComment]:
        """What people said of a version, newest first. Errors: `UnknownError`, `GoneError`."""
        with reading(self._engine) as connection:
            return read_comments(connection, find_or_read_version(connection, view, reference))

    def apply_signers(self, signers: Sequence[ArtifactSigner]) -> None:
        """Let these signers count, and no others. Errors: `StatementError`."""
        for one in signers:
            check_signer(one)
        with writing(self._engine, alone=True) as connection:
            # Only what changed is written: a gateway whose database can only be read starts as well.
            if read_signers(connection) == sorted(signers, key=lambda one: one.name):
                return
            connection.execute(delete(signer))
            if signers:
                names = ("name", "key", "roots", "identity", "issuer")
                rows = [{name: getattr(one, name) for name in names} for one in signers]
                connection.execute(insert(signer), rows)


def read_statements(connection: Connection, version: Version) -> list[ArtifactStatement]:
    """What was stated of a version, newest first, by the signers of now."""
    rows = _OF_VERSION.rows(connection, version=version.id)
    signers = read_signers(connection) if rows else []
    return [_read(row, version, signers) for row in rows]


def read_signers(connection: Connection) -> list[ArtifactSigner]:
    """Whose signatures count."""
    return [
        ArtifactSigner(**row._mapping) for row in connection.execute(select(signer).order_by(signer.c.name))
    ]


def find_statement(connection: Connection, version_id: int, kind: str, sha256: str) -> Row[Any] | None:
    """The statement of this kind about a version whose bytes have this SHA-256, where it is kept already."""
    said = statement.c
    query = select(statement).where(said.version_id == version_id, said.kind == kind, said.sha256 == sha256)
    return connection.execute(query.limit(1)).one_or_none()


def keep(
    connection: Connection,
    batch: Batch,
    principal: str,
    version: Version,
    kind: str,
    body: bytes,
    digest: str,
    sha256: str,
) -> Row[Any]:
    """Keep a statement that a principal (an id) handed in, and tell it in the batch."""
    values: Mapping[str, Any] = {
        "registry_id": version.registry_id,
        "version_id": version.id,
        "kind": kind,
        "digest": digest,
        "body": body,
        "sha256": sha256,
        "principal": principal,
        "at": now(),
    }
    row = insert_dated(connection, statement, values, registry_id=version.registry_id)
    entry = Entry(
        action=Action.STATEMENT_MADE,
        actor=principal,
        ref=str(version.reference),
        registry=version.registry,
        targets={"version": version.id, "model": version.model_id},
        details={"statement": row.id, "kind": kind, "digest": digest, "sha256": sha256},
    )
    batch.record(entry, version.registry_id)
    return row


def _read(row: Row[Any], version: Version, signers: Sequence[ArtifactSigner]) -> ArtifactStatement:
    """What it says: of the artifact that it was handed in for."""
    kind, body = cast("Kind", row.kind), bytes(row.body)
    said = say(kind, body, row.digest, signers, row.at)
    known = version.record.artifact_digest or ""
    return ArtifactStatement(
        id=row.id,
        kind=kind,
        digest=row.digest,
        is_current=bool(known) and row.digest == known,
        verdict=said.verdict,
        summary=said.summary,
        maker=said.maker,
        sha256=row.sha256,
        content=body,
        principal=row.principal,
        at=row.at,
    )
