"""Who has a stage of a model now."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from federation import tables
from federation.catalogue.order import AGE, age
from federation.catalogue.reader import VERSION, Version, as_version


@dataclass(frozen=True, slots=True)
class StageHolders:
    """What is asked again and again in one transaction is read once."""

    connection: Connection
    _ids: dict[tuple[int, str], Sequence[int]] = field(default_factory=dict)
    _read: dict[int, Version] = field(default_factory=dict)

    def beside(self, version: Version, stage: str) -> Version | None:
        """The newest of those that have a stage of a version's model, but for the version itself."""
        others = (id_ for id_ in self._newest_first(version.model_id, stage) if id_ != version.id)
        newest = next(others, None)
        if newest is None:
            return None
        if newest not in self._read:
            row = self.connection.execute(VERSION.where(tables.version.c.id == newest)).one()
            self._read[newest] = as_version(row)
        return self._read[newest]

    def _newest_first(self, model_id: int, stage: str) -> Sequence[int]:
        asked = (model_id, stage)
        if asked not in self._ids:
            versions = tables.version.c
            query = select(*(versions[name] for name in AGE)).where(
                versions.model_id == model_id, versions.deleted_at.is_(None), versions.stage == stage
            )
            rows = sorted(self.connection.execute(query), key=age, reverse=True)
            self._ids[asked] = [row.id for row in rows]
        return self._ids[asked]
