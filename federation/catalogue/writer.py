"""Writing what a backend has into the catalogue: a chunk of records in one transaction, with history, entries
and changes.

Records are compared by digest, so what did not change costs one comparison. What follows from more than one
record (the normalised stage of a version depends on its model's aliases and on endpoints) is settled once per
chunk, after the rows are there.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, delete, select

from adapters import EndpointRecord, Key, Kind, ModelRecord, VersionRecord
from federation import bulk, tables
from federation.catalogue import codec
from federation.catalogue.codec import Encoded
from federation.catalogue.history import Settled, write_spans
from federation.catalogue.news import DELETED, Existing, News
from federation.catalogue.origin import GONE, Origin
from federation.catalogue.queries import ASK_AGAIN, BODIES, LIVE, SETTLED
from federation.catalogue.readings import judged, note
from federation.catalogue.rekeying import Succeeds, rekey_models, rekey_versions
from federation.catalogue.unread import keep_known
from federation.changes import Change
from federation.database import micros
from federation.erasure import blanked
from federation.journal.entry import Action
from federation.journal.log import Batch
from federation.references import DEPENDS_ON, Reference, decode_part, encode_part
from federation.stages import NATIVE, decide

COMMON = ("body", "digest", "created_at", "updated_at", "unread", "unread_since", "reading", "first_seen_at")
DERIVED = ("stage", "stage_reason", "deployed", "details_read")
TABLES: Mapping[Kind, Table] = {"model": tables.model, "version": tables.version, "endpoint": tables.endpoint}
DECODERS: Mapping[Kind, Callable[[str], Any]] = {
    "model": codec.decode_model,
    "version": codec.decode_version,
    "endpoint": codec.decode_endpoint,
}
NO_ALIASES: frozenset[str] = frozenset()
NO_HOLDS: frozenset[tuple[str, str]] = frozenset()


class ParentModel(NamedTuple):
    """What a version needs to know of its model. `aliases` by the version that they name."""

    id: int
    name: str
    aliases: Mapping[str, frozenset[str]]


@dataclass(slots=True)
class CatalogueWriter:
    """Takes the chunks of one transaction. Collects entries and changes in `batch`; the caller appends that last."""

    connection: Connection
    origin: Origin
    news: News = field(init=False)
    counts: Counter[str] = field(default_factory=Counter)
    seen: dict[Kind, list[int]] = field(default_factory=lambda: {"model": [], "version": [], "endpoint": []})
    """Surrogate ids of every record given, changed or not."""
    orphans: list[Encoded[VersionRecord]] = field(default_factory=list)
    """Versions whose model is not known (yet)."""
    doubtful: dict[Key, list[str]] = field(default_factory=dict)
    """What a listing gave without fields that it had, and which those are: not written."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Models that have a new name and with it a new key: former native id to present one."""
    succeeds: Succeeds | None = None
    """Of backends whose keys hold names: which version of a renamed model is which."""
    _listed: bool = False
    _by: int = field(init=False)
    _touched: set[int] = field(default_factory=set)
    """Versions whose stage or aliases may follow from what changed."""

    def __post_init__(self) -> None:
        self.news = News(self.origin)
        self._by = micros(self.origin.by)

    @property
    def batch(self) -> Batch:
        """The entries and changes so far."""
        return self.news.batch

    def write(self, records: Sequence[Encoded[Any]], *, listed: bool = False) -> None:
        """Take records in: models, then versions, then endpoints, then what follows from them. `listed`: what they
        lack as a whole and had before may have been left out by the listing, so those become `doubtful`.
        """
        self._listed = listed
        records = self._rekey(records)
        by_kind: dict[str, dict[str, Encoded[Any]]] = {"model": {}, "version": {}, "endpoint": {}}
        for encoded in keep_known(
            self.connection, self.origin.registry_id, blanked(self.connection, records)
        ):
            by_kind[encoded.record.key.kind][encoded.record.key.native_id] = encoded
        self._models(by_kind["model"])
        self._versions(by_kind["version"])
        self._endpoints(by_kind["endpoint"])
        self.news.flush_import()
        self._settle()

    def _rekey(self, records: Sequence[Encoded[Any]]) -> Sequence[Encoded[Any]]:
        """What was renamed is known under its new key before anything is compared. Gives back what is believed."""
        if self.succeeds is None or self.origin.importing:
            return records
        where = self.connection, self.origin.registry_id
        self.doubtful |= rekey_models(*where, records, self.renamed, self._listed)
        believed = [one for one in records if one.record.key not in self.doubtful]
        found = rekey_versions(*where, believed, self.succeeds)
        names = self._model_names(found)
        for i, keys in found.items():
            self.news.tell("model", i, Action.VERSIONS_RENAMED, self._ref(names[i]), {"keys": keys})
        return believed

    def delete(self, kind: Kind, ids: Iterable[int]) -> None:
        """Tombstone what is proved absent; a model takes its versions along."""
        chosen = sorted(set(ids))
        if not chosen:
            return
        if kind == "model":
            versions = tables.version.c
            self.delete(
                "version",
                self.connection.execute(select(versions.id).where(versions.model_id.in_(chosen))).scalars(),
            )
        target = TABLES[kind]
        rows = self.connection.execute(
            select(target).where(target.c.id.in_(chosen), target.c.deleted_at.is_(None))
        ).all()
        bulk.update(
            self.connection, target, ("deleted_at",), [(micros(self.origin.by), row.id) for row in rows]
        )
        if kind == "version":
            gone = replace(self.origin, after=self.origin.since((GONE,)))
            write_spans(self.connection, gone, [Settled(r.id, r.model_id, frozenset()) for r in rows])
            self._unserve(tables.traffic.c.version_id, [row.id for row in rows])
        if kind == "endpoint":
            self._unserve(tables.traffic.c.endpoint_id, [row.id for row in rows])
        names = self._model_names({row.model_id for row in rows}) if kind == "version" else {}
        for row in rows:
            ref = None
            if kind == "version":
                ref = self._ref(names[row.model_id], row.version)
            elif kind == "model":
                ref = self._ref(row.name)
            self.news.tell(kind, row.id, DELETED[kind], ref, {"key": row.native_id}, fields=(GONE,))
        self.counts["deleted"] += len(rows)
        self._settle()

    def _models(self, records: Mapping[str, Encoded[ModelRecord]]) -> None:
        fresh, stale, old = self._compare("model", records)
        ids = bulk.allocate(self.connection, tables.model, len(fresh))
        bulk.insert(
            self.connection,
            tables.model,
            (
                "id",
                "registry_id",
                "native_id",
                "name",
                *COMMON,
            ),
            [
                (
                    i,
                    self.origin.registry_id,
                    e.record.key.native_id,
                    encode_part(e.record.name),
                    *self._common(e),
                )
                for i, e in zip(ids, fresh, strict=True)
            ],
        )
        self.seen["model"] += ids
        for i, encoded in zip(ids, fresh, strict=True):
            self.news.created("model", i, encoded, encoded.record.name)
            self.news.first_aliases(i, encoded.record)
        named = [(existing, encoded, (encode_part(encoded.record.name),)) for existing, encoded in stale]
        self._rewrite(tables.model, ("name",), named)
        for existing, encoded in stale:
            before, model = old[existing.id], encoded.record
            self.news.changed("model", existing, before, encoded, Reference(self.origin.registry, model.name))
            held = {} if existing.deleted else before.aliases
            self._touch_named(existing.id, self.news.aliases(existing.id, held, model))
            if before.tags.get(DEPENDS_ON) != model.tags.get(DEPENDS_ON):
                self._restate(existing.id)

    def _restate(self, model_id: int) -> None:
        """What a model says that it needs, each of its versions says."""
        versions = tables.version.c
        query = select(versions.id).where(versions.model_id == model_id, versions.deleted_at.is_(None))
        for i in self.connection.execute(query).scalars():
            self.batch.change(Change("version", i, self.origin.registry_id))

    def _touch_named(self, model_id: int, names: Collection[str]) -> None:
        """Versions of a model whose aliases changed."""
        if names:
            versions = tables.version.c
            query = select(versions.id).where(
                versions.model_id == model_id, versions.version.in_([encode_part(name) for name in names])
            )
            self._touched.update(self.connection.execute(query).scalars())

    def _versions(self, records: Mapping[str, Encoded[VersionRecord]]) -> None:
        fresh, stale, old = self._compare("version", records)
        models = self._known_models({e.record.model for e in [*fresh, *(e for _, e in stale)]})
        given = [*fresh, *(e for _, e in stale)]
        self.orphans += [e for e in given if e.record.model.native_id not in models]
        fresh = [e for e in fresh if e.record.model.native_id in models]
        stale = [pair for pair in stale if pair[1].record.model.native_id in models]
        ids = bulk.allocate(self.connection, tables.version, len(fresh))
        rows, settled = [], []
        for i, encoded in zip(ids, fresh, strict=True):
            record, parent = encoded.record, models[encoded.record.model.native_id]
            aliases = parent.aliases.get(record.version, NO_ALIASES)
            stage, reason = decide(self.origin.rules, record, aliases, False)
            identity = (
                i,
                self.origin.registry_id,
                record.key.native_id,
                parent.id,
                encode_part(record.version),
            )
            derived = (stage, reason, False, record.schema is not None)
            rows.append((*identity, *derived, *self._common(encoded)))
            if holds := _holds(stage, aliases):
                settled.append(Settled(i, parent.id, holds, record.created_at))
            self.news.created("version", i, encoded, parent.name, stage)
        self.seen["version"] += ids
        bulk.insert(
            self.connection,
            tables.version,
            ("id", "registry_id", "native_id", "model_id", "version", *DERIVED, *COMMON),
            rows,
        )
        write_spans(self.connection, self.origin, settled, fresh=True)
        named = [(existing, encoded, (encode_part(encoded.record.version),)) for existing, encoded in stale]
        self._rewrite(tables.version, ("version",), named)
        self._ask_again([existing.id for existing, _ in stale])
        for existing, encoded in stale:
            record = encoded.record
            parent = models[record.model.native_id]
            ref = Reference(self.origin.registry, parent.name, record.version)
            again = self._stage_again(existing, record, parent) if existing.deleted else None
            self.news.changed("version", existing, old[existing.id], encoded, ref, again)
            self._touched.add(existing.id)

    def _ask_again(self, ids: list[int]) -> None:
        """What the files of these versions say and could not be read is due: the records are others now."""
        if ids:
            ASK_AGAIN.run(self.connection, ids=ids)

    def _stage_again(self, existing: Existing, record: VersionRecord, parent: ParentModel) -> str:
        """The stage of a version that is back from its tombstone, which is told with its return."""
        aliases = parent.aliases.get(record.version, NO_ALIASES)
        live = existing.id in self._live([existing.id])
        stage, reason = decide(self.origin.rules, record, aliases, live)
        columns = ("stage", "stage_reason", "deployed")
        bulk.update(self.connection, tables.version, columns, [(stage, reason, live, existing.id)])
        return stage

    def _endpoints(self, records: Mapping[str, Encoded[EndpointRecord]]) -> None:
        fresh, stale, old = self._compare("endpoint", records)
        ids = bulk.allocate(self.connection, tables.endpoint, len(fresh))
        bulk.insert(
            self.connection,
            tables.endpoint,
            ("id", "registry_id", "native_id", "name", "live", *COMMON),
            [
                (i, self.origin.registry_id, e.record.key.native_id, *_endpoint(e.record), *self._common(e))
                for i, e in zip(ids, fresh, strict=True)
            ],
        )
        self._rewrite(
            tables.endpoint,
            ("name", "live"),
            [(existing, e, _endpoint(e.record)) for existing, e in stale],
        )
        self.seen["endpoint"] += ids
        for i, encoded in zip(ids, fresh, strict=True):
            self.news.created("endpoint", i, encoded, None)
        for existing, encoded in stale:
            self.news.changed("endpoint", existing, old[existing.id], encoded, None)
        believed = {native: e for native, e in records.items() if e.record.key not in self.doubtful}
        self._serve(believed, {*ids, *(existing.id for existing, _ in stale)})

    def _serve(self, records: Mapping[str, Encoded[EndpointRecord]], changed: set[int]) -> None:
        """Bring traffic in line with these endpoints, of which some have `changed`. Of the others too: a version that
        one of them names may have come only now.
        """
        if not records:
            return
        ids = self._ids("endpoint", records)
        natives = sorted({t.version.native_id for e in records.values() for t in e.record.traffic})
        columns = ("native_id", "id", "deleted_at")
        rows = bulk.find(self.connection, tables.version, columns, self.origin.registry_id, natives)
        targets = {native: i for native, i, deleted_at in rows if deleted_at is None}
        wanted: defaultdict[tuple[int, int], float] = defaultdict(float)
        for native, encoded in records.items():
            for share in encoded.record.traffic:
                if share.version.native_id in targets:
                    wanted[ids[native], targets[share.version.native_id]] += share.percent
        shares = tables.traffic.c
        query = select(tables.traffic).where(shares.endpoint_id.in_(list(ids.values())))
        known = {(row.endpoint_id, row.version_id): row.percent for row in self.connection.execute(query)}
        moved = {pair for pair in wanted.keys() | known.keys() if wanted.get(pair) != known.get(pair)}
        chosen = sorted(changed | {endpoint_id for endpoint_id, _ in moved})
        self._unserve(shares.endpoint_id, chosen)
        rows = [(*pair, percent) for pair, percent in wanted.items() if pair[0] in set(chosen)]
        bulk.insert(self.connection, tables.traffic, ("endpoint_id", "version_id", "percent"), rows)
        self._touched.update(version_id for _, version_id, _ in rows)

    def _settle(self) -> None:
        """Bring stage, deployment and spans of the touched versions in line with what they follow from."""
        chosen = sorted(self._touched)
        self._touched = set()
        if not chosen:
            return
        rows = SETTLED.rows(self.connection, ids=chosen)
        live = self._live([row.id for row in rows])
        changed, settled = [], []
        for row in rows:
            record = codec.decode_version(row.body)
            aliases = frozenset(a for a, v in codec.aliases_of(row.model_body).items() if v == record.version)
            stage, reason = decide(self.origin.rules, record, aliases, row.id in live)
            settled.append(Settled(row.id, row.model_id, _holds(stage, aliases)))
            if (stage, reason, row.id in live) == (row.stage, row.stage_reason, row.deployed):
                continue
            changed.append((stage, reason, row.id in live, row.id))
            self.batch.change(Change("version", row.id, self.origin.registry_id))
            if stage != row.stage:
                ref = self._ref(row.name, row.version)
                before, after = (
                    {"stage": row.stage, "reason": row.stage_reason},
                    {"stage": stage, "reason": reason},
                )
                native = {k: v for k in NATIVE if (v := getattr(record, k)) is not None}
                self.news.tell(
                    "version",
                    row.id,
                    Action.STAGE_CHANGED,
                    ref,
                    {"key": row.native_id, "native": native},
                    fields=self.origin.read_by_rules,
                    before=before,
                    after=after,
                )
        bulk.update(self.connection, tables.version, ("stage", "stage_reason", "deployed"), changed)
        write_spans(self.connection, self.origin, settled)

    def _known_models(self, keys: Iterable[Key]) -> dict[str, ParentModel]:
        natives = sorted({key.native_id for key in keys})
        columns = ("native_id", "id", "name", "body", "deleted_at")
        rows = bulk.find(self.connection, tables.model, columns, self.origin.registry_id, natives)
        return {
            native: ParentModel(i, decode_part(name), _by_version(codec.aliases_of(body)))
            for native, i, name, body, deleted_at in rows
            if deleted_at is None
        }

    def _ids(self, kind: Kind, natives: Iterable[str]) -> dict[str, int]:
        rows = bulk.find(
            self.connection, TABLES[kind], ("native_id", "id"), self.origin.registry_id, sorted(natives)
        )
        return dict(rows)

    def _before(self, kind: Kind, ids: Sequence[int]) -> dict[int, Any]:
        """The records that the catalogue has now."""
        if not ids:
            return {}
        decode = DECODERS[kind]
        return {i: decode(body) for i, body in BODIES[kind].bare(self.connection, ids=list(ids))}

    def _model_names(self, ids: Iterable[int]) -> dict[int, str]:
        models = tables.model.c
        query = select(models.id, models.name).where(models.id.in_(sorted(ids)))
        return {row.id: row.name for row in self.connection.execute(query)}

    def _ref(self, name: str, version: str | None = None) -> Reference:
        """A reference from names as the tables hold them."""
        return Reference(
            self.origin.registry, decode_part(name), None if version is None else decode_part(version)
        )

    def _live(self, version_ids: Sequence[int]) -> set[int]:
        return {found for (found,) in LIVE.bare(self.connection, ids=list(version_ids))}

    def _unserve(self, column: Any, ids: Sequence[int]) -> None:
        if ids:
            shares = tables.traffic.c
            self._touched.update(
                self.connection.execute(select(shares.version_id).where(column.in_(ids))).scalars()
            )
            self.connection.execute(delete(tables.traffic).where(column.in_(ids)))

    def _compare(
        self, kind: Kind, records: Mapping[str, Encoded[Any]]
    ) -> tuple[list[Encoded[Any]], list[tuple[Existing, Encoded[Any]]], dict[int, Any]]:
        """What is new; what is there with another digest or a tombstone; and the records that those had so far."""
        columns = ("native_id", "id", "digest", "deleted_at", "unread_since", "reading")
        rows = bulk.find(self.connection, TABLES[kind], columns, self.origin.registry_id, list(records))
        known = {
            native: Existing(i, bytes(digest), deleted_at is not None, unread_since, reading)
            for native, i, digest, deleted_at, unread_since, reading in rows
        }
        self.seen[kind] += [existing.id for existing in known.values()]
        fresh = [encoded for native, encoded in records.items() if native not in known]
        stale = [
            (existing, records[native])
            for native, existing in known.items()
            if existing.deleted or existing.digest != records[native].digest
        ]
        old = self._before(kind, [existing.id for existing, _ in stale])
        reading = self.origin.reading
        stale = [(judged(known, old.get(known.id), one.record, reading), one) for known, one in stale]
        if self._listed:
            for existing, encoded in stale:
                if not (existing.deleted or existing.is_reread) and (
                    lost := codec.lacking(old[existing.id], encoded.record)
                ):
                    self.doubtful[encoded.record.key] = lost
            stale = [pair for pair in stale if pair[1].record.key not in self.doubtful]
        note(self.connection, TABLES[kind], known, records, reading)
        reread = sum(existing.is_reread for existing, _ in stale)
        self.counts[f"{kind}s"] += len(records)
        self.counts["created"] += len(fresh)
        self.counts["changed"] += len(stale) - reread
        self.counts["reread"] += reread
        return fresh, stale, old

    def _common(self, encoded: Encoded[Any], existing: Existing | None = None) -> tuple[Any, ...]:
        """The columns of all kinds. What is known in part keeps the reading of what it is known from."""
        record, reading = encoded.record, self.origin.reading
        since = existing.unread_since if existing else None
        unread = (record.unread.reason, since or self._by) if record.unread else (None, None)
        return (
            encoded.body,
            encoded.digest,
            _micros(record.created_at),
            _micros(record.updated_at),
            *unread,
            existing.reading if existing and record.unread else reading,
            self._by,
        )

    def _rewrite(
        self,
        target: Table,
        columns: tuple[str, ...],
        rows: Iterable[tuple[Existing, Encoded[Any], tuple[Any, ...]]],
    ) -> None:
        bulk.update(
            self.connection,
            target,
            (*columns, *COMMON[:-1], "deleted_at"),
            [
                (*extra, *self._common(encoded, existing)[:-1], None, existing.id)
                for existing, encoded, extra in rows
            ],
        )


def _micros(time: datetime | None) -> int | None:
    return None if time is None else micros(time)


def _by_version(aliases: Mapping[str, str]) -> dict[str, frozenset[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for alias, version in aliases.items():
        found[version].add(alias)
    return {version: frozenset(names) for version, names in found.items()}


def _holds(stage: str, aliases: Collection[str]) -> frozenset[tuple[str, str]]:
    if stage == "none" and not aliases:
        return NO_HOLDS
    held = {("alias", alias) for alias in aliases}
    return frozenset(held if stage == "none" else held | {("stage", stage)})


def _endpoint(record: EndpointRecord) -> tuple[str, bool]:
    return encode_part(record.name), record.live
