"""The files of versions, through the server's own artifact proxy."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from urllib.parse import urlsplit

from adapters.artifacts import checked, streamed
from adapters.contract import ArtifactFile, ArtifactStream, ByteSpan
from adapters.errors import UnsupportedError
from adapters.mlflow.client import MlflowClient
from adapters.mlflow.keys import version_id
from adapters.payloads import integer, parts, text
from adapters.records import VersionRecord

PROXY = "/api/2.0/mlflow-artifacts/artifacts"


class VersionFiles:
    """What the server hands out. Errors: any `AdapterError`."""

    def __init__(self, api: MlflowClient) -> None:
        self._api = api

    def address(self, version: VersionRecord) -> str:
        """Where the files are, as the server says now; empty where it does not."""
        wanted = version_id(version.key)
        return self._api.download_uri(wanted.model.name, wanted.version) or ""

    def listed(self, version: VersionRecord, path: str) -> Sequence[ArtifactFile]:
        """What is in a folder of a version's files."""
        folder = checked(path)
        answer = self._api.http.get(PROXY, {"path": _joined(self._root(version), folder)})
        return [
            ArtifactFile(_joined(folder, name), integer(row.get("file_size")), row.get("is_dir") is True)
            for row in parts(answer, "files")
            if (name := text(row, "path"))
        ]

    def opened(
        self, version: VersionRecord, path: str, span: ByteSpan | None
    ) -> AbstractContextManager[ArtifactStream]:
        """One of the files."""
        place = _joined(self._root(version), checked(path))
        return streamed(self._api.http, f"{PROXY}/{place}", span)

    def _root(self, version: VersionRecord) -> str:
        """Where the files are below the proxy's root."""
        uri = self.address(version)
        found = urlsplit(uri)
        if found.scheme == "mlflow-artifacts":
            return found.path.strip("/")
        _, proxied, place = found.path.partition(PROXY + "/")
        if found.scheme in ("http", "https") and proxied:
            return place.strip("/")
        raise UnsupportedError(
            f"the files of version {version.version} are at {uri or 'no address'}, which its server does not hand out: "
            "read them there"
        )


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder and name else folder or name
