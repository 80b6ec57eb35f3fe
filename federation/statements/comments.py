"""Comments on a version: what people say of it, beside what is stated of its artifact. No policy reads them, and they
take no statement's place.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, bindparam, select

from federation.access import Principal
from federation.catalogue.reader import Version
from federation.database import now
from federation.errors import InvalidRequestError
from federation.journal.entry import Action, Entry
from federation.journal.log import Batch
from federation.numbering import insert_dated
from federation.operations.wanted import check_text
from federation.prepared import Prepared
from federation.statements.tables import COMMENT, statement

LONGEST = 4000
"""Characters of a comment."""
MOST = 200
"""Comments on one version that are read, the newest."""
_OF_VERSION = Prepared(
    select(statement)
    .where(statement.c.version_id == bindparam("version", 0), statement.c.kind == COMMENT)
    .order_by(statement.c.id.desc())
    .limit(MOST)
)


class VersionComment(msgspec.Struct, frozen=True):
    """What somebody said of a version. `is_current`: of the artifact that it has now, as far as that is known."""

    id: int
    words: str
    is_current: bool
    principal: str
    at: datetime


def add_comment(
    connection: Connection, batch: Batch, principal: Principal, version: Version, words: str
) -> VersionComment:
    """Keep what a principal says of a version; its entry only commits to the words. Errors: `InvalidRequestError`."""
    words = words.strip()
    if not words:
        raise InvalidRequestError("say something, in words")
    if len(words) > LONGEST:
        raise InvalidRequestError(f"a comment has at most {LONGEST} characters")
    check_text({"words": words})
    digest = version.record.artifact_digest or ""
    values: Mapping[str, Any] = {
        "registry_id": version.registry_id,
        "version_id": version.id,
        "kind": COMMENT,
        "digest": digest,
        **kept_words(words),
        "principal": principal.id,
        "at": now(),
    }
    row = insert_dated(connection, statement, values, registry_id=version.registry_id)
    entry = Entry(
        action=Action.VERSION_COMMENTED,
        actor=principal.id,
        ref=str(version.reference),
        registry=version.registry,
        targets={"version": version.id, "model": version.model_id},
        details={"comment": row.id, "digest": digest},
        commitments=batch.withhold({"words": words}, subject=principal.id),
    )
    batch.record(entry, version.registry_id)
    return _read(row, version)


def read_comments(connection: Connection, version: Version) -> list[VersionComment]:
    """What was said of a version, newest first."""
    return [_read(row, version) for row in _OF_VERSION.rows(connection, version=version.id)]


def kept_words(words: str) -> dict[str, Any]:
    """The columns that hold a comment's words."""
    body = words.encode()
    return {"body": body, "sha256": hashlib.sha256(body).hexdigest()}


def _read(row: Row[Any], version: Version) -> VersionComment:
    return VersionComment(
        id=row.id,
        words=bytes(row.body).decode(),
        is_current=row.digest == (version.record.artifact_digest or ""),
        principal=row.principal,
        at=row.at,
    )
