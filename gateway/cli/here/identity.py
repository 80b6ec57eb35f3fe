"""Access: who may do what, and who is signed in."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from federation.access import LOCAL
from gateway.api import access_out as out
from gateway.cli.here import Ident, Query, checked

if TYPE_CHECKING:
    from gateway.waypost import Waypost


def answer(waypost: "Waypost", asked: tuple[str, ...], query: Query, body: Any) -> object:
    """What is asked about access. Errors: those of the face."""
    identity = waypost.identity
    match asked:
        case ("GET", "whoami"):
            return out.whoami_out(LOCAL, identity.account(LOCAL))
        case ("GET", "tokens"):
            return out.tokens_out(identity, identity.tokens(LOCAL))
        case ("POST", "tokens"):
            return out.secret_out(identity, *identity.create_token(LOCAL, checked(out.TokenIn, body).spec()))
        case ("POST", "tokens", name, "rotate"):
            keep = timedelta(hours=checked(out.RotateIn, body).keep_hours)
            return out.secret_out(identity, *identity.rotate_token(LOCAL, name, keep=keep))
        case ("DELETE", "tokens", name):
            identity.revoke_token(LOCAL, name)
            return None
        case ("GET", "grants"):
            return out.grants_out(identity, identity.grants(LOCAL))
        case ("POST", "grants"):
            return out.grant_out(identity, identity.give_role(LOCAL, checked(out.GrantIn, body).spec()))
        case ("DELETE", "grants", number):
            identity.take_role(LOCAL, checked(Ident, number, "grant_id"))
            return None
    return _people(waypost, asked)


def _people(waypost: "Waypost", asked: tuple[str, ...]) -> object:
    identity = waypost.identity
    match asked:
        case ("GET", "principals"):
            return out.PrincipalsOut(identity.members(LOCAL))
        case ("POST", "principals", name, "disable"):
            return out.EndedOut(identity.disable(LOCAL, name))
        case ("POST", "principals", name, "enable"):
            identity.enable(LOCAL, name)
            return None
        case ("DELETE", "principals", name, "sessions"):
            return out.EndedOut(identity.end_sessions_of(LOCAL, name))
        case ("GET", "sessions"):
            return out.SessionsOut(identity.sessions(LOCAL))
        case ("DELETE", "sessions", session):
            identity.end_session(LOCAL, session)
            return None
    raise LookupError(asked)
