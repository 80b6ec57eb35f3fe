"""CycloneDX's own schema of bills of materials."""

from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from cyclonedx.validation.json import JsonStrictValidator


@cache
def validator(spec: Literal["1.6", "1.7"]) -> "JsonStrictValidator":
    """Made where it is needed and once: what it imports compiles grammars of addresses for over a second."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    return JsonStrictValidator(SchemaVersion.from_version(spec))
