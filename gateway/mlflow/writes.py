"""`registered-models/` and `model-versions/`: what changes something, each an operation that is waited for."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import anyio

from adapters import Capability
from federation.errors import StateError, WaypostError
from federation.operations.operations import Become
from federation.operations.wanted import (
    CreateModel,
    Delete,
    Describe,
    Register,
    Rename,
    SetAlias,
    SetTags,
    Wanted,
)
from federation.references import Reference, ReferenceSyntaxError, parse
from gateway.mlflow.asked import CallFields
from gateway.mlflow.changing import change
from gateway.mlflow.errors import invalid, missing_model
from gateway.mlflow.facade import Facade
from gateway.mlflow.grammar import PROMPT
from gateway.mlflow.models import canonical_stage
from gateway.mlflow.names import STAGES, meant_name, model_of, version_at, version_of
from gateway.mlflow.shapes import ARTIFACTS, model_shape, version_shape
from gateway.problems import ProblemError

Shape = Mapping[str, Any]
MOST_TAGS = 100
_ALIAS = re.compile(r"[\w\-]{1,255}", re.ASCII)
_RESERVED = re.compile(r"v[0-9]+", re.IGNORECASE)
_NOUNS = ("registered model", "prompt")
_OF_VERSION = re.compile(r"models:/+([^/@]+)/([^/@]+)")


async def create_model(facade: Facade, asked: CallFields) -> Shape:
    """A model without versions."""
    name = asked.text("name")
    if "/" in name or ":" in name:
        raise invalid(f"Invalid model name '{name[:200]}'. Names cannot contain '/' or ':'.")
    wanted = CreateModel(meant_name(name), asked.optional("description"), _tags(asked))
    with _unless_taken(facade, name, PROMPT in wanted.tags):
        await change(facade, _model(facade, name), wanted)
    return await _model_shape(facade, name)


async def rename_model(facade: Facade, asked: CallFields) -> Shape:
    """A model under another name."""
    name, new_name = asked.text("name"), asked.text("new_name")
    if "/" in new_name or ":" in new_name:
        raise invalid(f"Invalid model name '{new_name[:200]}'. Names cannot contain '/' or ':'.")
    with _unless_taken(facade, new_name):
        await _of_model(facade, name, Rename(meant_name(new_name)))
    return await _model_shape(facade, new_name)


async def update_model(facade: Facade, asked: CallFields) -> Shape:
    """A model with another description."""
    name = asked.text("name")
    await _of_model(facade, name, Describe(asked.optional("description")))
    return await _model_shape(facade, name)


async def delete_model(facade: Facade, asked: CallFields) -> Shape:
    """A model with all of its versions."""
    await _of_model(facade, asked.text("name"), Delete())
    return {}


async def tag_model(facade: Facade, asked: CallFields) -> Shape:
    """A tag of a model."""
    await _of_model(facade, asked.text("name"), SetTags({asked.text("key"): asked.optional("value") or ""}))
    return {}


async def untag_model(facade: Facade, asked: CallFields) -> Shape:
    """A tag of a model goes."""
    await _of_model(facade, asked.text("name"), SetTags({asked.text("key"): None}))
    return {}


async def set_alias(facade: Facade, asked: CallFields) -> Shape:
    """An alias points at a version."""
    name, alias, version = asked.text("name"), _alias(asked), asked.text("version")
    if alias.lower() == "latest":
        raise invalid("'latest' alias name (case insensitive) is reserved.")
    if _RESERVED.fullmatch(alias):
        raise invalid(f"Version alias name '{alias}' is reserved.")
    await _look(lambda: facade.version(name, version))
    await change(facade, _model(facade, name), SetAlias(alias, version))
    return {}


async def delete_alias(facade: Facade, asked: CallFields) -> Shape:
    """An alias goes."""
    await _of_model(facade, asked.text("name"), SetAlias(_alias(asked), None))
    return {}


async def create_version(facade: Facade, asked: CallFields) -> Shape:
    """A version of a model, registered from an address."""
    name, source = asked.text("name"), asked.text("source")
    if facade.can(Capability.CREATE_MODEL):
        await _look(lambda: facade.model(name))
    source = await _look(lambda: _source(facade, source))
    wanted = Register(
        meant_name(name),
        source,
        asked.optional("run_id") or None,
        asked.optional("description"),
        _tags(asked),
        asked.optional("run_link") or None,
    )
    made = (await change(facade, _model(facade, name), wanted)).made
    assert made is not None
    version = parse(made).version or ""
    return await _version_shape(facade, name, version)


async def update_version(facade: Facade, asked: CallFields) -> Shape:
    """A version with another description."""
    return await _of_version(facade, asked, Describe(asked.optional("description")))


async def delete_version(facade: Facade, asked: CallFields) -> Shape:
    """A version."""
    await _of_version(facade, asked, Delete(), shown=False)
    return {}


async def transition_stage(facade: Facade, asked: CallFields) -> Shape:
    """A version in another stage, by the registry's rules, where it has a choice by its own stage."""
    stage = canonical_stage(asked.text("stage"))
    alone = asked.flag("archive_existing_versions")
    if alone and stage not in ("Staging", "Production"):
        raise invalid(
            f"Model version transition cannot archive existing model versions because '{stage}' is not an Active "
            "stage. Valid stages are Staging, Production"
        )
    plain = next(word for word, shown in STAGES.items() if shown == stage)
    return await _of_version(facade, asked, Become(plain, alone, native=True))


async def tag_version(facade: Facade, asked: CallFields) -> Shape:
    """A tag of a version."""
    tags = {asked.text("key"): asked.optional("value") or ""}
    await _of_version(facade, asked, SetTags(tags), shown=False)
    return {}


async def untag_version(facade: Facade, asked: CallFields) -> Shape:
    """A tag of a version goes."""
    await _of_version(facade, asked, SetTags({asked.text("key"): None}), shown=False)
    return {}


@contextmanager
def _unless_taken(facade: Facade, name: str, for_prompt: bool = False) -> Iterator[None]:
    """Errors: 400 where a model or prompt has the name already, in MLflow's words."""
    try:
        yield
    except WaypostError as error:
        if error.code != "exists":
            raise
        wanted = _NOUNS[for_prompt]
        has = _NOUNS[facade.model(name).record.type == "prompt"]
        if has == wanted:
            said = f"{has.title()} (name={name}) already exists: {error}"
        else:
            said = f"Tried to create a {wanted} with name '{name}', but the name is already taken by a {has}."
        raise StateError(said, code="exists") from None


async def _of_model(facade: Facade, name: str, wanted: Wanted) -> None:
    await _look(lambda: facade.model(name))
    await change(facade, _model(facade, name), wanted)


async def _of_version(
    facade: Facade, asked: CallFields, wanted: Become | Wanted, *, shown: bool = True
) -> Shape:
    name, version = asked.text("name"), asked.text("version")
    await _look(lambda: facade.version(name, version))
    await change(facade, version_of(facade.registry, name, version), wanted)
    return await _version_shape(facade, name, version) if shown else {}


async def _model_shape(facade: Facade, name: str) -> Shape:
    return {"registered_model": model_shape(await _look(lambda: facade.model(name)), facade.base)}


async def _version_shape(facade: Facade, name: str, version: str) -> Shape:
    found = await _look(lambda: facade.version(name, version))
    return {"model_version": version_shape(found, facade.base)}


async def _look(read: Any) -> Any:
    """What a read of the catalogue gives."""
    return await anyio.to_thread.run_sync(read)


def _model(facade: Facade, name: str) -> Reference:
    try:
        return model_of(facade.registry, name)
    except ReferenceSyntaxError:
        raise missing_model(name[:200]) from None


def _source(facade: Facade, source: str) -> str:
    """The address that a registry's backend can follow: not one of this façade, and where only MLflow knows what
    `models:/NAME/1` means, that of the files.
    """
    if source.startswith(facade.base + ARTIFACTS):
        model, version, inside = version_at(source.removeprefix(facade.base + ARTIFACTS))
        meant = facade.read(Reference(facade.registry, model, version))
        if inside:
            raise invalid(f"Invalid model version source: '{source[:500]}'. Name the version itself.")
    elif found := _OF_VERSION.fullmatch(source):
        meant = facade.version(found[1], found[2])
        if isinstance(meant.record.native.get("source"), str):
            return source
    else:
        return source
    said = meant.record.native.get("source")
    address = said if isinstance(said, str) else meant.record.artifact_uri
    if not address:
        raise invalid(
            f"Invalid model version source: '{source[:500]}'. Its registry knows no files of that version."
        )
    return address


def _alias(asked: CallFields) -> str:
    alias = asked.text("alias")
    if not _ALIAS.fullmatch(alias):
        raise invalid(
            f"Invalid alias name: '{alias[:200]}'. Names may only contain alphanumerics, underscores (_), and "
            "dashes (-)."
        )
    return alias


def _tags(asked: CallFields) -> dict[str, str]:
    tags = asked.pairs("tags")
    if len(tags) > MOST_TAGS:
        raise ProblemError(400, "invalid-request", f"at most {MOST_TAGS} tags are set at once")
    return tags
