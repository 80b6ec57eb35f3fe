"""What versions were made from: data sets and parents, as expressions find them."""

from collections.abc import Mapping
from typing import Any, get_args

from adapters.naming import reference
from adapters.records import Dataset, Parent, ParentKind, dataset_role
from adapters.rest.expressions import MappingError, as_text

KINDS: Mapping[str, ParentKind] = {kind: kind for kind in get_args(ParentKind)}


def as_datasets(value: Any, where: str) -> tuple[Dataset, ...]:
    """Of each: its address, or {name, digest, uri, role}. Errors: `MappingError`."""
    return tuple(_dataset(one, where) for one in _listed(value))


def as_parents(value: Any, where: str) -> tuple[Parent, ...]:
    """Of each: a reference or address, or {model, version, kind} of the same registry. Errors: `MappingError`."""
    return tuple(_parent(one, where) for one in _listed(value))


def as_names(value: Any, where: str) -> tuple[str, ...]:
    """Texts. Errors: `MappingError`."""
    return tuple(_named(one, where) for one in _listed(value))


def _dataset(one: Any, where: str) -> Dataset:
    if not isinstance(one, Mapping):
        return Dataset.at(_named(one, where))
    name, digest, uri, role = (as_text(one.get(part), where) for part in ("name", "digest", "uri", "role"))
    role = dataset_role(role)
    if name:
        return Dataset(name, digest, uri, role)
    at = Dataset.at(_named(uri, where), role)
    return Dataset(at.name, digest, uri, role)


def _parent(one: Any, where: str) -> Parent:
    if not isinstance(one, Mapping):
        return Parent(_named(one, where))
    version = one.get("version")
    named = reference(_named(one.get("model"), where), None if version is None else _named(version, where))
    kind = KINDS.get(str(one.get("kind") or "parent"))
    if kind is None:
        raise MappingError(f"{where}: {str(one['kind'])[:40]!r} is none of {', '.join(KINDS)}")
    return Parent(named, kind)


def _listed(value: Any) -> list[Any]:
    """A list, also of a single thing; without nulls."""
    return [one for one in (value if isinstance(value, list) else [value]) if one is not None]


def _named(value: Any, where: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise MappingError(f"{where} holds {type(value).__name__}, expected a name")
    return str(value)
