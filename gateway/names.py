"""What people and tokens are called, beside the opaque ids that records and the journal have for them.

Whoever sees what somebody did sees their name. Nobody's name is kept with what they did, so erasing it takes it away.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import msgspec

if TYPE_CHECKING:
    from federation.identity.identity import Identity
    from federation.journal.journal import JournalFilter, Line

ENDING = "_name"
"""A field with this behind its name is what the field of that name is called."""
T = TypeVar("T", bound=msgspec.Struct)


def with_names(identity: "Identity", rows: Iterable[T]) -> list[T]:
    """Rows with the names filled in, where somebody is known by one; else the id stands for it."""
    found = list(rows)
    fields = [name for name in found[0].__struct_fields__ if name.endswith(ENDING)] if found else []
    sources = {name: name.removesuffix(ENDING) for name in fields}
    names = identity.names(getattr(row, of) for row in found for of in sources.values())
    for row in found:
        for field, of in sources.items():
            id_ = getattr(row, of)
            setattr(row, field, names.get(id_, id_))
    return found


def with_actor(identity: "Identity", wanted: "JournalFilter") -> "JournalFilter":
    """What is asked of the journal, by the ids of those who are called as its actor."""
    ids = [] if wanted.actor is None else identity.called(wanted.actor)
    return replace(wanted, actor=",".join(ids)) if ids else wanted


def names_in(identity: "Identity", lines: Iterable["Line"]) -> Mapping[str, str]:
    """What those are called who did what entries tell, and to whom they did it."""
    entries = [line.recorded.entry for line in lines]
    about = (str(entry.details["principal"]) for entry in entries if "principal" in entry.details)
    return identity.names([*(entry.actor for entry in entries), *about])
