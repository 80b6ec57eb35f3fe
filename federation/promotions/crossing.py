"""A version that is registered in another registry: what goes along, and copying its artifact.

The registration is an operation of that registry. Before it the files are copied, where both sides can, outside of any
transaction; what is there is kept in the promotion's row, so that nothing is copied twice. After it come the statements
about the artifact, an edge to what it was derived from, and the promotion to a stage there, under the policies there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Row, insert, or_, select, update

from adapters import Discovered
from federation import tables
from federation.access import EVERYTHING, Principal, View
from federation.artifacts.artifacts import Copied, CopyArtifacts, CopyOrder, CopySide, CopyWord, unable
from federation.catalogue.codec import encode
from federation.catalogue.reader import VERSION, Version, as_version, read_version
from federation.database import reading, writing
from federation.errors import GoneError, UnknownError
from federation.operations.admission import WriteTarget, decides_stage
from federation.operations.wanted import Register
from federation.promotions.case import CheckResult
from federation.promotions.tables import promotion
from federation.references import DEPENDS_ON, Reference, ReferenceSyntaxError, parse, parse_depends_on
from federation.registries.opening import adapter_class
from federation.statements.tables import statement

FROM_TAG, DIGEST_TAG = "waypost.from", "waypost.artifact"
"""Tags of a version that came from another registry: the reference of the one there, and its artifact's digest."""

NAMED = 20
"""Registries that are named to whoever named none."""


class Crossing(msgspec.Struct, kw_only=True):
    """How far it has come. `source` is with what it is registered, empty until that is settled."""

    into: str
    """The registry."""
    model: str
    tags: dict[str, str] = {}
    files: dict[str, Copied] = {}
    """What was copied, by path."""
    source: str = ""
    run_id: str | None = None
    digest: str = ""
    reference: str = ""
    """Why only the address of the artifact is registered there; empty where it was copied."""
    refused: str = ""
    """Why it can never be copied."""
    made: str = ""
    """The version there, as a reference."""
    then: int | None = None
    """The promotion that brings it to a stage there."""

    @property
    def target(self) -> Reference:
        """The model there."""
        return Reference(self.into, self.model)

    def registration(self, version: Version) -> Register:
        """What is asked of the other registry."""
        digest = self.digest or version.record.artifact_digest
        tags = {**self.tags, FROM_TAG: str(version.reference), **({DIGEST_TAG: digest} if digest else {})}
        source = self.source or version.record.artifact_uri or ""
        return Register(self.model, source, self.run_id, version.record.description, tags)

    def to_json(self) -> str:
        """As it is stored."""
        return msgspec.json.encode(self).decode()


def read_crossing(text: str | None) -> Crossing | None:
    """What `to_json` wrote."""
    return None if text is None else msgspec.json.decode(text, type=Crossing)


def destinations(connection: Connection, view: View, version: Version) -> list[str]:
    """The registries of a view in which a version may be registered, by name: not its own, and written to."""
    known = tables.registry.c
    others = (known.writable, known.detached_at.is_(None), known.id != version.registry_id)
    query = select(known.name).where(view.clause(known.id), *others).order_by(known.name)
    return list(connection.execute(query).scalars())


def no_destination(names: Sequence[str]) -> UnknownError:
    """That no registry is called as somebody said, with those that are."""
    if not names:
        return UnknownError("no other registry is here that you may see and that Waypost writes to")
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return UnknownError(
        f"no registry that you may see has this name: it may be {', '.join(names[:NAMED])}{more}"
    )


def carried(version: Version, place: WriteTarget, allowed: Sequence[str]) -> dict[str, str]:
    """The tags that go along: those that are allowed, decide no stage there, and are not their backend's own. What is
    needed is named with its registry, for a bare name means another model there.
    """
    own = (f"{version.kind}.", "waypost.")
    found = {
        name: value
        for name, value in version.record.tags.items()
        if any(fnmatchcase(name, pattern) for pattern in allowed)
        and not name.startswith(own)
        and not decides_stage(place, [name])
    }
    if DEPENDS_ON in found:
        needed = parse_depends_on(found[DEPENDS_ON], version.registry)
        unread = (error.text for error in needed.errors)
        found[DEPENDS_ON] = ", ".join([*map(str, needed.references), *unread])
    return found


def artifacts(connection: Connection, adapters: Discovered, version: Version, into: str) -> CheckResult:
    """Whether the files can come along, or at least their address."""
    why = _unable(connection, adapters, version.registry, into)
    expected, source = (
        "its files are copied, or their address is known",
        "the configuration of both registries",
    )
    if why is None:
        return CheckResult.of("artifacts", True, expected, "they are copied", source)
    seen = f"only their address is registered: {why}"
    holds = bool(version.record.artifact_uri)
    return CheckResult.of("artifacts", holds, expected, seen if holds else f"it is not known; {why}", source)


def arrived(
    connection: Connection, version: Version, into_id: int, model: str
) -> Row[Any, Any, Any, Any] | None:
    """The promotion that registers a version as a model of a registry: it is under way, or what it made lives."""
    one = promotion.c
    query = select(one.id, one.to_stage, one.finished_at, one.crossing).where(
        one.version_id == version.id,
        one.into_id == into_id,
        or_(one.finished_at.is_(None), one.state == "done"),
    )
    for row in connection.execute(query.order_by(one.id.desc())):
        crossing = read_crossing(row.crossing)
        if crossing is None or crossing.model != model:
            continue
        if row.finished_at is None or there(connection, crossing.made) is not None:
            return row
    return None


def there(connection: Connection, made: str) -> Version | None:
    """The version that was made, where it lives."""
    try:
        return read_version(connection, EVERYTHING, parse(made))
    except (UnknownError, GoneError, ReferenceSyntaxError):
        return None


def state_there(connection: Connection, version_id: int, there: int, registry_id: int) -> None:
    """What was stated about the artifact of a version is stated about the other as well, byte for byte."""
    known = statement.c
    kept = (known.kind, known.digest, known.body, known.sha256, known.principal, known.at)
    for row in connection.execute(
        select(*kept).where(known.version_id == version_id).order_by(known.id)
    ).all():
        values = {"version_id": there, "registry_id": registry_id, **row._mapping}
        connection.execute(insert(statement).values(values))


def acting(principal: Principal, proposer: str) -> Principal:
    """Who carries out what somebody proposed: it is theirs, and was allowed when they did."""
    return replace(principal, id=proposer)


@dataclass(frozen=True, slots=True)
class Crossings:
    """Copies the artifact of a promotion. Safe for several threads."""

    engine: Engine
    adapters: Discovered
    copy: CopyArtifacts

    def __call__(self, promotion_id: int) -> str | None:
        """Why it is not copied yet; None: what it is registered with is settled."""
        with reading(self.engine) as connection:
            row = connection.execute(select(promotion).where(promotion.c.id == promotion_id)).one()
            version = as_version(
                connection.execute(VERSION.where(tables.version.c.id == row.version_id)).one()
            )
            crossing = read_crossing(row.crossing)
            assert crossing is not None
            source, target = (
                _side(_registry(connection, name)) for name in (version.registry, crossing.into)
            )
            why = _unable(connection, self.adapters, version.registry, crossing.into)
        if why is None:
            order = CopyOrder(
                source,
                target,
                encode(version.record).body,
                crossing.model,
                f"waypost-{row.id}",
                crossing.files,
            )

            def keep(said: CopyWord) -> None:
                assert said.file is not None
                crossing.files[said.path] = said.file
                self._keep(row.id, crossing)

            said = self.copy(order, keep)
            if said.failed:
                return said.failed
            crossing.source, crossing.run_id, crossing.digest = said.source, said.run_id, said.digest
            crossing.refused, why = said.refused, said.unable
        if why:
            crossing.source, crossing.reference = version.record.artifact_uri or "", why
            crossing.refused = "" if crossing.source else f"the address of its artifact is not known; {why}"
        self._keep(row.id, crossing)
        return crossing.refused or None

    def _keep(self, promotion_id: int, crossing: Crossing) -> None:
        with writing(self.engine) as connection:
            of_it = update(promotion).where(promotion.c.id == promotion_id)
            connection.execute(of_it.values(crossing=crossing.to_json()))


def _unable(connection: Connection, adapters: Discovered, source: str, into: str) -> str | None:
    sides: list[Any] = []
    for name in (source, into):
        row = _registry(connection, name)
        sides += [adapter_class(row.name, row.kind, adapters), row.config]
    return unable(*sides)


def _registry(connection: Connection, name: str) -> Row[Any]:
    return connection.execute(select(tables.registry).where(tables.registry.c.name == name)).one()


def _side(row: Row[Any]) -> CopySide:
    config: Mapping[str, Any] = row.config
    return CopySide(row.name, row.kind, dict(config))
