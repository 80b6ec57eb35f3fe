"""What the index holds of one version, or of a model that has none."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from federation.search.answer import Shown
from federation.search.fields import FIELDS, Living

LONGEST_VALUE, LONGEST_TEXT = 300, 600
"""Characters of a tag's value, and of a description, that say what a model is about."""
_NO_WORDS = re.compile(r"://|@|^[\W\d_]*$|^[0-9a-fA-F-]{16,}$")
"""What a tag's value has that is an address, a mailbox, a number or a digest."""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One version (`version_id` and `version` set) or a model without versions (both None).

    Ids are the catalogue's surrogates. `texts` and `entries` hold what each field of `fields.FIELDS` reads, without
    fields that hold nothing: texts, and by name texts or numbers. Times are UTC.
    """

    registry_id: int
    model_id: int
    version_id: int | None = None
    registry: str
    team: str
    model: str
    version: str | None = None
    title: str = ""
    stage: str = "none"
    description: str = ""
    aliases: tuple[str, ...] = ()
    texts: Mapping[str, tuple[str, ...]] = {}
    entries: Mapping[str, Mapping[str, Any]] = {}
    created: datetime | None = None
    first_seen: datetime | None = None
    updated: datetime | None = None
    released: datetime | None = None


def document_of(of: Living, **ids_and_times: Any) -> Document:
    """The document of a living version or model: what it shows, and what each field reads."""
    texts: dict[str, tuple[str, ...]] = {}
    entries: dict[str, Mapping[str, Any]] = {}
    for field in FIELDS:
        if field.entries is not None:
            if held := field.entries(of):
                entries[field.name] = held
        elif found := tuple(dict.fromkeys(filter(None, field.texts(of)))):
            texts[field.name] = found
    return Document(
        registry=of.registry, team=of.team, model=of.model.name, version=None if of.empty else of.version.version,
        title=of.model.title or "", stage=of.stage, aliases=tuple(of.aliases), texts=texts, entries=entries,
        released=of.released,
        description="\n".join(filter(None, (of.model.description, of.version.description))), **ids_and_times,
    )  # fmt: skip


def about(document: Document) -> list[str]:
    """What a model is about, in texts, as one of its versions says it: its name first, its description last."""
    tags = document.entries.get("tag", {}).values()
    said = [document.model, document.title, *document.texts.get("framework", ())]
    said += [value[:LONGEST_VALUE] for value in tags if not _NO_WORDS.search(value)]
    return [*said, document.description[:LONGEST_TEXT]]


class Stored(Shown, frozen=True, kw_only=True):
    """What the index keeps of a document for its hit, with the texts that words are marked in."""

    description: str
    tags: Mapping[str, str]
