"""What the API takes and answers about statements."""

from typing import Annotated, Literal

import msgspec

from federation.statements.statements import ArtifactStatement


class StatementIn(msgspec.Struct, forbid_unknown_fields=True):
    """A statement about a version's artifact. `content` is what is stated, in base64: it is kept byte for byte."""

    kind: Literal["signature", "scan", "evaluation", "check"]
    content: Annotated[bytes, msgspec.Meta(min_length=1)]
    digest: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    """The artifact that it is about: refused where the version has another one by now."""


class StatementsOut(msgspec.Struct):
    """What was stated of a version, newest first."""

    statements: list[ArtifactStatement]
