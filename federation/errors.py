"""The errors of the federation: one tree, whose branches say what the caller should do.

An error has a stable `code` and a text in one line, with cause and remedy, that whoever asked may read, strangers too.
Each dialect prints them in its own shape from these alone: it knows the branches, never the errors on them.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar


class WaypostError(Exception):
    """Something that cannot be done. `detail` is for operators alone, since it may name hosts, files and people. No
    secret is in either.
    """

    code: str = "internal"
    retry_after: ClassVar[int | None] = None
    """Seconds after which the same request may succeed, where that is known."""

    def __init__(self, text: str, detail: str = "", *, code: str | None = None) -> None:
        super().__init__(text)
        self.detail = detail
        if code is not None:
            self.code = code

    @property
    def whole(self) -> str:
        """Both texts, for logs and for the terminal of whoever runs the gateway."""
        return f"{self} ({self.detail})" if self.detail else str(self)

    @property
    def fields(self) -> Mapping[str, object]:
        """What the answer says beside its text: `position` and `expected` of a mistake, the `parameter` it is in."""
        return {}


class InvalidRequestError(WaypostError, ValueError):
    """Change the request: it can never be met as it is."""

    code = "invalid-request"


class UnauthenticatedError(WaypostError):
    """Show credentials, or others."""

    code = "unauthenticated"


class DeniedError(WaypostError):
    """Ask for a role: the principal may see this, but not do it."""

    code = "forbidden"

    def __init__(self, permission: str, where: str, roles: Sequence[str] = (), *, remedy: str = "") -> None:
        named = f" ({' or '.join(roles)})" if roles else ""
        remedy = remedy or f"ask an operator for a role that has it{named}"
        super().__init__(f"you lack the permission {permission} on {where}: {remedy}")
        self.permission = permission
        self.where = where


class UnknownError(WaypostError):
    """Name something else. Hidden and absent: the same words for both, and nothing of what was asked for."""

    code = "not-found"

    def __init__(self, text: str = "nothing is known under this name that you may see") -> None:
        super().__init__(text)


class GoneError(WaypostError):
    """Name something else: what was named is deleted. `known` is what was known of it last."""

    code = "deleted"

    def __init__(self, ref: object, known: object) -> None:
        super().__init__(f"{ref} was deleted: what was known of it last stands in this answer")
        self.known = known


class StateError(WaypostError):
    """Look how things stand: they do not allow this now."""

    code = "conflict"


class TooManyError(WaypostError):
    """Wait a minute: this was asked for too often."""

    code = "too-many-requests"
    retry_after = 60


class PreconditionError(WaypostError):
    """Read again: what the request was made from has changed."""

    code = "precondition-failed"


class SetupError(WaypostError):
    """Whoever runs Waypost must mend how it is set up."""

    code = "not-set-up"


class UnavailableError(WaypostError):
    """Try again later: a part of Waypost, or something behind it, does not answer."""

    code = "unavailable"
