"""What the API takes and answers about statements."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from federation.catalogue.catalogue import SampleRequest, Validation
from federation.errors import UnknownError
from federation.statements.statements import ArtifactStatement, VersionComment
from gateway.meant import COMMENTS, STATEMENTS, VALIDATE, reference_meant
from gateway.names import with_names
from gateway.parameters import checked

if TYPE_CHECKING:
    from collections.abc import Iterable

    from federation.access import Principal
    from federation.identity.identity import Identity
    from gateway.waypost import Waypost


class StatementIn(msgspec.Struct, forbid_unknown_fields=True):
    """A statement about a version's artifact. `content` is what is stated, in base64: it is kept byte for byte."""

    kind: Literal["signature", "scan", "evaluation", "check"]
    content: Annotated[bytes, msgspec.Meta(min_length=1)]
    digest: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    """The artifact that it is about: refused where the version has another one by now."""


class StatementsOut(msgspec.Struct):
    """What was stated of a version, newest first."""

    statements: list[ArtifactStatement]


class CommentIn(msgspec.Struct, forbid_unknown_fields=True):
    """What somebody says of a version, in at most 4000 characters."""

    words: str


class CommentOut(msgspec.Struct):
    """What somebody said of a version."""

    id: int
    words: str
    is_current: bool
    """Whether it is about the artifact that the version has."""
    principal: str
    at: datetime
    principal_name: str = ""
    """What the principal is called, until that is erased."""


class CommentsOut(msgspec.Struct):
    """What people said of a version, newest first."""

    comments: list[CommentOut]
    """At most the newest 200."""


def comments_out(identity: "Identity", found: "Iterable[VersionComment]") -> list[CommentOut]:
    """Comments with the names of who said them."""
    rows = (CommentOut(one.id, one.words, one.is_current, one.principal, one.at) for one in found)
    return with_names(identity, rows)


def stated(
    waypost: "Waypost", principal: "Principal", ref: str, given: object
) -> ArtifactStatement | CommentOut | Validation:
    """What is said of a version, or asked of what it takes, by what stands behind its reference. Errors: those of the
    faces, and `UnknownError` where nothing of that stands there.
    """
    what = next(filter(ref.endswith, (STATEMENTS, COMMENTS, VALIDATE)), "")
    if not what:
        raise UnknownError()
    reference = reference_meant(waypost, principal.view, ref.removesuffix(what))
    if what == VALIDATE:
        return waypost.catalogue.validate(principal.view, reference, checked(SampleRequest, given))
    if what == COMMENTS:
        made = waypost.statements.comment(principal, reference, checked(CommentIn, given).words)
        return comments_out(waypost.identity, [made])[0]
    said: StatementIn = checked(StatementIn, given)
    return waypost.statements.state(principal, reference, said.kind, said.content, said.digest)
