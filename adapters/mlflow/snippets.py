"""How a user loads a version of an MLflow registry: lines to paste, safe for every name."""

import shlex
from urllib.parse import urlencode

from adapters.contract import Snippet
from adapters.mlflow.api import PROMPT_TAG, ROOT
from adapters.records import VersionRecord


def snippets(url: str, model: str, version: VersionRecord) -> tuple[Snippet, ...]:
    """Python, command line and curl. Credentials come from the reader's own environment."""
    if version.tags.get(PROMPT_TAG) == "true":
        return (
            python(url, f"prompt = mlflow.genai.load_prompt({f'prompts:/{model}/{version.version}'!r})"),
            curl(url, model, version),
        )
    uri = f"models:/{model}/{version.version}"
    shell = (
        f"MLFLOW_TRACKING_URI={shlex.quote(url)} mlflow artifacts download --artifact-uri {shlex.quote(uri)}"
    )
    return (
        python(url, f"model = mlflow.pyfunc.load_model({uri!r})"),
        Snippet("Download with the mlflow command", "shell", shell),
        curl(url, model, version),
    )


def python(url: str, last: str) -> Snippet:
    """A few lines of Python."""
    return Snippet("Load in Python", "python", f"import mlflow\n\nmlflow.set_tracking_uri({url!r})\n{last}")


def curl(url: str, model: str, version: VersionRecord) -> Snippet:
    """One call of the REST API."""
    query = urlencode({"name": model, "version": version.version})
    address = shlex.quote(f"{url}{ROOT}/model-versions/get?{query}")
    return Snippet("Read over REST", "curl", f"curl --fail {address}")
