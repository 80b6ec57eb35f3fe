"""Runs in the vendor's own environment: works with `azure.ai.ml` as it is told, one JSON line for each call.

Its address comes by `AZUREML_DEV_URL_MFE`, its authority by `REQUESTS_CA_BUNDLE`.
"""

import json
import logging
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

from azure.ai.ml import MLClient  # noqa: E402 - it warns while it is imported
from azure.ai.ml.constants import ListViewType  # noqa: E402
from azure.ai.ml.entities import Model  # noqa: E402
from azure.core.credentials import AccessToken  # noqa: E402

TOKEN = sys.argv[1]


class Shown:
    """A credential that has its token already."""

    def get_token(self, *scopes: str, **more: Any) -> AccessToken:
        """The token."""
        return AccessToken(TOKEN, int(time.time()) + 3600)


client = MLClient(Shown(), "sub-1", "ml", "risk")


def everything() -> dict[str, Any]:
    """Every model with its versions, archived or not."""
    told: dict[str, Any] = {}
    for model in client.models.list(list_view_type=ListViewType.ALL):
        rows = client.models.list(name=model.name, list_view_type=ListViewType.ALL)
        told[model.name] = {one.version: [one.stage, one.description, dict(one.tags or {})] for one in rows}
    return told


def get(name: str, version: str) -> list[Any]:
    """What of a version the client shows."""
    found = client.models.get(name, version)
    return [found.stage, found.path, found.job_name, sorted(found.flavors or {})]


def archive(name: str, version: str) -> None:
    """Archive a version."""
    client.models.archive(name, version)


def tag(name: str, version: str, key: str, value: str) -> None:
    """Change a version as users do: read it, set something, put it back."""
    found = client.models.get(name, version)
    found.tags[key] = value
    client.models.create_or_update(found)


def register(name: str, path: str) -> str:
    """Register what lies in a datastore as the next version; its number."""
    made = client.models.create_or_update(Model(name=name, path=path, type="custom_model"))
    return str(made.version)


CALLS: dict[str, Callable[..., Any]] = {
    one.__name__: one for one in (everything, get, archive, tag, register)
}


def main() -> None:
    """One call after another: `[name, args, kwargs]`; the answer is `[result, null]` or `[null, error]`."""
    for line in sys.stdin:
        name, args, given = json.loads(line)
        try:
            answer = [CALLS[name](*args, **given), None]
        except Exception as error:
            answer = [None, [type(error).__name__, str(error)[:300]]]
        print(json.dumps(answer, default=str), flush=True)


main()
