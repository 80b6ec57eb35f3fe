"""What a draft of writes changes: of each step what differs after it, of all together what references mean then."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, func, select

from federation import tables
from federation.catalogue.order import age
from federation.catalogue.reader import SUMMARY, newest_of
from federation.operations.intent import Intent
from federation.operations.plans import Holder, Meaning, Plan, Step
from federation.operations.state import NEW, ModelState, StageChange, difference, read_versions
from federation.operations.tables import operation
from federation.operations.wanted import Delete, Register, SetAlias, SetTags
from federation.references import DEPENDS_ON, Reference, decode_part, parse_depends_on

SHOWN = 20
"""Versions that keep a stage, as a plan names them."""
RELIED_ON = ("production", "staging")
"""Stages of which it is told who else holds them."""
_READ = frozenset({"tags", "stage", "approval", "lifecycle", "aliases"})
"""Fields that a stage may follow from."""
_versions = tables.version.c


class Draft(NamedTuple):
    """What is to be written, one intent for each step, and what is known of its model so far."""

    state: ModelState
    intents: Sequence[Intent]


def plan(connection: Connection, draft: Draft) -> Plan:
    """The plan of a draft: each step is made to the state that the one before it leaves."""
    first = state = _known(connection, draft)
    steps = []
    for intent in draft.intents:
        after = state.after(intent.wanted, intent.target)
        before, etag = state.held(intent.wanted, intent.target)
        steps.append(Step(intent, difference(state, after), etag, before))
        state = after
    stages = difference(first, state).stages
    look = _Look(connection, first, state, stages)
    return Plan(
        steps,
        stages,
        tuple(look.meanings()),
        *look.keeps(),
        tuple(_notes(connection, first, draft)),
        first.place.row.last_success_at,
    )


def _known(connection: Connection, draft: Draft) -> ModelState:
    """The state with every version that the writes may change."""
    state = draft.state
    if state.id is None:
        return state
    names: set[str] = set()
    for intent in draft.intents:
        wanted = intent.wanted
        whole = isinstance(wanted, Delete) and intent.target.kind == "model"
        shared = state.place.adapter.shared_tags and isinstance(wanted, SetTags | Register | Delete)
        if whole or shared:
            return state.with_versions(read_versions(connection, state.id, None))
        if isinstance(wanted, SetAlias):
            names |= {name for name in (state.aliases.get(wanted.alias), wanted.version) if name is not None}
    names -= state.versions.keys()
    return state.with_versions(read_versions(connection, state.id, names)) if names else state


class _Look:
    """What the catalogue says of the versions that no step touches."""

    def __init__(
        self, connection: Connection, first: ModelState, last: ModelState, stages: Sequence[StageChange]
    ) -> None:
        self._connection = connection
        self._first = first
        self._last = last
        self._is_gone = last.model is None
        changed = {one.ref for one in stages}
        self._touched = {name: one.id for name, one in first.versions.items() if first.ref(name) in changed}
        self._stages = sorted(
            {word for one in stages for word in (one.before, one.after) if word not in (None, "none")}
        )
        self._moved = [
            word
            for word in self._stages
            if any(word in (one.before, one.after) and one.before != one.after for one in stages)
        ]

    def meanings(self) -> Iterator[Meaning]:
        """The aliases, the stages and the whole model that mean another version afterwards."""
        base, old, new = self._first.reference, self._first.aliases, self._last.aliases
        for alias in sorted({*old, *new}):
            if old.get(alias) != new.get(alias):
                ref = str(Reference(base.registry, base.model, alias=alias))
                yield Meaning(ref, self._of(old.get(alias)), self._of(new.get(alias)))
        for stage in self._moved:
            ref = str(Reference(base.registry, base.model, stage=stage))
            yield from self._meaning(ref, self._living().where(_versions.stage == stage), stage)
        if self._first.versions.keys() != self._last.versions.keys():
            yield from self._meaning(str(base), self._living(), None)

    def keeps(self) -> tuple[tuple[Holder, ...], int]:
        """Those that keep a stage which others come to or leave, the newest of each, and how many they are."""
        found: list[Holder] = []
        total = 0
        for stage in () if self._is_gone else [word for word in self._stages if word in RELIED_ON]:
            query = self._untouched().where(_versions.stage == stage)
            rows = self._connection.execute(query.where(newest_of(query, SHOWN)))
            newest = sorted(rows, key=age, reverse=True)[:SHOWN]
            found += (Holder(self._of(decode_part(r.version)) or "", stage, r.stage_reason) for r in newest)
            total += self._connection.execute(query.with_only_columns(func.count())).scalar_one()
        return tuple(found), total

    def _meaning(self, ref: str, query: Select[Any], stage: str | None) -> Iterator[Meaning]:
        before = self._newest(query)
        after = None if self._is_gone else self._next(stage)
        old = None if before is None else self._of(decode_part(before.version))
        if old != after:
            yield Meaning(ref, old, after)

    def _next(self, stage: str | None) -> str | None:
        """What will be the newest: of those that are not touched, and those that have the stage afterwards."""
        last = self._last
        if NEW in last.versions and stage in (None, last.stage(NEW)[0]):
            return last.ref(NEW)
        kept = [
            id_
            for name, id_ in self._touched.items()
            if name in last.versions and stage in (None, last.stage(name)[0])
        ]
        rows = [*self._connection.execute(SUMMARY.where(_versions.id.in_(kept)))] if kept else []
        others = self._untouched()
        if stage is not None:
            others = others.where(_versions.stage == stage)
        found = max((row for row in (*rows, self._newest(others)) if row is not None), key=age, default=None)
        return None if found is None else self._of(decode_part(found.version))

    def _living(self) -> Select[Any]:
        return SUMMARY.where(_versions.model_id == self._first.id, _versions.deleted_at.is_(None))

    def _untouched(self) -> Select[Any]:
        return self._living().where(_versions.id.not_in(sorted(self._touched.values(), key=str)))

    def _newest(self, query: Select[Any]) -> Row[Any] | None:
        return max(self._connection.execute(query.where(newest_of(query, 1))), key=age, default=None)

    def _of(self, version: str | None) -> str | None:
        return None if version is None else self._first.ref(version)


def _notes(connection: Connection, state: ModelState, draft: Draft) -> Iterator[str]:
    """What is not known of all this, and what may come between."""
    asked, row = operation.c, state.place.row
    under_way = select(asked.id).where(
        asked.registry_id == row.id, asked.ordering_key == state.reference.model, asked.finished_at.is_(None)
    )
    for id_ in connection.execute(under_way.order_by(asked.id)).scalars():
        yield f"operation {id_} of this model has not ended: what it changes is not in this plan"
    if any(isinstance(one.wanted, Register) for one in draft.intents) and state.place.adapter.fresh is None:
        yield "which native stage the registry gives a new version is not known before"
    tags = [one.wanted.tags for one in draft.intents if isinstance(one.wanted, SetTags)]
    if state.place.adapter.shared_tags and any(None in each.values() for each in tags):
        yield "tags of the model show on its versions: one that is removed may uncover another of that name"
    for one in draft.intents:
        if isinstance(one.wanted, SetTags) and (lost := _lost(state, one, one.wanted)):
            yield f"{one.ref} counts no more among what needs {lost}: its owners are not warned of it any more"
    for ref, record in _records(state):
        if record.unread is not None and not _READ.isdisjoint(record.unread.fields):
            fields = ", ".join(sorted(_READ & set(record.unread.fields)))
            yield f"{fields} of {ref} could not be read lately ({record.unread.reason}): this is from before"


def _lost(state: ModelState, intent: Intent, wanted: SetTags) -> str:
    """What a version says that it needs, and will say no more."""
    before = state.held(wanted, intent.target)[0].get(DEPENDS_ON)
    if before is None:
        return ""
    after = wanted.tags[DEPENDS_ON]
    if after is None:
        return str(before)
    said, kept = (parse_depends_on(text, state.reference.registry).references for text in (before, after))
    return ", ".join(str(one) for one in said if one not in kept)


def _records(state: ModelState) -> Collection[tuple[str, Any]]:
    model = () if state.model is None else ((str(state.reference), state.model),)
    return (*model, *((state.ref(name), one.record) for name, one in state.versions.items()))
