"""What versions need, by whole references: as this gateway reads what their records say."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from federation import tables
from federation.catalogue.reader import Version
from federation.graph.claims import Claim, Unreadable, claims
from federation.graph.words import EdgeKind
from federation.references import Reference, encode_part

STATED = (EdgeKind.DEPENDS_ON, EdgeKind.DERIVED_FROM)


class StatedNeed(NamedTuple):
    """What a version needs: a whole reference, an address, or what nobody can read. `relation` is that of a parent
    (`base`, `copy` …), empty for a dependency.
    """

    ref: str
    relation: str = ""


def read_needs(
    connection: Connection, registry_id: int, registry: str, versions: Sequence[Version]
) -> dict[int, list[StatedNeed]]:
    """What each version needs, by its id.

    `nlp/base` may be a model of that name in the same registry, or `base` of the registry `nlp`. It is the first where
    there is such a model, or was: what other registries hold is not asked, for not everybody may see them.
    """
    said = {
        one.id: [
            claim
            for claim in claims(one.record, one.model_record.tags, registry, registry_id)
            if claim.kind in STATED
        ]
        for one in versions
    }
    own = _own_models(connection, registry_id, [claim for some in said.values() for claim in some])
    return {
        one.id: [StatedNeed(_meant(claim, own), claim.relation or _plain(claim)) for claim in said[one.id]]
        for one in versions
    }


def _plain(claim: Claim) -> str:
    return "parent" if claim.kind is EdgeKind.DERIVED_FROM else ""


def _own_models(connection: Connection, registry_id: int, said: Sequence[Claim]) -> frozenset[str]:
    """Which first readings name a model of the registry itself."""
    names = {
        encode_part(first.model)
        for claim in said
        if isinstance(claim.target, tuple)
        and len(claim.target) > 1
        and isinstance(first := claim.target[0], Reference)
    }
    model = tables.model.c
    query = select(model.name).where(model.registry_id == registry_id, model.name.in_(names)).distinct()
    return frozenset(connection.execute(query).scalars() if names else ())


def _meant(claim: Claim, own: frozenset[str]) -> str:
    match claim.target:
        case Unreadable(text):
            return text
        case (Reference() as first, second):
            return str(first if encode_part(first.model) in own else second)
        case (only,):
            return str(only)
    raise AssertionError("only what is stated is asked for")
