"""Native ids of MLflow's models and versions.

MLflow has none of its own: a name is taken again after a delete, and version numbers restart at 1. So an id
holds the creation time (milliseconds) beside the name: `created/name`, and `version/created/` before that of
its model. A name holds no `/`. A notification does not tell creations: 0 stands for that of whatever lives now.
"""

from typing import NamedTuple

from adapters.errors import NotFoundError
from adapters.records import Key

NOW = 0
"""The creation of whatever lives under a name now."""


class ModelId(NamedTuple):
    """What identifies a model in MLflow."""

    created: int
    name: str

    @property
    def key(self) -> Key:
        """The contract's form of it."""
        return Key("model", f"{self.created}/{self.name}")

    def is_met_by(self, other: "ModelId") -> bool:
        """Whether what lives under the name now, `other`, is what is meant."""
        return self.name == other.name and self.created in (NOW, other.created)


class VersionId(NamedTuple):
    """What identifies a version in MLflow."""

    version: str
    created: int
    model: ModelId

    @property
    def key(self) -> Key:
        """The contract's form of it."""
        return Key("version", f"{self.version}/{self.created}/{self.model.created}/{self.model.name}")

    def is_met_by(self, other: "VersionId") -> bool:
        """Whether what lives under the name and number now, `other`, is what is meant."""
        same = self.version == other.version and self.created in (NOW, other.created)
        return same and self.model.is_met_by(other.model)


def model_id(key: Key) -> ModelId:
    """Read a model's key. Errors: `NotFoundError` for one that is not MLflow's."""
    match key.native_id.split("/", 1):
        case [created, name] if key.kind == "model" and created.isdecimal() and name:
            return ModelId(int(created), name)
        case _:
            raise NotFoundError(f"{key.kind} {key.native_id} does not exist: MLflow has no such id")


def version_id(key: Key) -> VersionId:
    """Read a version's key. Errors: `NotFoundError` for one that is not MLflow's."""
    match key.native_id.split("/", 3):
        case [version, created, model_created, name] if (
            key.kind == "version" and version and name and created.isdecimal() and model_created.isdecimal()
        ):
            return VersionId(version, int(created), ModelId(int(model_created), name))
        case _:
            raise NotFoundError(f"{key.kind} {key.native_id} does not exist: MLflow has no such id")


def identity_of(key: Key) -> ModelId | VersionId:
    """Read the key of either. Errors: `NotFoundError` for one that is not MLflow's."""
    return model_id(key) if key.kind == "model" else version_id(key)
