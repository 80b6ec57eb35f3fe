"""How a record names another version: as a reference, whose names may hold signs that references are made of."""

import re
from urllib.parse import quote

_SIGNS = re.compile(r"[%:@\x00-\x1f\x7f-\x9f]")


def reference(model: str, version: str | None = None) -> str:
    """A model of the same registry, or one version of it, for `Parent.reference` and `Lineage.dependencies`."""
    return _encoded(model) if version is None else f"{_encoded(model)}:{_encoded(version)}"


def _encoded(name: str) -> str:
    return _SIGNS.sub(lambda found: quote(found[0], safe=""), name)
