"""Single things, as scans and `get` read them: a version's artifacts, and what an inference service serves."""

from adapters.errors import AdapterError, NotFoundError, TransientError
from adapters.kubeflow.client import ENVIRONMENTS, MODELS, SERVICES, VERSIONS, KubeflowClient
from adapters.kubeflow.records import VersionArtifacts, to_endpoint, to_model, to_version
from adapters.payloads import Raw, text
from adapters.portions import Failures
from adapters.records import EndpointRecord, Key, Record

LISTINGS = {"model": MODELS, "version": VERSIONS, "endpoint": SERVICES}


class Reader:
    """Reads one thing. Errors of every method: any `AdapterError`."""

    def __init__(self, api: KubeflowClient) -> None:
        self.api = api
        self.failures = Failures()

    def record(self, key: Key) -> Record:
        """A model, version or endpoint as it is now."""
        if not key.native_id.isdecimal() or len(key.native_id) > 10:
            raise NotFoundError(f"{key.kind} {ascii(key.native_id)[:80]} does not exist")
        raw = self.api.one(LISTINGS[key.kind], key.native_id)
        match key.kind:
            case "model":
                return to_model(raw)
            case "version":
                return to_version(raw, self.artifacts(key.native_id))
            case "endpoint":
                named = text(raw, "servingEnvironmentId")
                environment = self.api.one(ENVIRONMENTS, named) if named else {}
                return self.endpoint(raw, text(environment, "name"))

    def artifacts(self, version: str) -> VersionArtifacts:
        """What lies with a version."""
        return VersionArtifacts(tuple(self.api.rows(f"{VERSIONS}/{version}/artifacts")))

    def artifacts_of_many(self, row: Raw) -> VersionArtifacts:
        """The same for one version of a listing, which hides no other: what cannot be read of it is unknown."""
        ident = text(row, "id") or ""
        try:
            found = self.artifacts(ident)
        except AdapterError as error:
            why = self.failures.passed_over(error)
            unread = f"artifacts of version {ident} cannot be read: {why}"
            return VersionArtifacts(unread=unread, may_pass=isinstance(error, TransientError))
        self.failures.succeeded()
        return found

    def endpoint(self, raw: Raw, environment: str | None) -> EndpointRecord:
        """An inference service. One that names no version serves the newest, which the server itself knows."""
        version = text(raw, "modelVersionId")
        if version is None and (ident := text(raw, "id")):
            try:
                version = text(self.api.object("GET", f"/{SERVICES}/{ident}/version"), "id")
            except NotFoundError:
                version = None  # its model has none yet
        return to_endpoint(raw, environment, version)
