"""Native ids: a model's name is `REGISTRY/COLLECTION`, a version's is `vN`, as its collection numbers it.

An id is the service's own: what is linked again, and a collection that is made again, is another one.
"""

import re

from adapters.keys import KeyParts, KeyShape
from adapters.payloads import Raw, integer, part, text

PREFIX = "wandb-registry-"
"""What the project of a registry begins with."""
_NAME = r"[^/#\x00-\x1f\x7f]{1,256}"
SHAPE = KeyShape(name=f"{_NAME}/{_NAME}", version=r"v\d{1,18}", ident=r"[^#/\s]{1,200}")
ADDRESS = re.compile(r"wandb-artifact://([^/:]+)/([^/:]+)/([^/:]+:v\d+)")
"""Entity, project and name of an artifact where it was logged."""
split = SHAPE.split


def of_collection(raw: Raw) -> KeyParts:
    """What a collection says of itself. Errors: `BadRecordError`."""
    registry = (text(raw, "project", "name") or "").removeprefix(PREFIX)
    return SHAPE.of_model(raw, f"{registry}/{text(raw, 'name') or ''}", text(raw, "id"))


def of_link(raw: Raw) -> KeyParts:
    """The same of a link between a collection and an artifact. Errors: `BadRecordError`."""
    number = f"v{integer(raw.get('versionIndex'))}"
    return SHAPE.of_version(of_collection(part(raw, "artifactCollection")), raw, number, text(raw, "id"))
