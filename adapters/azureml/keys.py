"""Native ids: names are Azure's, an id is the time of creation as it tells it.

So what is made again under a name is another one.
"""

from adapters.keys import KeyParts, KeyShape
from adapters.payloads import Raw, text

_NAME = r"[^/@#?%\x00-\x20\x7f]{1,255}"
SHAPE = KeyShape(name=_NAME, version=_NAME, ident=r"[0-9A-Za-z:.+-]{1,40}", sign="@")
split = SHAPE.split


def path(at: KeyParts) -> str:
    """Where something is, below the workspace or registry."""
    return f"/models/{at.name}" + ("" if at.version is None else f"/versions/{at.version}")


def of_model(raw: Raw) -> KeyParts:
    """What a model's JSON says of itself. Errors: `BadRecordError`."""
    return SHAPE.of_model(raw, text(raw, "name"), _created(raw))


def of_version(model: KeyParts, raw: Raw) -> KeyParts:
    """The same of a version of this model."""
    return SHAPE.of_version(model, raw, text(raw, "name") or "", _created(raw))


def _created(raw: Raw) -> str:
    return text(raw, "systemData", "createdAt") or "-"
