"""Retention as the gateway asks for it: what rules would archive and delete, why all else is kept, and doing it.

Archiving is a promotion to `archived` and deleting an operation, each asked for by whoever applies the rules and under
the same policies, rights and read-back as any other. What serves, is in production, has dependants or waits for a
promotion is kept whatever a rule says.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import msgspec
from sqlalchemy import Connection, Engine, bindparam, or_, select

from federation import tables
from federation.access import EVERYTHING, Principal, View
from federation.catalogue.reader import Version, read_version
from federation.database import now, reading, writing
from federation.errors import (
    DeniedError,
    GoneError,
    InvalidRequestError,
    PreconditionError,
    StateError,
    UnknownError,
)
from federation.graph.tables import edge, node
from federation.graph.words import EdgeKind, NodeKind, Stage
from federation.journal.entry import Action, Entry
from federation.journal.log import Batch
from federation.operations.operations import Operations, RequestedChange
from federation.operations.wanted import Delete
from federation.policies.policy import may_be_on
from federation.promotions.promotions import Promotions
from federation.promotions.reader import read_in_order
from federation.promotions.tables import promotion
from federation.references import Reference, decode_part
from federation.retention.rules import PRODUCTION, Life, RetentionRule, StageSpan, check, read_condition
from federation.retention.words import about, says

__all__ = ["Applied", "Due", "Retention", "RetentionRule", "about", "check", "says"]
Doing = Literal["archive", "delete", "keep"]
NAMED = 3
PATIENCE = 5.0
"""Seconds in which a delete is written down, or refused."""
REFUSALS = (DeniedError, GoneError, InvalidRequestError, PreconditionError, StateError, UnknownError)


class Due(msgspec.Struct, frozen=True):
    """What is to become of a version, and by which condition of a rule; or why it is kept."""

    ref: str
    stage: str
    does: Doing
    rule: str
    why: Sequence[str]
    """Each begins with a word: endpoint, production, dependants, promotion, hold, too young, unknown or no rule."""


class Applied(msgspec.Struct, frozen=True):
    """What was made of one: the number of a promotion or of an operation, or why nothing was."""

    ref: str
    does: Doing
    promotion: int | None = None
    operation: int | None = None
    refused: str = ""


class _Ties(NamedTuple):
    """What keeps a version whatever a rule says: who depends on it, and the promotion of it that has not ended."""

    dependants: Sequence[str]
    promotion: int | None


class Retention:
    """Archiving and deleting versions by rules. Safe to share between threads."""

    def __init__(
        self,
        engine: Engine,
        rules: Sequence[RetentionRule],
        promotions: Promotions,
        operations: Operations,
    ) -> None:
        self._engine = engine
        self._rules = rules
        self._promotions = promotions
        self._operations = operations

    def plan(
        self, view: View, under: str, after: Reference | None, limit: int
    ) -> tuple[list[Due], Reference | None]:
        """What becomes of each version that a rule is on, in the order of names: of a registry or model, or (empty) of
        all. At most `limit` versions are looked at; the last is from where to go on, where there are more.

        Errors: `ReferenceSyntaxError`.
        """
        with reading(self._engine) as connection:
            versions = read_in_order(connection, view, under, after, limit)
            onward = versions[-1].reference if len(versions) == limit else None
            return list(self._judge(connection, view, versions)), onward

    def rules(self, view: View) -> list[RetentionRule]:
        """The rules that may be on something of a view, as the configuration has them."""
        known = tables.registry.c
        with reading(self._engine) as connection:
            seen = connection.execute(select(known.name, known.team).where(view.clause(known.id))).all()
        return [
            rule
            for rule in self._rules
            if view == EVERYTHING or any(may_be_on(rule.on, *registry) for registry in seen)
        ]

    def apply(self, principal: Principal, shown: Sequence[tuple[Reference, Doing]]) -> list[Applied]:
        """Do to versions what a plan has shown; each is judged anew, and nothing else is done to it."""
        return [self._apply(principal, reference, does) for reference, does in shown]

    def _apply(self, principal: Principal, reference: Reference, does: Doing) -> Applied:
        ref = str(reference)
        try:
            with reading(self._engine) as connection:
                version = read_version(connection, principal.view, reference)
                found = next(self._judge(connection, principal.view, [version]), None)
            if found is None or found.does != does:
                why = "no rule is on it" if found is None else "; ".join(found.why) or f"{found.does} is due"
                raise StateError(f"the plan is another one by now: {why}", code="plan-changed")
            return self._carry_out(principal, version, found)
        except REFUSALS as refusal:
            return Applied(ref, does, refused=str(refusal))

    def _carry_out(self, principal: Principal, version: Version, due: Due) -> Applied:
        promoted, operation = None, None
        if due.does == "archive":
            reason = f"retention: {due.rule}"
            shown = self._promotions.propose(principal, version.reference, "archived", reason)
            promoted = shown.promotion.id
        else:
            match = () if version.record.etag is None else (version.record.etag,)
            change = RequestedChange(version.reference, Delete(), match, of="version")
            operation = self._operations.request(principal, change).result(PATIENCE).operation.id
        self._tell(principal, version, due)
        return Applied(due.ref, due.does, promoted, operation)

    def _tell(self, principal: Principal, version: Version, due: Due) -> None:
        entry = Entry(
            action=Action.RETENTION_APPLIED,
            actor=principal.id,
            ref=due.ref,
            registry=version.registry,
            targets={"version": version.id, "model": version.model_id},
            details={"does": due.does, "rule": due.rule},
        )
        with writing(self._engine) as connection:
            batch = Batch()
            batch.record(entry, version.registry_id)
            batch.append(connection)

    def _judge(self, connection: Connection, view: View, versions: Sequence[Version]) -> Iterator[Due]:
        covered = {one.id: [rule for rule in self._rules if rule.covers(one)] for one in versions}
        judged = [one for one in versions if covered[one.id]]
        lives, ties = _lives(connection, judged), _ties(connection, view, judged)
        for one in judged:
            yield _due(lives[one.id], covered[one.id], ties[one.id])


def _due(life: Life, rules: Sequence[RetentionRule], ties: _Ties) -> Due:
    version = life.version
    found: tuple[Doing, str] | None = None
    for does, text in _conditions(rules, version):
        if not list(read_condition(text).failing(life)):
            found = found or (does, text)
    why = [*_tied(version, ties), *_held(life, rules)]
    if found is not None and not why:
        return Due(str(version.reference), version.stage, *found, why)
    if found is None:
        why += _not_yet(life, rules)
    return Due(str(version.reference), version.stage, "keep", "", why)


def _conditions(rules: Sequence[RetentionRule], version: Version) -> Iterator[tuple[Doing, str]]:
    """What may become of it: what is deleted need not be archived first."""
    yield from (("delete", rule.delete) for rule in rules if rule.delete)
    if version.stage != "archived":
        yield from (("archive", rule.archive) for rule in rules if rule.archive)


def _tied(version: Version, ties: _Ties) -> Iterator[str]:
    if version.placed:
        yield "endpoint: " + ("it serves" if version.deployed else "one holds it")
    if version.stage == PRODUCTION:
        yield f"production: by {version.stage_reason}"
    if ties.dependants:
        more = " and more" if len(ties.dependants) > NAMED else ""
        yield f"dependants: {', '.join(ties.dependants[:NAMED])}{more}"
    if ties.promotion is not None:
        yield f"promotion: {ties.promotion} of it has not ended"


def _held(life: Life, rules: Sequence[RetentionRule]) -> Iterator[str]:
    for text in (text for rule in rules for text in rule.hold):
        condition = read_condition(text)
        if condition.may_hold(life):
            doubt = ", as far as is known" if list(condition.failing(life)) else ""
            yield f"hold: {text}{doubt}"


def _not_yet(life: Life, rules: Sequence[RetentionRule]) -> Iterator[str]:
    """Why no condition holds, the nearest one first."""
    said = []
    for does, text in _conditions(rules, life.version):
        failing = list(read_condition(text).failing(life))
        if any(holds is False and word.bound is None for word, holds in failing):
            continue
        word, holds = failing[0]
        kind = "unknown" if holds is None else "too young"
        said.append(f"{kind}: {does} wants {word.text}")
    yield from said or ["no rule: none archives or deletes it as it is"]


def _lives(connection: Connection, versions: Sequence[Version]) -> dict[int, Life]:
    spans, at = tables.span.c, now()
    ids, models = [one.id for one in versions], {one.model_id for one in versions}
    names = ("version_id", "value", "began_after", "began_by", "ended_after", "ended_by")
    query = select(spans.model_id, *(spans[name] for name in names)).where(
        spans.kind == "stage",
        or_(
            spans.version_id.in_(ids),
            spans.model_id.in_(sorted(models)) & (spans.value == PRODUCTION) & spans.ended_by.is_(None),
        ),
    )
    of_version: dict[int, list[StageSpan]] = {}
    in_production: dict[int, list[StageSpan]] = {}
    for model_id, *rest in connection.execute(query):
        held = StageSpan(*rest)
        of_version.setdefault(held.version_id, []).append(held)
        if held.stage == PRODUCTION and held.ended_by is None:
            in_production.setdefault(model_id, []).append(held)
    return {
        one.id: Life(
            one,
            of_version.get(one.id, ()),
            [held for held in in_production.get(one.model_id, ()) if held.version_id != one.id],
            at,
        )
        for one in versions
    }


def _ties(connection: Connection, view: View, versions: Sequence[Version]) -> dict[int, _Ties]:
    ids = [one.id for one in versions]
    waits = select(promotion.c.version_id, promotion.c.id).where(
        promotion.c.version_id.in_(ids), promotion.c.finished_at.is_(None)
    )
    waiting = {row.version_id: row.id for row in connection.execute(waits)}
    return {id_: _Ties(list(_needing(connection, view, id_)), waiting.get(id_)) for id_ in ids}


_own, _through, _consumer = node.alias(), node.alias(), node.alias()
_versions, _models, _registries = tables.version.c, tables.model.c, tables.registry.c
# What is archived needs nothing any more.
_NEEDING = (
    select(_registries.name, _models.name.label("model"), _versions.version)
    .select_from(_own)
    .join(_through, or_(_through.c.id == _own.c.id, _through.c.means == _own.c.id))
    .join(edge, edge.c.target == _through.c.id)
    .join(_consumer, _consumer.c.id == edge.c.source)
    .join(tables.version, _versions.id == _consumer.c.scope)
    .join(tables.model, _models.id == _versions.model_id)
    .join(tables.registry, _registries.id == _models.registry_id)
    .where(_own.c.kind == int(NodeKind.VERSION), _own.c.scope == bindparam("version"), _own.c.name == "")
    .where(edge.c.kind.in_((int(EdgeKind.DEPENDS_ON), int(EdgeKind.DERIVED_FROM))), ~edge.c.gone)
    .where(_consumer.c.kind == int(NodeKind.VERSION), _versions.deleted_at.is_(None))
    .where(_consumer.c.stage != int(Stage.ARCHIVED), _consumer.c.id != _own.c.id)
    .limit(NAMED + 1)
)


def _needing(connection: Connection, view: View, version_id: int) -> Iterator[str]:
    """A few of those that need a version or were derived from it: in a view, or that there are others at all."""
    asked = {"version": version_id}
    rows = connection.execute(_NEEDING.where(view.clause(_registries.id)), asked).all()
    yield from (str(Reference(row.name, decode_part(row.model), decode_part(row.version))) for row in rows)
    if not rows and view != EVERYTHING and connection.execute(_NEEDING, asked).first():
        yield "some that you may not see"
