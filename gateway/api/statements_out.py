"""What the API takes and answers about statements."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from federation.statements.statements import ArtifactStatement


class StatementIn(msgspec.Struct, forbid_unknown_fields=True):
    """A statement about a version's artifact. `content` is what is stated, in base64: it is kept byte for byte."""

    kind: Literal["signature", "scan", "evaluation", "check"]
    content: Annotated[bytes, msgspec.Meta(min_length=1)]
    digest: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    """The artifact that it is about: refused where the version has another one by now."""


class StatementOut(msgspec.Struct):
    """A statement, and what it says by the signers of now."""

    id: int
    kind: str
    verdict: str
    """yes, no or unknown."""
    summary: str
    maker: str
    digest: str
    is_current: bool
    """Whether it is about the artifact that the version has."""
    sha256: str
    content: bytes
    principal: str
    at: datetime


class StatementsOut(msgspec.Struct):
    """What was stated of a version, newest first."""

    statements: list[StatementOut]


def statement_out(found: ArtifactStatement) -> StatementOut:
    """A statement as JSON."""
    return StatementOut(
        id=found.id,
        kind=found.kind,
        verdict=found.verdict,
        summary=found.summary,
        maker=found.maker,
        digest=found.digest,
        is_current=found.is_current,
        sha256=found.sha256,
        content=found.body,
        principal=found.principal,
        at=found.at,
    )
