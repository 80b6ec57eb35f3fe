"""The news of a chunk: what is told to the journal and to the followers."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from adapters import Kind, ModelRecord, Record, VersionRecord
from federation.catalogue import codec
from federation.catalogue.codec import Encoded
from federation.catalogue.origin import Origin
from federation.changes import Change
from federation.journal.entry import SYSTEM, Action, Entry
from federation.journal.log import Batch
from federation.references import Reference

CREATED = {
    "model": Action.MODEL_CREATED,
    "version": Action.VERSION_CREATED,
    "endpoint": Action.ENDPOINT_CREATED,
}
CHANGED = {
    "model": Action.MODEL_CHANGED,
    "version": Action.VERSION_CHANGED,
    "endpoint": Action.ENDPOINT_CHANGED,
}
DELETED = {
    "model": Action.MODEL_DELETED,
    "version": Action.VERSION_DELETED,
    "endpoint": Action.ENDPOINT_DELETED,
}
RESTORED = {
    "model": Action.MODEL_RESTORED,
    "version": Action.VERSION_RESTORED,
    "endpoint": Action.ENDPOINT_RESTORED,
}


class Existing(NamedTuple):
    """What the catalogue has of a record. `unread_since` in microseconds.

    `is_reread`: what comes now differs only because it is read otherwise; `is_mixed`: also because of that.
    """

    id: int
    digest: bytes
    deleted: bool
    unread_since: int | None = None
    reading: int = 0
    is_reread: bool = False
    is_mixed: bool = False


def _moved(was: str | None, now: str | None) -> Action:
    if was is None:
        return Action.ALIAS_SET
    return Action.ALIAS_REMOVED if now is None else Action.ALIAS_MOVED


@dataclass(slots=True)
class News:
    """Collects entries and changes in `batch`. An import tells one entry per chunk instead of one per record."""

    origin: Origin
    batch: Batch = field(default_factory=Batch)
    imported: list[list[str]] = field(default_factory=list)
    """Pairs of key and digest."""
    imported_aliases: list[list[str]] = field(default_factory=list)
    """A model's native id, an alias of it and the version that the alias names."""
    imported_stages: list[list[str]] = field(default_factory=list)
    """A version's native id and its stage, where it has one."""

    def flush_import(self) -> None:
        """The entry of an import."""
        if not self.imported:
            return
        details: dict[str, Any] = {"records": self.imported}
        if self.imported_aliases:
            details["aliases"] = self.imported_aliases
        if self.imported_stages:
            details["stages"] = self.imported_stages
        entry = Entry(action=Action.CATALOGUE_IMPORTED, registry=self.origin.registry, details=details)
        self.batch.record(entry, self.origin.registry_id)
        self.imported, self.imported_aliases, self.imported_stages = [], [], []

    def created(
        self,
        kind: Kind,
        target_id: int,
        encoded: Encoded[Any],
        model: str | None,
        stage: str | None = None,
    ) -> None:
        """Something new; `model` is the name of the model that it is or belongs to, None for an endpoint."""
        record: Record = encoded.record
        self.batch.change(Change(kind, target_id, self.origin.registry_id))
        if self.origin.importing:
            self.imported.append([f"{kind} {record.key.native_id}", encoded.digest.hex()])
            if stage not in (None, "none"):
                self.imported_stages.append([record.key.native_id, str(stage)])
            return
        version = record.version if isinstance(record, VersionRecord) else None
        ref = None if model is None else Reference(self.origin.registry, model, version)
        details = {"key": record.key.native_id, "digest": encoded.digest.hex()}
        creator = getattr(record, "creator", None) or getattr(record, "owner", None)
        withheld = self.batch.withhold({"creator": creator}, subject=creator)
        after = None if stage is None else {"stage": stage}
        born = record.created_at
        self.tell(kind, target_id, CREATED[kind], ref, details, after=after, withheld=withheld, born=born)

    def first_aliases(self, model_id: int, model: ModelRecord) -> None:
        """The aliases that a new model brings."""
        if self.origin.importing:
            self.imported_aliases += [[model.key.native_id, *pair] for pair in sorted(model.aliases.items())]
        else:
            self.aliases(model_id, {}, model, born=model.created_at)

    def aliases(
        self, model_id: int, before: Mapping[str, str], model: ModelRecord, *, born: datetime | None = None
    ) -> list[str]:
        """The aliases that came, went or moved; `born` as of `Origin.since`. Returns the versions that they named or
        name.
        """
        after, touched = model.aliases, list[str]()
        for alias in sorted(before.keys() | after.keys()):
            was, now = before.get(alias), after.get(alias)
            if was == now:
                continue
            touched += [version for version in (was, now) if version is not None]
            ref = Reference(self.origin.registry, model.name, alias=alias)
            self.tell(
                "model",
                model_id,
                _moved(was, now),
                ref,
                {"key": model.key.native_id},
                fields=("aliases",),
                before={"version": was},
                after={"version": now},
                born=born,
            )
        return touched

    def changed(
        self,
        kind: Kind,
        existing: Existing,
        before: Record,
        encoded: Encoded[Any],
        ref: Reference | None,
        stage: str | None = None,
    ) -> None:
        """Something known has another digest, or is back from its tombstone: then with the stage that it has now.

        A change of how it is read is told to followers only.
        """
        after: Record = encoded.record
        known = {"key": after.key.native_id, "digest": encoded.digest.hex()}
        self.batch.change(Change(kind, existing.id, self.origin.registry_id))
        if existing.deleted:
            held = None if stage is None else {"stage": stage}
            self.tell(kind, existing.id, RESTORED[kind], ref, known, after=held)
            return
        found = codec.differences(before, after)
        found.pop("aliases", None)
        if isinstance(before, ModelRecord) and isinstance(after, ModelRecord) and "name" in found:
            self._renamed(existing.id, before, after)
            del found["name"]
        if before.key != after.key:
            for follows in ("key", "model", "url"):
                found.pop(follows, None)
        if found and not existing.is_reread:
            # Values may be free text or name people, so the entry commits to them and names only the fields.
            withheld = self.batch.withhold(
                {
                    "before": codec.to_json({name: pair[0] for name, pair in found.items()}),
                    "after": codec.to_json({name: pair[1] for name, pair in found.items()}),
                }
            )
            details = {**known, "fields": list(found), **({"reread": True} if existing.is_mixed else {})}
            fields = {name.partition(".")[0] for name in found}
            self.tell(kind, existing.id, CHANGED[kind], ref, details, fields=fields, withheld=withheld)

    def _renamed(self, model_id: int, before: ModelRecord, after: ModelRecord) -> None:
        details = {"key": after.key.native_id, "former": before.key.native_id}
        ref = Reference(self.origin.registry, after.name)
        self.tell(
            "model", model_id, Action.MODEL_RENAMED, ref, details, fields=("name",),
            before={"name": before.name}, after={"name": after.name},
        )  # fmt: skip

    def tell(
        self,
        kind: Kind,
        target_id: int,
        action: Action,
        ref: Reference | None,
        details: Mapping[str, Any],
        *,
        fields: Collection[str] = (),
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        withheld: Mapping[str, bytes] | None = None,
        born: datetime | None = None,
    ) -> None:
        """One entry, of a change of these `fields`; `born` as of `Origin.since`."""
        self.batch.change(Change(kind, target_id, self.origin.registry_id))
        entry = Entry(
            action=action,
            actor=self.origin.actor or SYSTEM,
            ref=None if ref is None else str(ref),
            registry=self.origin.registry,
            targets={kind: target_id},
            before=before,
            after=after,
            not_before=self.origin.since(fields, born=born),
            not_after=self.origin.by,
            details=details,
            commitments=withheld or {},
        )
        self.batch.record(entry, self.origin.registry_id)
