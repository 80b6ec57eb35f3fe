"""Reading single things: what scans and `get` share."""

import hashlib
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from adapters.errors import AuthError, BadRecordError, InvalidError, NotFoundError
from adapters.records import Key
from adapters.vertex.client import VertexClient
from adapters.vertex.keys import ProjectLocation, model_id_of, version_key, version_number
from adapters.vertex.records import RelatedMessages, deployed_version

EVALUATIONS, TRAINING = "list_model_evaluations", "get_training_pipeline"
_CACHED = 200_000


@dataclass(slots=True)
class Memory:
    """What an adapter remembers between scans, only to save calls."""

    evaluations: dict[str, tuple[bytes, float, tuple[Any, ...]]] = field(default_factory=dict)
    """By version: a digest of it as it was then, when (monotonic seconds), what was read."""
    keys: dict[tuple[str, str], Key] = field(default_factory=dict)
    """The key of each version seen, by model id and version."""
    pipelines: dict[str, Any] = field(default_factory=dict)
    """Training pipelines by name, which do not change once they have made a version; None: it is gone."""
    denied: dict[str, str] = field(default_factory=dict)
    """Methods this credential may not call, and what the service said: asked for again after the next probe."""


class Reader:
    """Reads single things: what scans and `get` share."""

    def __init__(self, client: VertexClient, place: ProjectLocation, memory: Memory) -> None:
        self.client, self.place, self.memory = client, place, memory

    def versions(self, model_id: str) -> list[Any]:
        """Every version of a model, by number. Errors: NotFoundError."""
        rows = self.client.read_all("Model", "list_model_versions", "models", name=self.place.model(model_id))
        versions = sorted(rows, key=version_number)
        for version in versions:
            self._remember(model_id, version)
        if not versions:
            raise NotFoundError(f"model {model_id} has no versions")
        return versions

    def version(self, model_id: str, version: str) -> Any:
        """One version. Errors: NotFoundError."""
        message = self.client.read("Model", "get_model", name=self.place.model(model_id, version))
        self._remember(model_id, message)
        return message

    def origins(self, version: Any, max_age: float = 0.0) -> RelatedMessages:
        """What other messages say of a version; evaluations as `evaluations` gives them."""
        refused: dict[str, str] = {}
        evaluations = self.evaluations(version, max_age, refused)
        return RelatedMessages(evaluations, self._training(str(version.training_pipeline), refused), refused)

    def _may_ask(self, method: str, refused: dict[str, str]) -> bool:
        """Whether a method was not refused since the last probe, which may come from another thread at any time."""
        reason = self.memory.denied.get(method)
        if reason is not None:
            refused[method] = reason
        return reason is None

    def _training(self, name: str, refused: dict[str, str]) -> Any:
        """The training pipeline of this name; None where there is none, or it is of another place or not for us."""
        if not name.startswith("projects/") or not self._may_ask(TRAINING, refused):
            return None
        found = self.memory.pipelines.get(name, self)
        if found is self:
            try:
                found = self.client.read("Pipeline", TRAINING, name=name)
            except (NotFoundError, InvalidError):
                found = None
            except AuthError as error:
                self.memory.denied[TRAINING] = refused[TRAINING] = str(error)
                return None
            if len(self.memory.pipelines) >= _CACHED:
                self.memory.pipelines.clear()
            self.memory.pipelines[name] = found
        return found

    def evaluations(self, version: Any, max_age: float, refused: dict[str, str]) -> tuple[Any, ...]:
        """The evaluations of a version, those read at most `max_age` seconds ago if it did not change since."""
        if not self.client.config.evaluations or not self._may_ask(EVALUATIONS, refused):
            return ()
        name = self.place.model(model_id_of(version), version.version_id)
        stamp = hashlib.sha256(version.SerializeToString(deterministic=True)).digest()
        known = self.memory.evaluations.get(name)
        if known and known[0] == stamp and time.monotonic() - known[1] < max_age:
            return known[2]
        try:
            rows = self.client.read_all("Model", EVALUATIONS, "model_evaluations", parent=name)
            found = tuple(rows)
        except NotFoundError:
            return ()
        except AuthError as error:
            self.memory.denied[EVALUATIONS] = refused[EVALUATIONS] = str(error)
            return ()
        if len(self.memory.evaluations) >= _CACHED:
            self.memory.evaluations.clear()
        self.memory.evaluations[name] = (stamp, time.monotonic(), found)
        return found

    def served(self, endpoint: Any) -> dict[tuple[str, str], Key]:
        """The key of every version an endpoint serves; a version that is gone is left out."""
        found = {}
        for deployed in endpoint.deployed_models:
            which = deployed_version(endpoint, deployed)
            if which is None or not which[1]:
                continue
            try:
                found[which] = self.memory.keys.get(which) or version_key(self.version(*which))
            except NotFoundError:
                continue
        return found

    def _remember(self, model_id: str, version: Any) -> None:
        if len(self.memory.keys) >= _CACHED:
            self.memory.keys.clear()
        with suppress(BadRecordError):  # the record itself will say so
            self.memory.keys[model_id, version.version_id] = version_key(version)
