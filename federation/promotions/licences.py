"""Licences of a version and of what it was derived from: whether a policy denies one, and which ancestor brings it.

A licence is an SPDX expression. What people mean by one is decided on the expression as it was written: of alternatives
one that is allowed is enough, of what holds together everything must be. A word that names a family (`gpl`, `cc`) or
nothing (`other`) decides nothing: it is unknown.
"""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Connection, bindparam, select

from federation import tables
from federation.catalogue.codec import decode_model, decode_version
from federation.graph.tables import edge, node
from federation.graph.words import EdgeKind, NodeKind
from federation.promotions.case import Case, CheckResult, few
from federation.references import Reference, decode_part
from federation.statements.kinds import Verdict

UNDETERMINED = frozenset(
    {"gpl", "lgpl", "agpl", "bsd", "cc", "gfdl", "other", "unknown", "none", "noassertion", "proprietary"}
)
"""Words that registries give as licences and that determine none; the library would take `gpl` for GPL-1.0-or-later."""
MOST, DEEPEST = 1000, 50


class Brought(NamedTuple):
    """A licence, as it was written, and who brings it; None: nobody says."""

    ref: str
    license: str | None


def licences(case: Case) -> Iterator[CheckResult]:
    """Whether the version, or along its lineage one of its ancestors, has a licence that the policy denies."""
    version, terms = case.version, case.policy.licenses
    if not terms.deny:
        return
    brought = [Brought(str(version.reference), version.record.license or version.model_record.license)]
    if terms.along:
        brought += _ancestors(case.connection, version.id)
    said = {one: judge(one.license, terms.deny) for one in brought}
    denied = [one for one, verdict in said.items() if verdict == "no"]
    unknown = [one for one, verdict in said.items() if verdict == "unknown"]
    holds = False if denied else None if unknown else True
    told = denied or unknown or brought[:1]
    seen = few([f"{one.ref} brings {one.license or 'no licence that is known'}" for one in told])
    source = "the records along the lineage" if terms.along else "the record"
    facts = sorted([one.ref, one.license, verdict] for one, verdict in said.items())
    expected = f"none of {', '.join(terms.deny)}"
    yield CheckResult.of("licenses", holds, expected, seen, source, facts, is_wide=bool(terms.along))


def judge(text: str | None, denied: tuple[str, ...]) -> Verdict:
    """Whether a licence is none of those denied, each a name with wildcards."""
    word = (text or "").strip()
    if not word or word.lower() in UNDETERMINED:
        return "unknown"
    try:
        tree = _licensing().parse(word, validate=True, strict=True)
    except Exception:  # the library's errors have no root of their own
        if len(word.split()) > 1 or "/" in word or "(" in word:
            return "unknown"  # no expression, and no name either
        return "no" if _matches(word, denied) else "yes"
    return "yes" if _is_allowed(tree, denied) else "no"


def _is_allowed(tree: Any, denied: tuple[str, ...]) -> bool:
    """Of the expression as it was written: simplified, it could lose what was denied."""
    from license_expression import AND, OR, LicenseWithExceptionSymbol

    if isinstance(tree, OR):
        return any(_is_allowed(one, denied) for one in tree.args)
    if isinstance(tree, AND):
        return all(_is_allowed(one, denied) for one in tree.args)
    if isinstance(tree, LicenseWithExceptionSymbol):
        return not _matches(str(tree), denied) and _is_allowed(tree.license_symbol, denied)
    return not _matches(str(tree.key), denied)


def _matches(name: str, denied: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name.lower(), one.lower()) for one in denied)


@cache
def _licensing() -> Any:
    from license_expression import get_spdx_licensing  # deferred: a tenth of a second

    return get_spdx_licensing()


_NODE = select(node.c.id).where(
    node.c.kind == int(NodeKind.VERSION), node.c.scope == bindparam("version"), node.c.name == ""
)


def _ancestors(connection: Connection, version_id: int) -> Iterator[Brought]:
    """What a version was derived from, all the way; what nobody knows is there without a licence."""
    frontier = set(connection.execute(_NODE, {"version": version_id}).scalars())
    seen = set(frontier)
    for _ in range(DEEPEST):
        if not frontier or len(seen) > MOST:
            break
        targets: set[int] = set()
        for wanted, target in _parents(connection, frontier):
            if target is None:
                yield Brought(wanted, None)
            else:
                targets.add(target)
        frontier = targets - seen
        seen |= frontier
        yield from _licensed(connection, frontier)
    if frontier:
        yield Brought("more ancestors than are looked at", None)


_NODES: BindParameter[Any] = bindparam("nodes", expanding=True)
_target = node.alias()
# Built once, as the other: they are asked for each version that is surveyed.
_PARENTS = (
    select(edge.c.wanted, _target.c.id, _target.c.kind, _target.c.means, _target.c.gone)
    .outerjoin(_target, _target.c.id == edge.c.target)
    .where(edge.c.source.in_(_NODES), edge.c.kind == int(EdgeKind.DERIVED_FROM), ~edge.c.gone)
)
_versions, _models, _registries = tables.version.c, tables.model.c, tables.registry.c
_LICENSED = (
    select(
        _versions.version,
        _versions.body,
        _models.name,
        _models.body.label("model_body"),
        _registries.name.label("registry"),
    )
    .select_from(node)
    .join(tables.version, _versions.id == node.c.scope)
    .join(tables.model, _models.id == _versions.model_id)
    .join(tables.registry, _registries.id == _models.registry_id)
    .where(node.c.id.in_(_NODES))
)


def _parents(connection: Connection, nodes: set[int]) -> Iterator[tuple[str, int | None]]:
    """What these nodes say that they were derived from, and which version that is."""
    for row in connection.execute(_PARENTS, {"nodes": sorted(nodes)}):
        found = row.id if row.kind == int(NodeKind.VERSION) else row.means
        yield row.wanted, None if row.gone else found


def _licensed(connection: Connection, nodes: set[int]) -> Iterator[Brought]:
    for row in connection.execute(_LICENSED, {"nodes": sorted(nodes)}) if nodes else ():
        ref = Reference(row.registry, decode_part(row.name), decode_part(row.version))
        own = decode_version(row.body).license or decode_model(row.model_body).license
        yield Brought(str(ref), own)
