"""What a question is about: the nodes a reference, a dataset or a commit stands for, and what each effect would be."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from sqlalchemy import Connection, Dialect, and_, bindparam, or_, select

from federation import tables as spine
from federation.access import View
from federation.catalogue.codec import decode_version
from federation.catalogue.contracts import Break, compare
from federation.catalogue.order import AGE, age
from federation.database import micros, now
from federation.errors import InvalidRequestError, UnknownError
from federation.graph import tables
from federation.graph.blast import Effect, effects_by_time
from federation.graph.claims import place_of
from federation.graph.names import Named, Registry, named
from federation.graph.resolve import CHUNK, Incarnation, choose, chunks, lives
from federation.graph.resolve import selector as selector_of
from federation.graph.snapshot import Snapshot
from federation.graph.words import SELECTORS, EdgeKind, NodeKind
from federation.prepared import COMPILED, Prepared, Statement, begins, cursor_of, prepare
from federation.references import Reference, ReferenceSyntaxError, decode_part, encode_part, parse
from federation.registry_names import former_names

Action = Literal["archive", "delete", "move-alias", "change"]
DONE = {"archive": "archived", "delete": "deleted", "change": "changed"}


@dataclass(frozen=True, slots=True)
class Cause:
    """What a write does to what others may depend on: a version or a whole model is archived or deleted; an alias, a
    stage or a whole model means `to` afterwards (None: nothing, or a version that is still to be made).
    """

    ref: Reference
    done: Literal["archived", "deleted", "moved"]
    to: Reference | None = None
    to_new: bool = False


class ImpactQuestionError(InvalidRequestError):
    """The question makes no sense as asked. One line with the remedy."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The nodes a question starts from. `versions` are those of them that are versions."""

    ref: str
    nodes: tuple[int, ...]
    versions: tuple[int, ...]
    reference: Reference | None = None
    names: Mapping[int, Named] = field(default_factory=dict)
    """What is known of them already."""


def locate(connection: Connection, view: View, ref: Reference) -> int:
    """The node a reference names now. Errors: `UnknownError`."""
    return int(_located(connection, view, ref).id)


def _located(connection: Connection, view: View, ref: Reference) -> Any:
    """The row of that node: one statement, but for a registry that is called by a former name.

    Both are asked inside the view, so that what is hidden takes the time of what is not there.
    """
    statement = _located_by(connection.dialect, view, ref.version is not None)
    wanted: dict[str, Any] = {"registry": ref.registry, "model": encode_part(ref.model)}
    if ref.version is not None:
        wanted["version"] = encode_part(ref.version)
    else:
        wanted["kind"], wanted["name"] = selector_of(ref)
    rows = statement.rows(cursor_of(connection), wanted)
    if not rows and (former := former_names(connection, view).get(ref.registry)) is not None:
        present = select(spine.registry.c.name).where(spine.registry.c.id == former)
        wanted["registry"] = connection.execute(present).scalar_one()
        rows = statement.rows(cursor_of(connection), wanted)
    known = {row.id: row for row in rows}
    if len(known) == 1:
        return next(iter(known.values()))
    meant = choose([Incarnation(row.born, row.died, row.id) for row in known.values()], now())
    if meant is None:
        raise UnknownError()
    return known[meant]


_CALLED = (spine.registry.c.name == bindparam("registry", ""), spine.model.c.name == bindparam("model", ""))
_VERSION = (
    select(
        tables.node,
        *lives(spine.version),
        spine.version.c.stage.label("said"),
        spine.registry.c.name.label("present"),
        spine.registry.c.team,
    )
    .join(
        spine.version, and_(tables.node.c.kind == NodeKind.VERSION, tables.node.c.scope == spine.version.c.id)
    )
    .join(spine.model, spine.model.c.id == spine.version.c.model_id)
    .join(spine.registry, spine.registry.c.id == spine.model.c.registry_id)
    .where(*_CALLED, spine.version.c.version == bindparam("version", ""))
)
_SELECTOR = (
    select(tables.node, *lives(spine.model))
    .join(spine.model, tables.node.c.scope == spine.model.c.id)
    .join(spine.registry, spine.registry.c.id == spine.model.c.registry_id)
    .where(*_CALLED, tables.node.c.kind == bindparam("kind", 0), tables.node.c.name == bindparam("name", ""))
)
_MEANT = [f"m{place}" for place in range(CHUNK)]


@lru_cache(COMPILED)
def _located_by(dialect: Dialect, view: View, is_version: bool) -> Statement:
    query = _VERSION if is_version else _SELECTOR
    return prepare(dialect, query.where(view.clause(spine.registry.c.id)))


@lru_cache
def _meaning(dialect: Dialect, places: int) -> Statement:
    meant: list[Any] = [bindparam(place, 0) for place in _MEANT[:places]]
    return prepare(dialect, select(tables.node).where(tables.node.c.means.in_(meant)))


_node = tables.node.c
_OF_MODEL = Prepared(
    select(_node.id, _node.kind)
    .where(
        or_(
            and_(
                _node.kind == NodeKind.VERSION,
                _node.scope.in_(
                    select(spine.version.c.id).where(spine.version.c.model_id == bindparam("model", 0))
                ),
                ~_node.gone,
            ),
            and_(_node.kind.in_(SELECTORS), _node.scope == bindparam("model", 0)),
        )
    )
    .order_by(_node.id)
)
"""Nodes of the living versions of a model, and its selectors."""


def by_reference(connection: Connection, view: View, ref: Reference, *, selector: bool) -> Subject:
    """Start from a reference. An alias or stage stands for the version it means, unless `selector`: then for itself.

    A whole model stands for all its living versions and its selectors. Errors: `UnknownError`.
    """
    row = _located(connection, view, ref)
    found = row.id
    if row.kind == NodeKind.MODEL:
        rows = _OF_MODEL.bare(connection, model=row.scope)
        versions = tuple(one for one, kind in rows if kind == NodeKind.VERSION)
        return Subject(str(ref), tuple(one for one, _ in rows), versions, ref)
    if row.kind == NodeKind.VERSION:
        own_name = str(ref if ref.registry == row.present else replace(ref, registry=row.present))
        name = Named(own_name, "version", row.present, row.team, row.said, row.gone, row.scope)
        return Subject(str(ref), (found,), (found,), ref, {found: name})
    if selector:
        return Subject(str(ref), (found,), (), ref)
    if row.means is None:
        raise UnknownError()
    return Subject(str(ref), (row.means,), (row.means,), ref)


def by_dataset(connection: Connection, view: View, name: str) -> Subject:
    """Start from a dataset: its address, which stands for every digest of it, or `address#digest`; or its short name,
    where only one has it. Errors: `UnknownError`, `ImpactQuestionError` where several have the name.
    """
    node, place = tables.node.c, place_of(name)
    match = or_(node.name == place, begins(node.name, f"{place}#"))
    ref = f"dataset:{name}"
    found = _things(connection, view, NodeKind.DATASET, match) or _titled(connection, view, name)
    if not found:
        raise UnknownError()
    return Subject(ref, tuple(found), ())


def _titled(connection: Connection, view: View, title: str) -> dict[int, str]:
    """The datasets that those who learned from them call so, or so with the digest behind a `#`."""
    node, edge, consumer = tables.node.c, tables.edge.c, tables.node.alias()
    title, sign, digest = title.partition("#")
    query = (
        select(node.id, node.name)
        .join(tables.edge, edge.target == node.id)
        .join(consumer, consumer.c.id == edge.source)
        .where(edge.title == title, ~edge.gone, view.clause(consumer.c.registry_id))
        .order_by(node.name)
    )
    found = {row.id: row.name for row in connection.execute(query) if row.name.endswith(sign + digest)}
    places = sorted({name.partition("#")[0] for name in found.values()})
    if len(places) > 1:
        more = f" and {len(places) - 5} more" if len(places) > 5 else ""
        raise ImpactQuestionError(
            f"several data sets are called {title[:100]!r}, ask for one by its address: {', '.join(places[:5])}{more}"
        )
    return found


def by_commit(connection: Connection, view: View, commit: str) -> Subject:
    """Start from a code commit: its hash, or the first seven or more characters of it."""
    name = commit.lower()
    match = begins(tables.node.c.name, name) if len(name) >= 7 else tables.node.c.name == name
    found = _things(connection, view, NodeKind.COMMIT, match)
    if not found:
        raise UnknownError()
    return Subject(f"commit:{commit}", tuple(found), ())


def _things(connection: Connection, view: View, kind: NodeKind, match: Any) -> list[int]:
    """Nothing of a thing is shown that only hidden registries speak of."""
    node, edge = tables.node.c, tables.edge.c
    consumer = tables.node.alias()
    seen = (
        select(edge.id)
        .join(consumer, consumer.c.id == edge.source)
        .where(edge.target == node.id, ~edge.gone, view.clause(consumer.c.registry_id))
    )
    query = (
        select(node.id).where(node.scope == 0, node.kind == kind, match, seen.exists()).order_by(node.name)
    )
    return list(connection.execute(query).scalars())


@dataclass
class Forecast:
    """Works out what happens to whoever depends on the subject directly."""

    connection: Connection
    snapshot: Snapshot
    view: View
    registries: dict[int, Registry]

    _named: dict[int, Named] = field(default_factory=dict)

    def names(self, nodes: Iterable[int]) -> dict[int, Named]:
        """Names of nodes, each asked for once, in the order given: that of a set would tell which ids others have."""
        wanted = dict.fromkeys(nodes)
        if fresh := [node for node in wanted if node not in self._named]:
            self._named |= named(self.connection, fresh, self.registries)
        return {node: self._named[node] for node in wanted if node in self._named}

    def of(self, subject: Subject, action: Action, to: str | None) -> dict[int, list[Effect]]:
        """Effects by node: each version that is hit and needed, and each selector that means one. Errors:
        `ImpactQuestionError`.
        """
        if action == "move-alias":
            return self._move(subject, to)
        if to is not None and action != "change":
            raise ImpactQuestionError(
                f"'to' says where an alias moves or what a version becomes, not for {action}"
            )
        target = self._target(subject, to) if to is not None else None
        effects: dict[int, list[Effect]] = {}
        going = set(subject.versions)
        self._named |= subject.names
        needed = self._needed(subject.versions)
        names = self.names([*needed, *(row.id for rows in needed.values() for row in rows)])
        for node, selectors in needed.items():
            effect = self._hit(node, names[node].ref, action, target)
            effects[node] = [Effect(effect.breaks, f"pinned to {effect.reason}")]
            for row in selectors:
                after = None if action == "change" or row.kind == NodeKind.ALIAS else self._next(row, going)
                effects[row.id] = [self._follow(names[row.id].ref, node, effect, after)]
        return effects

    def of_causes(self, ref: str, causes: Sequence[Cause]) -> tuple[Subject, dict[int, list[Effect]]]:
        """The nodes that a write does something to, and their effects. What nobody has ever pointed at has no node."""
        nodes: dict[int, None] = {}
        versions: list[int] = []
        effects: dict[int, list[Effect]] = {}
        for cause in causes:
            try:
                if cause.done == "moved":
                    node = locate(self.connection, self.view, cause.ref)
                    nodes[node], effects[node] = None, self._shifted(node, cause)
                    continue
                subject = by_reference(self.connection, self.view, cause.ref, selector=False)
            except UnknownError:
                continue
            nodes |= dict.fromkeys(subject.nodes)
            versions += subject.versions
            action: Action = "delete" if cause.done == "deleted" else "archive"
            if cause.ref.version is None:
                effects |= self.of(subject, action, None)
            else:
                self._named |= subject.names
                hit = self._hit(subject.nodes[0], str(cause.ref), action, None)
                effects[subject.nodes[0]] = [Effect(hit.breaks, f"pinned to {hit.reason}")]
        return Subject(ref, tuple(nodes), tuple(versions)), effects

    def _shifted(self, selector: int, cause: Cause) -> list[Effect]:
        """The effects on those that follow an alias, a stage or a whole model which means something else afterwards."""
        follows = f"follows {cause.ref}, which would mean"
        if cause.to_new:
            return [Effect(False, f"{follows} the new version: its schema is not known yet")]
        if cause.to is None:
            return [Effect(True, f"{follows} nothing")]
        try:
            target, becomes = locate(self.connection, self.view, cause.to), str(cause.to)
        except UnknownError:
            return [Effect(False, f"{follows} {cause.to}, which the graph does not know yet")]
        meant = self._meant(selector)
        return effects_by_time(
            [(begin, self._moved(cause.ref, built, target, becomes)) for begin, built in meant]
        )

    def _needed(self, versions: Sequence[int]) -> dict[int, list[Any]]:
        """Those of some versions that something depends on, each with the rows of the selectors that mean it now.

        Of a model's thousands few are; the others have no effect that anybody meets.
        """
        down = self.snapshot.down
        known = np.array([node for node in versions if node < len(self.snapshot.nodes["kind"])], np.int32)
        found: dict[int, list[Any]] = {node: [] for node in down.leading(known).tolist()}
        if not (down.neighbours(known)[1] == EdgeKind.MEANS).any():
            return found
        for part in chunks(versions):
            places = 1 if len(part) == 1 else CHUNK  # the last one again where places are left over
            wanted = dict(zip(_MEANT, part + part[-1:] * (places - len(part)), strict=False))
            statement = _meaning(self.connection.dialect, places)
            for row in statement.rows(cursor_of(self.connection), wanted):
                found.setdefault(row.means, []).append(row)
        return found

    def _hit(self, node: int, ref: str, action: Action, target: int | None) -> Effect:
        if target is None:
            return Effect(True, f"{ref}, which would be {DONE[action]}")
        broken = self._breaks(node, target)
        if broken is None:
            return Effect(
                False, f"{ref}, which would change; no schema is known, so the contract cannot be checked"
            )
        return Effect(bool(broken), f"{ref}, which would change: {_listed(broken)}")

    def _follow(self, name: str, node: int, effect: Effect, after: int | None) -> Effect:
        """A follower of a stage or a whole model gets the next version, if there is one its contract takes."""
        if after is None:
            return Effect(effect.breaks, f"follows {name}, which means {effect.reason}")
        becomes = self.names([after])[after].ref
        broken = self._breaks(node, after)
        if broken is None:
            return Effect(False, f"follows {name}, which would mean {becomes}; no schema is known to compare")
        return Effect(bool(broken), f"follows {name}, which would mean {becomes}: {_listed(broken)}")

    def _next(self, selector: Any, going: set[int]) -> int | None:
        """What a stage or model selector would mean without `going`: the newest version left that holds it."""
        version, node = spine.version.c, tables.node.c
        query = (
            select(*(version[name] for name in AGE), node.id.label("node"))
            .join(spine.version, and_(node.kind == NodeKind.VERSION, node.scope == version.id))
            .where(version.model_id == selector.scope, version.deleted_at.is_(None), node.id.not_in(going))
        )
        if selector.kind == NodeKind.STAGE:
            query = query.where(version.stage == selector.name)
        newest = max(self.connection.execute(query), key=age, default=None)
        return None if newest is None else int(newest.node)

    # Moving an alias

    def _move(self, subject: Subject, to: str | None) -> dict[int, list[Effect]]:
        ref = subject.reference
        if ref is None or (ref.alias is None and ref.stage is None):
            raise ImpactQuestionError(
                "move-alias needs a reference to an alias, as in registry/model@champion"
            )
        if to is None:
            raise ImpactQuestionError("move-alias needs 'to', the version that the alias would move to")
        target = self._target(subject, to)
        becomes = self.names([target])[target].ref
        (selector,) = subject.nodes
        spans = [(begin, self._moved(ref, built, target, becomes)) for begin, built in self._meant(selector)]
        return {selector: effects_by_time(spans)}

    def _moved(self, ref: Reference, built: int | None, target: int, becomes: str) -> Effect:
        if built == target:
            return Effect(False, f"follows {ref}, built against {becomes}")
        broken = None if built is None else self._breaks(built, target)
        if broken is None:
            return Effect(
                False, f"follows {ref}; no schema is known, so the contract with {becomes} cannot be checked"
            )
        return Effect(bool(broken), f"follows {ref}, which would mean {becomes}: {_listed(broken)}")

    def _meant(self, selector: int) -> Sequence[tuple[int, int | None]]:
        """What the selector has meant: (since when, in microseconds; version node), oldest first, at least one."""
        node, span = tables.node.c, spine.span.c
        row = self.connection.execute(select(tables.node).where(node.id == selector)).one()
        kind = "alias" if row.kind == NodeKind.ALIAS else "stage"
        value = decode_part(row.name)
        query = (
            select(span.began_by, node.id)
            .join(tables.node, and_(node.kind == NodeKind.VERSION, node.scope == span.version_id))
            .where(span.model_id == row.scope, span.kind == kind, span.value == value)
            .order_by(span.began_by, span.id)
        )
        meant: list[tuple[int, int | None]] = [
            (micros(one.began_by), one.id) for one in self.connection.execute(query)
        ]
        return meant or [(0, row.means)]

    def _target(self, subject: Subject, to: str) -> int:
        """The version that `to` names: a version of the subject's model, or a reference, also without the registry."""
        own = subject.reference
        try:
            found = self._beside(own, to) if own and "/" not in to else self._located(parse(to))
        except (ReferenceSyntaxError, UnknownError):
            raise ImpactQuestionError(f"'to' names no version that is known: {to[:200]!r}") from None
        row = self.connection.execute(select(tables.node).where(tables.node.c.id == found)).one()
        if (node := row.id if row.kind == NodeKind.VERSION else row.means) is None:
            raise ImpactQuestionError(f"'to' means no version now: {to[:200]!r}")
        return int(node)

    def _beside(self, own: Reference, to: str) -> int:
        try:
            return self._located(Reference(own.registry, own.model, version=to))
        except UnknownError:
            return self._located(parse(to, default_registry=own.registry))

    def _located(self, ref: Reference) -> int:
        return locate(self.connection, self.view, ref)

    def _breaks(self, old: int, new: int) -> tuple[Break, ...] | None:
        """What a consumer of one version would miss in the other; None where a schema is not known."""
        version, node = spine.version.c, tables.node.c
        query = select(node.id, version.body, version.details).join(spine.version, version.id == node.scope)
        rows = {row.id: row for row in self.connection.execute(query.where(node.id.in_([old, new])))}
        schemas = {key: decode_version(row.body, row.details).schema for key, row in rows.items()}
        found = compare(schemas[old], schemas[new])
        return found.backward if found.known else None


def _listed(breaks: Sequence[Break]) -> str:
    if not breaks:
        return "its schema fits"
    more = f", and {len(breaks) - 3} more" if len(breaks) > 3 else ""
    return "; ".join(map(str, breaks[:3])) + more
