"""Changes of models on their backends, and what became of them."""

import asyncio
from typing import TYPE_CHECKING, Any, Literal

from federation.access import LOCAL
from federation.operations.operations import Become, Chosen, RequestedChange
from federation.operations.wanted import Delete, SetAlias, SetTags, Wanted
from federation.references import Reference
from gateway.api import operations_out as out
from gateway.api.statements_out import stated
from gateway.cli.here import Ident, Query, checked, reference_of
from gateway.intents import ask
from gateway.parameters import read_etags

if TYPE_CHECKING:
    from gateway.waypost import Waypost


def answer(waypost: "Waypost", asked: tuple[str, ...], query: Query, body: Any) -> object:
    """What is asked of operations, and every change. Errors: those of the face."""
    match asked:
        case ("GET", "operations"):
            state = checked(out.State | None, query.get("state"), "state")
            chosen = Chosen(query.get("registry"), state, None, None)
            found = waypost.operations.list(LOCAL.view, chosen, query.get("limit", 50))
            return out.operations_out(waypost, found, query.get("limit", 50))
        case ("GET", "operations", number):
            found_one = waypost.operations.show(LOCAL.view, checked(Ident, number, "operation_id"))
            return out.operation_out(waypost, found_one)
        case ("POST", "versions", *ref):
            return stated(waypost, LOCAL, "/".join(ref), body)
        case ("PUT", "versions", *ref, "stage"):
            return _written(waypost, query, reference_of(ref), Become(checked(out.StageIn, body).stage))
        case ("PUT", "models", *ref, "aliases", alias):
            version = str(checked(out.AliasIn, body).version)
            return _written(waypost, query, reference_of(ref), SetAlias(alias, version))
        case ("DELETE", "models", *ref, "aliases", alias):
            return _written(waypost, query, reference_of(ref), SetAlias(alias, None))
        case ("PATCH", "versions" | "models" as area, *ref, "tags"):
            tags = SetTags(checked(out.TagsIn, body).tags)
            return _written(
                waypost, query, reference_of(ref), tags, "model" if area == "models" else "version"
            )
        case ("DELETE", "versions" | "models" as area, *ref):
            of: Literal["model", "version"] = "model" if area == "models" else "version"
            return _written(waypost, query, reference_of(ref), Delete(), of)
        case ("POST", "registries", name, "versions"):
            version = checked(out.VersionIn, body)
            return _written(waypost, query, Reference(name, version.model), version.wanted())
    raise LookupError(asked)


def _written(
    waypost: "Waypost",
    query: Query,
    reference: Reference,
    wanted: Become | Wanted,
    of: Literal["model", "version", ""] = "",
) -> object:
    """The plan, or what is said once the intent is committed."""
    etags = read_etags(query.get("If-Match"))
    change = RequestedChange(reference, wanted, etags, of, query.get("Waypost-Plan"))
    if query.get("dry_run"):
        return out.plan_out(waypost.operations.plan(LOCAL, change))
    answer = asyncio.run(ask(waypost.operations, LOCAL, change, query.get("Idempotency-Key")))
    return out.asked_out(waypost, answer, LOCAL)
