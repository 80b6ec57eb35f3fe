"""Statements that lie beside versions in their backend: kept as if they had been handed in, by the gateway itself."""

import hashlib
from collections.abc import Sequence

from sqlalchemy import Connection

from adapters import Attached
from federation import tables
from federation.catalogue.reader import VERSION, as_version
from federation.database import now
from federation.journal.entry import SYSTEM
from federation.journal.log import Batch
from federation.logs import Log
from federation.statements.kinds import say
from federation.statements.signatures import StatementError
from federation.statements.statements import find_statement, keep

log = Log(__name__)
_versions = tables.version.c


def keep_attached(
    connection: Connection, batch: Batch, registry_id: int, attached: Sequence[Attached]
) -> None:
    """Keep what is new of this, in the transaction and the batch of whoever read it. What is of no kind that can be
    read is left out, and what is about a version that is not known.
    """
    natives = {one.key.native_id for one in attached if one.key.kind == "version"}
    if not natives:
        return
    query = VERSION.where(
        _versions.registry_id == registry_id,
        _versions.native_id.in_(sorted(natives)),
        _versions.deleted_at.is_(None),
    )
    known = {one.record.key: one for one in map(as_version, connection.execute(query))}
    for one in attached:
        version, sha256 = known.get(one.key), hashlib.sha256(one.content).hexdigest()
        if version is None or find_statement(connection, version.id, one.kind, sha256) is not None:
            continue
        digest = version.record.artifact_digest or ""
        try:
            say(one.kind, one.content, digest, (), now())
        except StatementError as error:
            log.warning("attached statement left out", version=one.key.native_id, error=str(error))
            continue
        keep(connection, batch, SYSTEM, version, one.kind, one.content, digest, sha256)
