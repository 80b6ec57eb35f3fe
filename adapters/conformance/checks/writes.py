"""Writes: what is declared works, compares, repeats, and is read back."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import get_args

from adapters.conformance.check import check
from adapters.conformance.lab import Lab, refused, require
from adapters.contract import Capability, NewModel, Registration, StageField
from adapters.errors import ConflictError, InvalidError, NotFoundError, RejectedError
from adapters.records import Key, ModelRecord, Record, VersionRecord

TAG = "team_owner"
SETTERS = (Capability.SET_TAGS, Capability.SET_ALIAS, Capability.SET_STAGE)


def _version(lab: Lab) -> VersionRecord:
    model, version = lab.put()
    return lab.version(model, version)


def _tags(record: Record) -> dict[str, str]:
    return {} if not isinstance(record, ModelRecord | VersionRecord) else dict(record.tags)


@check("put", any_of=[Capability.SET_TAGS])
def tags_are_written(lab: Lab) -> None:
    """Tags of a version and of a model are written and read back by everybody."""
    version = _version(lab)
    for key in (version.key, version.model):
        lab.main.set_tags(key, {TAG: "risk"})
        found = lab.adapter().get(key)
        require(_tags(found).get(TAG) == "risk", f"the tag of a {key.kind} is {_tags(found).get(TAG)!r}")


@check("put", any_of=[Capability.SET_TAGS])
def other_tags_stay(lab: Lab) -> None:
    """A tag that is not named stays, None removes one, removing what is absent succeeds."""
    key = _version(lab).key
    lab.main.set_tags(key, {TAG: "risk", "keep": "yes"})
    lab.main.set_tags(key, {TAG: None})
    lab.main.set_tags(key, {TAG: None})
    tags = _tags(lab.main.get(key))
    require(tags.get("keep") == "yes", "a tag that was not named is gone")
    require(TAG not in tags, "a tag set to None is still there")


@check("put", any_of=[Capability.SET_TAGS])
def a_written_tag_is_seen_by_a_scan(lab: Lab) -> None:
    """What was written comes with the next incremental scan."""
    key = _version(lab).key
    mark = lab.scan().watermark
    lab.main.set_tags(key, {TAG: "risk"})
    found = lab.scan(since=mark).by_key().get(key)
    require(
        found is not None and _tags(found).get(TAG) == "risk", "the incremental scan misses a written tag"
    )


@check("put", "hostile_values", any_of=[Capability.SET_TAGS])
def hostile_values_are_written(lab: Lab) -> None:
    """Tag values with markup, quotes, line ends and emoji, and the empty one, are written as they are."""
    key = _version(lab).key
    for value in lab.harness.hostile_values:
        lab.main.set_tags(key, {TAG: value})
        found = _tags(lab.main.get(key)).get(TAG)
        require(found == value, f"the tag value {value!r} is written as {found!r}")


@check("put", any_of=[Capability.SET_ALIAS])
def an_alias_is_set_moved_and_removed(lab: Lab) -> None:
    """An alias points at a version, moves to another, and goes; removing it again succeeds."""
    first = _version(lab)
    model = lab.main.get(first.model)
    assert isinstance(model, ModelRecord)
    second = lab.put(model.name)[1]
    for target in (first.version, second, None, None):
        lab.main.set_alias(first.model, "champion", target)
        found = lab.adapter().get(first.model)
        assert isinstance(found, ModelRecord)
        require(found.aliases.get("champion") == target, f"the alias names {found.aliases.get('champion')}")


@check("put", any_of=[Capability.SET_ALIAS])
def other_aliases_stay(lab: Lab) -> None:
    """Writing one alias leaves the others alone."""
    version = _version(lab)
    for alias in ("champion", "challenger"):
        lab.main.set_alias(version.model, alias, version.version)
    lab.main.set_alias(version.model, "champion", None)
    found = lab.main.get(version.model)
    assert isinstance(found, ModelRecord)
    require(
        "challenger" in found.aliases and "champion" not in found.aliases,
        f"aliases are {dict(found.aliases)}",
    )


@check("put", any_of=[Capability.SET_ALIAS])
def an_alias_needs_a_version_that_exists(lab: Lab) -> None:
    """An alias to a version that does not exist is refused, and nothing is written."""
    version = _version(lab)
    refused(
        lambda: lab.main.set_alias(version.model, "champion", "987654321"),
        InvalidError,
        NotFoundError,
        doing="an alias to an unknown version",
    )
    found = lab.main.get(version.model)
    require(isinstance(found, ModelRecord) and "champion" not in found.aliases, "the alias was written")


@check("put", any_of=[Capability.SET_STAGE])
def stages_are_written(lab: Lab) -> None:
    """Every field in `stage_fields` is written and read back."""
    key = _version(lab).key
    missing = lab.main.stage_fields - lab.harness.stages.keys()
    require(not missing, f"the harness gives no `stages` for {', '.join(sorted(missing))}")
    for field in sorted(lab.main.stage_fields):
        for value in lab.harness.stages[field]:
            lab.main.set_stage(key, field, value)
            found = getattr(lab.adapter().get(key), field)
            require(found == value, f"{field} is {found!r}, written was {value!r}")


@check("put", any_of=[Capability.SET_STAGE])
def an_unknown_stage_field_is_refused(lab: Lab) -> None:
    """A notion of stage that the adapter does not name in `stage_fields` is refused."""
    key = _version(lab).key
    for field in get_args(StageField):
        if field not in lab.main.stage_fields:
            refused(
                partial(lab.main.set_stage, key, field, "x"), RejectedError, doing=f"set_stage of {field}"
            )


@check("put", any_of=[Capability.REGISTER])
def a_version_is_registered(lab: Lab) -> None:
    """A registration makes the model and the version, with source and tags, and returns it as a scan gives it."""
    name = lab.name()
    made = lab.main.register(
        Registration(model=name, source=lab.harness.source, tags={TAG: "risk"}, token=lab.name())
    )
    require(isinstance(made, VersionRecord), f"register returned {type(made).__name__}")
    found = lab.version(name, made.version)
    require(found.key == made.key, "the registered version has another key in a scan")
    require(found.artifact_uri == lab.harness.source, f"its source is {found.artifact_uri!r}")
    require(found.tags.get(TAG) == "risk", "its tags are missing")


@check("put", any_of=[Capability.REGISTER])
def the_same_token_registers_once(lab: Lab) -> None:
    """A registration repeated with its token, by another instance too, returns the same version."""
    registration = Registration(model=lab.name(), source=lab.harness.source, token=lab.name())
    first = lab.main.register(registration)
    again = lab.adapter().register(registration)
    require(first.key == again.key, f"the same token made versions {first.version} and {again.version}")
    scan = lab.scan()
    count = len(scan.versions(scan.models()[registration.model].key))
    require(count == 1, f"the same token left {count} versions")


@check("put", any_of=[Capability.REGISTER])
def another_token_registers_another(lab: Lab) -> None:
    """Another token, with everything else the same, makes another version."""
    name = lab.name()
    made = [
        lab.main.register(Registration(model=name, source=lab.harness.source, token=lab.name()))
        for _ in range(2)
    ]
    require(made[0].key != made[1].key, "two registrations with different tokens made one version")


@check("put", any_of=[Capability.DELETE])
def a_version_is_deleted(lab: Lab) -> None:
    """A deleted version is gone, deleting it again succeeds, and its sibling stays."""
    first = _version(lab)
    model = lab.main.get(first.model)
    assert isinstance(model, ModelRecord)
    second = lab.put(model.name)[1]
    sibling = lab.version(model.name, second).key
    for _ in range(2):
        lab.main.delete(first.key)
        require(lab.absent(first.key, lab.adapter()), "get still gives a version that was deleted")
    require(not lab.absent(sibling), "another version went as well")


@check("put", any_of=[Capability.DELETE])
def a_model_is_deleted(lab: Lab) -> None:
    """A deleted model is gone with its versions, or refused with the reason; half of it never stays."""
    version = _version(lab)
    try:
        lab.main.delete(version.model)
    except RejectedError:
        require(not lab.absent(version.model), "delete was refused, and the model is gone")
        require(not lab.absent(version.key), "delete was refused, and its version is gone")
        return
    require(lab.absent(version.model), "get still gives a model that was deleted")
    require(lab.absent(version.key), "get still gives a version of a model that was deleted")


@check("put", "recreates", "drop", any_of=[Capability.DELETE])
def delete_respects_the_incarnation(lab: Lab) -> None:
    """Deleting the key of an old incarnation leaves the one that lives now alone."""
    model, version = lab.put()
    old = lab.version(model, version)
    lab.harness.drop(model)
    new = lab.version(model, lab.put(model)[1])
    for key in (old.key, old.model):
        try:
            lab.main.delete(key)
        except RejectedError:
            continue
    require(not lab.absent(new.key), "deleting an old incarnation deleted the new version")
    require(not lab.absent(new.model), "deleting an old incarnation deleted the new model")


@check("put", any_of=[Capability.CREATE_MODEL])
def a_model_is_created(lab: Lab) -> None:
    """A model without versions is created and scanned; its token creates it once, another one is refused."""
    model = NewModel(name=lab.name(), description="for a check", tags={TAG: "risk"}, token=lab.name())
    first = lab.main.create_model(model)
    again = lab.adapter().create_model(model)
    require(first.key == again.key, "the same token created another model")
    found = lab.scan().models().get(model.name)
    require(found is not None and found.key == first.key, "a scan does not give the model that was created")
    assert found is not None
    require(found.tags.get(TAG) == "risk", "its tags are missing")
    require(found.description == model.description, f"its description is {found.description!r}")
    refused(
        lambda: lab.main.create_model(replace(model, token=lab.name())),
        ConflictError,
        doing="creating a model under a name that is taken",
    )


@check("put", any_of=[Capability.RENAME])
def a_model_is_renamed(lab: Lab) -> None:
    """A model has its new name, with all of its versions; repeated it succeeds; a name that is taken is refused."""
    former = _version(lab)
    other = lab.put()[0]
    name = lab.name()
    renamed = lab.main.rename(former.model, name)[0]
    again = lab.adapter().rename(former.model, name)[0]
    require(renamed.key == again.key, "renamed again, the model has another key")
    scan = lab.scan()
    found = scan.models().get(name)
    require(
        found is not None and found.key == renamed.key, "a scan does not give the model under its new name"
    )
    versions = list(scan.versions(renamed.key))
    require(versions == [former.version], f"under its new name the model has the versions {versions}")
    refused(lambda: lab.main.rename(renamed.key, other), ConflictError, doing="a name that is taken")


@check("put", any_of=[Capability.DESCRIBE])
def descriptions_are_written(lab: Lab) -> None:
    """The description of a version and of a model is written, and taken away; tags stay."""
    version = _version(lab)
    for key in (version.key, version.model):
        before = _tags(lab.main.get(key))
        for text in ("what it is", None):
            lab.main.describe(key, text)
            found = lab.adapter().get(key)
            said = getattr(found, "description", None) or None
            require(said == text, f"the description of a {key.kind} is {said!r}, written was {text!r}")
            require(_tags(found) == before, f"describing a {key.kind} changed its tags")


def _setters(lab: Lab, version: VersionRecord) -> Iterator[tuple[str, Key, Callable[..., object]]]:
    """Each write that takes an etag: its name, whose etag, and the call."""
    adapter = lab.main
    able = adapter.capabilities
    if Capability.SET_TAGS in able:
        yield "set_tags", version.key, partial(adapter.set_tags, version.key, {TAG: "risk"})
    if Capability.SET_ALIAS in able:
        yield (
            "set_alias",
            version.model,
            partial(adapter.set_alias, version.model, "champion", version.version),
        )
    if Capability.SET_STAGE in able:
        for field in sorted(adapter.stage_fields & lab.harness.stages.keys()):
            value = lab.harness.stages[field][1]
            yield (
                f"set_stage {field}",
                version.key,
                partial(adapter.set_stage, version.key, field, value),
            )


@check("put", any_of=SETTERS)
def a_write_returns_what_it_wrote(lab: Lab) -> None:
    """A setter returns the record as the next `get` gives it."""
    for name, key, write in _setters(lab, _version(lab)):
        returned = write()
        require(returned == lab.adapter().get(key), f"{name} returned something else than get gives")


@check("put", any_of=SETTERS)
def writing_twice_is_writing_once(lab: Lab) -> None:
    """A write repeated succeeds and leaves the record as it is: a caller that lost the answer asks again."""
    for name, key, write in _setters(lab, _version(lab)):
        write()
        first = lab.main.get(key)
        write()
        again = lab.main.get(key)
        kept = ("tags", "aliases", "stage", "approval", "lifecycle")
        same = all(getattr(first, f, None) == getattr(again, f, None) for f in kept)
        require(same, f"{name} done twice leaves something else than done once")


@check("put", any_of=SETTERS)
def a_current_etag_is_accepted(lab: Lab) -> None:
    """A write with the etag of the record as it is now succeeds."""
    for name, key, write in _setters(lab, _version(lab)):
        try:
            write(etag=lab.main.get(key).etag)
        except ConflictError as error:
            require(False, f"{name} with the current etag is a conflict: {error}")


@check("put", any_of=SETTERS)
def a_stale_etag_is_a_conflict(lab: Lab) -> None:
    """A write with an etag that is no longer the record's raises ConflictError and writes nothing."""
    version = _version(lab)
    for name, key, write in _setters(lab, version):
        before = lab.main.get(key)
        refused(partial(write, etag="waypost-stale-etag"), ConflictError, doing=f"{name} with a stale etag")
        require(lab.main.get(key) == before, f"{name} with a stale etag wrote something")


@check("put", "tag", any_of=[Capability.DELETE])
def a_stale_etag_stops_a_delete(lab: Lab) -> None:
    """A delete with the etag from before a change raises ConflictError; the record stays."""
    model, version = lab.put()
    before = lab.version(model, version)
    lab.harness.tag(model, version, TAG, "risk")
    refused(lambda: lab.main.delete(before.key, etag=before.etag), ConflictError, doing="a stale delete")
    require(not lab.absent(before.key), "a delete with a stale etag deleted")


@check("put", "tag", any_of=[Capability.SET_TAGS])
def a_lost_race_is_a_conflict(lab: Lab) -> None:
    """Between reading and writing somebody else wrote: ConflictError, and theirs stays."""
    model, version = lab.put()
    read = lab.version(model, version)
    lab.harness.tag(model, version, TAG, "theirs")
    refused(
        lambda: lab.main.set_tags(read.key, {TAG: "ours"}, etag=read.etag),
        ConflictError,
        doing="a write that lost",
    )
    require(_tags(lab.main.get(read.key)).get(TAG) == "theirs", "the other's write was overwritten")


@check("put", "drop", any_of=SETTERS)
def writing_to_nothing_is_refused(lab: Lab) -> None:
    """A write to a record that is gone raises NotFoundError, and does not bring it back."""
    model, version = lab.put()
    record = lab.version(model, version)
    writes = list(_setters(lab, record))
    lab.harness.drop(model)
    for name, _, write in writes:
        refused(write, NotFoundError, doing=f"{name} of a deleted record")
    require(lab.absent(record.model), "a write to a deleted model brought it back")
