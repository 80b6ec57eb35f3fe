"""The audit log, its proofs and its keeping."""

from typing import TYPE_CHECKING, Any

from federation.access import LOCAL
from federation.erasure import erase
from federation.journal.journal import is_cut
from gateway.api import journal_out as out
from gateway.api.out import journal_out
from gateway.cli.here import Query, checked
from gateway.meant import whole
from gateway.names import names_in, with_actor
from gateway.parameters import FILTERS, read_filter, read_time

if TYPE_CHECKING:
    from gateway.waypost import Waypost


def answer(waypost: "Waypost", asked: tuple[str, ...], query: Query, body: Any) -> object:
    """What is asked of `/audit`. Errors: those of the faces."""
    journal = waypost.journal
    match asked:
        case ("GET", "audit"):
            given = {name: query.get(name) for name in FILTERS} | {"ref": whole(waypost, query.get("ref"))}
            wanted = with_actor(waypost.identity, read_filter(**given))
            limit, newest = query.get("limit", 100), query.get("newest_first", False)
            after = checked(out.After, query.get("after", -1), "after")
            lines = journal.entries(wanted, after=after, limit=limit, newest_first=newest)
            return journal_out(lines, names_in(waypost.identity, lines), is_cut=is_cut(lines, limit))
        case ("GET", "audit", "checkpoint"):
            return journal.checkpoint().decode()
        case ("GET", "audit", "keys"):
            return out.keys_out(journal.keys())
        case ("GET", "audit", "witnesses"):
            return out.witnesses_out(journal.witnesses())
        case ("POST", "audit", "rotation"):
            return out.RotationOut(str(journal.rotate_key(LOCAL.id)))
        case ("POST", "audit", "resume"):
            return out.resumed_out(journal.signer.resume(LOCAL.id, query.get("reason")))
        case ("POST", "audit", "erasures"):
            given = checked(out.ErasureIn, body)
            is_dry = bool(query.get("dry_run"))
            return out.ErasureOut(
                *erase(waypost.engine, given.subject, actor=LOCAL.id, reason=given.reason, dry_run=is_dry)
            )
        case ("POST", "audit", "seals"):
            before = read_time(checked(out.SealIn, body).before, "before")
            assert before is not None
            return out.seal_out(journal.seal_before(before, actor=LOCAL.id))
    raise LookupError(asked)
