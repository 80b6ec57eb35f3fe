"""Where identity providers say a person's groups: in a claim, in a claim inside a claim, or by reference.

What a provider does not say is never the same as "in no group": each answer says why it is empty.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from federation.errors import UnavailableError

MOST_GROUPS = 10_000
MOST_CALLED = 100
"""Names that one claim gives a person."""
LONGEST_NAME = 255
RETIRED_HOST = "graph.windows.net"
"""Entra's tokens still name its former directory service, which has answered nobody since 2025."""
MEMBERSHIPS = "https://graph.microsoft.com/v1.0/me/getMemberObjects"
MEMBERSHIPS_PATH = "/getMemberObjects"


class ProviderError(UnavailableError):
    """The identity provider cannot be reached or does not make sense; what it is and said, is detail."""

    code = "identity-provider"
    retry_after = 30


@dataclass(frozen=True, slots=True)
class Groups:
    """The names of somebody's groups; None: not known. `remark` is one line on what is missing, or empty."""

    names: tuple[str, ...] | None
    remark: str = ""


def said(claims: Mapping[str, Any], path: str) -> Groups | None:
    """The groups that claims name under a path, such as `groups` or `realm_access.roles`; None: nothing is there.

    A name with dots may be one claim (`https://example.com/groups`): that is looked for first.
    """
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for step in path.split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
    if found is None:
        return None
    listed = [found] if isinstance(found, str) else found
    if not isinstance(listed, list):
        return Groups(None, f"the identity provider's claim {path} is no list of names")
    return of_names(listed, f"the identity provider's claim {path}")


def called(claims: Mapping[str, Any], paths: Sequence[str]) -> tuple[str, ...]:
    """What backends call a person, by these claims; a mail address that the provider has not verified is nobody's."""
    unproved = {"email"} if claims.get("email_verified") is False else set[str]()
    found: list[str] = []
    for path in paths:
        listed = None if path in unproved else said(claims, path)
        found += [] if listed is None or listed.names is None else listed.names[:MOST_CALLED]
    return tuple(dict.fromkeys(found))


def of_names(listed: list[Any], where: str) -> Groups:
    """Names as they were listed; what is no name, or beyond what is kept, is said."""
    names = tuple(dict.fromkeys(one[:LONGEST_NAME] for one in listed if isinstance(one, str) and one))
    if len(names) > MOST_GROUPS:
        remark = f"{where} lists {len(names):,} groups, of which {MOST_GROUPS:,} are kept"
        return Groups(names[:MOST_GROUPS], remark)
    strange = sum(not isinstance(one, str) for one in listed)
    return Groups(names, f"{where} lists {strange:,} that are no names" if strange else "")


def reference(claims: Mapping[str, Any], path: str) -> str | None:
    """Where the provider says that it left the groups, when they were too many for a token: an address, or an empty
    text where it does not say. None: it left nothing out.
    """
    names, sources = claims.get("_claim_names"), claims.get("_claim_sources")
    if not isinstance(names, Mapping) or path not in names:
        return "" if claims.get("hasgroups") in (True, "true") else None
    name = names[path]
    source = sources.get(name) if isinstance(sources, Mapping) and isinstance(name, str) else None
    endpoint = source.get("endpoint") if isinstance(source, Mapping) else None
    return endpoint if isinstance(endpoint, str) else ""


def memberships(endpoint: str) -> str | None:
    """The address that lists memberships for a reference of Entra's; None for one of another kind."""
    parts = urlsplit(endpoint)
    if not parts.path.endswith(MEMBERSHIPS_PATH):
        return None
    return MEMBERSHIPS if parts.hostname == RETIRED_HOST else endpoint
