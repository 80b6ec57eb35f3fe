"""Animals that write wrongly."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from adapters import (
    ConflictError,
    InvalidError,
    Key,
    ModelRecord,
    NewModel,
    NotFoundError,
    Record,
    Registration,
    StageField,
    VersionRecord,
)
from adapters.memory import MemoryBackend
from adapters.writing import a_model, a_version
from tests.adapters.zoo.enclosure import Sound, breaks

Tags = Mapping[str, str | None]


@breaks("tags_are_written")
class VersionsOnly(Sound):
    """Accepts tags of a model and forgets them."""

    def set_tags(self, key: Key, tags: Tags, *, etag: str | None = None) -> Record:
        return self.get(key) if key.kind == "model" else super().set_tags(key, tags, etag=etag)


@breaks("other_tags_stay")
class Replacing(Sound):
    """Takes the tags it is given for all there are."""

    def set_tags(self, key: Key, tags: Tags, *, etag: str | None = None) -> Record:
        found = self.get(key)
        assert isinstance(found, ModelRecord | VersionRecord)
        return super().set_tags(key, {**dict.fromkeys(found.tags), **tags}, etag=etag)


@breaks("a_written_tag_is_seen_by_a_scan")
class Quiet(Sound):
    """Writes without a trace in the order of changes."""

    def set_tags(self, key: Key, tags: Tags, *, etag: str | None = None) -> Record:
        before = self.backend.changed.get(key)
        found = super().set_tags(key, tags, etag=etag)
        if before is not None:
            self.backend.changed[key] = before
        return found


@breaks("hostile_values_are_written")
class Escaping(Sound):
    """Escapes markup on the way in."""

    def set_tags(self, key: Key, tags: Tags, *, etag: str | None = None) -> Record:
        safe = {name: value and value.replace("<", "&lt;") for name, value in tags.items()}
        return super().set_tags(key, safe, etag=etag)


@breaks(
    "an_alias_is_set_moved_and_removed",
    "other_aliases_stay",
)
class Clinging(Sound):
    """Never takes an alias away."""

    def set_alias(self, key: Key, alias: str, version: str | None, *, etag: str | None = None) -> Record:
        return self.get(key) if version is None else super().set_alias(key, alias, version, etag=etag)


@breaks("other_aliases_stay")
class Monogamous(Sound):
    """Keeps one alias."""

    def set_alias(self, key: Key, alias: str, version: str | None, *, etag: str | None = None) -> Record:
        with self.errors():
            record = a_model(self._now(key))
            for other in set(record.aliases) - {alias}:
                super().set_alias(key, other, None)
        return super().set_alias(key, alias, version, etag=etag)


@breaks("an_alias_needs_a_version_that_exists")
class Promising(Sound):
    """Points an alias at what does not exist."""

    def set_alias(self, key: Key, alias: str, version: str | None, *, etag: str | None = None) -> Record:
        try:
            return super().set_alias(key, alias, version, etag=etag)
        except InvalidError:
            record = a_model(self._now(key))
            return self.backend.put(replace(record, aliases={**record.aliases, alias: str(version)}))


@breaks("stages_are_written")
class Deaf(Sound):
    """Accepts an approval and writes nothing."""

    def set_stage(self, key: Key, field: StageField, value: str, *, etag: str | None = None) -> Record:
        found = super().set_stage(key, "stage", a_version(self._now(key)).stage or "None", etag=etag)
        return found if field == "approval" else super().set_stage(key, field, value, etag=etag)


@breaks("an_unknown_stage_field_is_refused")
class Undiscerning(Sound):
    """Names two notions of a stage, and writes every word to the first when it does not know it."""

    stage_fields = frozenset({"stage", "approval"})

    def set_stage(self, key: Key, field: StageField, value: str, *, etag: str | None = None) -> Record:
        return super().set_stage(key, field if field in self.stage_fields else "stage", value, etag=etag)


@breaks("a_version_is_registered")
class Untagged(Sound):
    """Drops the tags of a registration, as SageMaker's fake does."""

    def register(self, registration: Registration) -> VersionRecord:
        return super().register(replace(registration, tags={}))


@breaks("the_same_token_registers_once")
class Doubling(Sound):
    """Does not know the token."""

    def register(self, registration: Registration) -> VersionRecord:
        return super().register(replace(registration, token=""))


@breaks("another_token_registers_another")
class Sourcebound(Sound):
    """Takes the source for the token."""

    def register(self, registration: Registration) -> VersionRecord:
        return super().register(replace(registration, token=registration.model))


@breaks("a_model_is_created")
class Recreating(Sound):
    """Creates a model whenever it is asked, also under a name that is taken."""

    def create_model(self, model: NewModel) -> ModelRecord:
        return self.backend.model(model.name, description=model.description, tags=dict(model.tags))


@breaks("a_model_is_renamed")
class Squatting(Sound):
    """Takes a name that another model has."""

    def rename(self, key: Key, name: str, *, etag: str | None = None) -> Sequence[Record]:
        return (self.backend.put(replace(a_model(self._now(key)), name=name)),)


@breaks("descriptions_are_written")
class Wordy(Sound):
    """Never takes a description away."""

    def describe(self, key: Key, text: str | None, *, etag: str | None = None) -> Record:
        return self.get(key) if text is None else super().describe(key, text, etag=etag)


@breaks("a_version_is_deleted")
class Surprised(Sound):
    """Is surprised that what it deletes is gone."""

    def delete(self, key: Key, *, etag: str | None = None) -> None:
        if key not in self.backend.records:
            raise NotFoundError("no such record: nothing to delete")
        super().delete(key, etag=etag)


@breaks("a_model_is_deleted")
class Halfway(Sound):
    """Deletes the versions of a model, then refuses."""

    def delete(self, key: Key, *, etag: str | None = None) -> None:
        if key.kind == "model" and key in self.backend.records:
            for version in self.backend.versions(key):
                super().delete(version.key)
            raise InvalidError("a model is kept: archive it")
        super().delete(key, etag=etag)


@breaks(
    "a_version_is_deleted",
    "delete_respects_the_incarnation",
)
class Careless(Sound):
    """Deletes whatever lives under the name."""

    def delete(self, key: Key, *, etag: str | None = None) -> None:
        name = key.native_id.partition("#")[0]
        for other in list(self.backend.records):
            if other.kind == key.kind and other.native_id.partition("#")[0] == name:
                super().delete(other, etag=etag)


@breaks("a_write_returns_what_it_wrote")
class Returning(Sound):
    """Returns the record as it was before the write."""

    def set_tags(self, key: Key, tags: Tags, *, etag: str | None = None) -> Record:
        with self.errors():
            before = self.backend.records.get(key)
        found = super().set_tags(key, tags, etag=etag)
        return before or found


@breaks("writing_twice_is_writing_once")
class Appending(Sound):
    """Adds to a tag that is there."""

    def set_tags(self, key: Key, tags: Tags, *, etag: str | None = None) -> Record:
        found = self.backend.records.get(key)
        held = dict(found.tags) if isinstance(found, ModelRecord | VersionRecord) else {}
        more = {n: f"{held[n]},{v}" if v and held.get(n) == v else v for n, v in tags.items()}
        return super().set_tags(key, more, etag=etag)


@breaks("a_current_etag_is_accepted")
class Suspicious(Sound):
    """Believes no etag."""

    def set_stage(self, key: Key, field: StageField, value: str, *, etag: str | None = None) -> Record:
        if etag is not None:
            raise ConflictError("it may have changed: read it again")
        return super().set_stage(key, field, value)


@breaks(
    "a_stale_etag_is_a_conflict",
    "a_lost_race_is_a_conflict",
)
class Reckless(Sound):
    """Does not look at the etag."""

    def set_tags(self, key: Key, tags: Tags, *, etag: str | None = None) -> Record:
        return super().set_tags(key, tags)


@breaks("a_stale_etag_stops_a_delete")
class RecklessDelete(Sound):
    def delete(self, key: Key, *, etag: str | None = None) -> None:
        super().delete(key)


@breaks("writing_to_nothing_is_refused")
class Creative(Sound):
    """Brings a model back to write to it."""

    def set_alias(self, key: Key, alias: str, version: str | None, *, etag: str | None = None) -> Record:
        backend: MemoryBackend = self.backend
        if key not in backend.records and "#" in key.native_id:
            backend.before("set_alias")
            return backend.put(
                ModelRecord(key=key, name=key.native_id.partition("#")[0], aliases={alias: str(version)})
            )
        return super().set_alias(key, alias, version, etag=etag)
