"""What is asked and changed of the rows that a chunk of records touches, by their ids."""

from collections.abc import Mapping

from sqlalchemy import select, update

from federation import tables
from federation.prepared import Prepared, among

_version, _model, _endpoints, _shares = (
    tables.version.c, tables.model.c, tables.endpoint.c, tables.traffic.c,
)  # fmt: skip
SETTLED = Prepared(
    select(
        _version.id, _version.model_id, _version.native_id, _version.version, _version.stage,
        _version.stage_reason, _version.deployed, _version.body, _model.body.label("model_body"), _model.name,
    )
    .join(tables.model, _model.id == _version.model_id)
    .where(among(_version.id, "ids"), _version.deleted_at.is_(None))
)  # fmt: skip
BODIES: Mapping[str, Prepared] = {
    kind: Prepared(select(target.c.id, target.c.body).where(among(target.c.id, "ids")))
    for kind, target in tables.RECORDS.items()
}
LIVE = Prepared(
    select(_shares.version_id)
    .join(tables.endpoint, _endpoints.id == _shares.endpoint_id)
    .where(among(_shares.version_id, "ids"), _shares.percent > 0)
    .where(_endpoints.live, _endpoints.deleted_at.is_(None))
)
ASK_AGAIN = Prepared(
    update(tables.version)
    .where(among(_version.id, "ids"), _version.details_unknown.is_not(None))
    .values(details_due=None, details_tries=0, details_begun=0)
)
