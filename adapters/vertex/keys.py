"""Names and native ids of Vertex AI's resources.

A native id is `ID#CREATION`, of a version `ID@VERSION#CREATION`: with its creation, so that one that was made again
under the same name is another.
"""

import re
from dataclasses import dataclass
from typing import Any

from adapters.errors import BadRecordError, NotFoundError
from adapters.records import Key, Kind

NOW = "0"
"""The creation of whatever has a name now."""
_NATIVE_ID = re.compile(r"([A-Za-z0-9_-]{1,128})(?:@([0-9]{1,15}))?#[0-9TZ:.+-]{1,64}")


@dataclass(frozen=True, slots=True)
class ProjectLocation:
    """Where the resources live: what every native name begins with, and what the console's links need."""

    project: str
    location: str

    @property
    def parent(self) -> str:
        """`projects/PROJECT/locations/LOCATION`."""
        return f"projects/{self.project}/locations/{self.location}"

    def model(self, model_id: str, version: str = "") -> str:
        """The resource name of a model, or of one of its versions."""
        return f"{self.parent}/models/{model_id}" + (f"@{version}" if version else "")

    def endpoint(self, endpoint_id: str) -> str:
        """The resource name of an endpoint."""
        return f"{self.parent}/endpoints/{endpoint_id}"


def model_id_of(message: Any) -> str:
    """The id of a model or version: the last part of its name, without the version the service may append."""
    return str(message.name).rpartition("/")[2].partition("@")[0]


def key_of(kind: Kind, name: str, created: Any) -> Key:
    """The identity of `name` (`ID`, `ID@VERSION`): with its creation, so that a re-created one is another.

    Raises BadRecordError where the creation is no time.
    """
    try:
        return Key(kind, f"{name}#{created.ToJsonString()}")
    except (ValueError, OverflowError) as error:
        raise BadRecordError(f"{kind} {name} cannot be understood: {error}", native=name) from None


def open_key(kind: Kind, name: str) -> Key:
    """The key of whatever has a name (`ID`, `ID@VERSION`) now."""
    return Key(kind, f"{name}#{NOW}")


def is_met_by(key: Key, found: Key) -> bool:
    """Whether what has a name now, `found`, is what a key means."""
    name, _, creation = key.native_id.partition("#")
    return key == found or (creation == NOW and found.native_id.partition("#")[0] == name)


def split_key(key: Key) -> tuple[str, str]:
    """Model or endpoint id, and version (`""` for the others). Raises NotFoundError for a key nobody made."""
    found = _NATIVE_ID.fullmatch(key.native_id)
    if found is None or bool(found[2]) != (key.kind == "version"):
        raise NotFoundError(f"{key.kind} {ascii(key.native_id)[:80]} does not exist")
    return found[1], found[2] or ""


def model_key(message: Any) -> Key:
    """The key of the model that a message (of the model or of any of its versions) speaks of."""
    return key_of("model", model_id_of(message), message.create_time)


def version_key(message: Any) -> Key:
    """The key of the version that a message speaks of. Raises BadRecordError where it has no number."""
    if not version_number(message):
        raise BadRecordError(
            f"version id {message.version_id[:40]!r} of {model_id_of(message)} is not a number",
            native=message.name,
        )
    return key_of("version", f"{model_id_of(message)}@{message.version_id}", message.version_create_time)


def version_number(version: Any) -> int:
    """The number of a version, which the service writes in decimal. 0 for anything else."""
    text = str(version.version_id)
    return int(text) if text.isdecimal() and len(text) < 16 else 0
