"""Where the files of a version that comes from elsewhere are put: they are the artifacts of a run of their own, because
MLflow registers no other address of its proxy.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO
from urllib.parse import urlsplit

from adapters.artifacts import checked, streamed
from adapters.contract import ArtifactRoom
from adapters.errors import ConflictError, NotFoundError, TransientError, UnsupportedError
from adapters.mlflow.client import ROOT, MlflowClient
from adapters.mlflow.files import PROXY
from adapters.payloads import text

SCHEME = "mlflow-artifacts"
EXPERIMENT = "waypost"
"""Whose runs hold the files of versions that came from other registries."""
TOKEN_TAG = "waypost.token"
FOLDER = "model"


class RunRoom(ArtifactRoom):
    """The artifacts of a run, through the proxy. Errors: `UnsupportedError` where the server has none."""

    def __init__(self, api: MlflowClient, run: dict[str, object]) -> None:
        address = text(run, "info", "artifact_uri") or ""
        parts = urlsplit(address)
        if parts.scheme != SCHEME or parts.netloc:
            raise UnsupportedError(f"{api.http.host} takes no artifacts: it serves none (--serve-artifacts)")
        self.source, self.run_id = f"{address.rstrip('/')}/{FOLDER}", text(run, "info", "run_id")
        self._api, self._place = api, f"{PROXY}/{parts.path.strip('/')}/{FOLDER}"

    def put(self, path: str, content: BinaryIO, size: int) -> None:
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        place = f"{self._place}/{checked(path)}"
        self._api.http.call("PUT", place, headers=headers, body=content)

    @contextmanager
    def read(self, path: str) -> Iterator[Iterator[bytes]]:
        with streamed(self._api.http, f"{self._place}/{checked(path)}", None) as stream:
            yield stream.pieces


def room(api: MlflowClient, model: str, token: str) -> ArtifactRoom:
    """The artifacts of the run that was made for a token. Errors: any `AdapterError`."""
    return RunRoom(api, _run(api, model, token))


def _run(api: MlflowClient, model: str, token: str) -> dict[str, object]:
    experiment = _experiment(api)
    where = {"experiment_ids": [experiment], "filter": f"tags.`{TOKEN_TAG}` = '{token}'", "max_results": 1}
    found = api.write("POST", "/runs/search", where).get("runs") or []
    if found:
        return dict(found[0])
    tags = [{"key": TOKEN_TAG, "value": token}]
    body = {
        "experiment_id": experiment,
        "run_name": model,
        "start_time": int(time.time() * 1000),
        "tags": tags,
    }
    made = api.write("POST", "/runs/create", body).get("run")
    if not isinstance(made, dict):
        raise TransientError(f"{api.http.host} made no run")
    return made


def _experiment(api: MlflowClient) -> str:
    for _ in range(2):
        try:
            found = api.http.get(f"{ROOT}/experiments/get-by-name", {"experiment_name": EXPERIMENT})
            return text(found, "experiment", "experiment_id") or ""
        except NotFoundError:
            try:
                return str(
                    api.write("POST", "/experiments/create", {"name": EXPERIMENT}).get("experiment_id")
                )
            except ConflictError:
                continue
    raise TransientError(f"{api.http.host} neither has nor makes an experiment {EXPERIMENT}")
