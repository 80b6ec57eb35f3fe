"""How a user loads a version of an MLflow registry: lines to paste, safe for every name."""

import shlex
from urllib.parse import urlencode

from adapters.contract import Snippet
from adapters.mlflow.client import PROMPT_TAG, ROOT, WORKSPACE_HEADER
from adapters.mlflow.config import MlflowConfig
from adapters.records import VersionRecord


def snippets(config: MlflowConfig, model: str, version: VersionRecord) -> tuple[Snippet, ...]:
    """Python, command line and curl, each for the registry's workspace. Credentials come from the reader's own
    environment.
    """
    if version.tags.get(PROMPT_TAG) == "true":
        uri = f"prompts:/{model}/{version.version}"
        return (
            _python(config, f"prompt = mlflow.genai.load_prompt({uri!r})"),
            _curl(config, model, version),
        )
    uri = f"models:/{model}/{version.version}"
    return (
        _python(config, f"model = mlflow.pyfunc.load_model({uri!r})"),
        _download(config, uri),
        _curl(config, model, version),
    )


def _python(config: MlflowConfig, last: str) -> Snippet:
    lines = ["import mlflow", "", f"mlflow.set_tracking_uri({config.url!r})"]
    if config.workspace:
        lines.append(f"mlflow.set_workspace({config.workspace!r})")
    return Snippet("Load in Python", "python", "\n".join([*lines, last]))


def _download(config: MlflowConfig, uri: str) -> Snippet:
    variables = {"MLFLOW_TRACKING_URI": config.url}
    if config.workspace:
        variables["MLFLOW_WORKSPACE"] = config.workspace
    before = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
    code = f"{before} mlflow artifacts download --artifact-uri {shlex.quote(uri)}"
    return Snippet("Download with the mlflow command", "shell", code)


def _curl(config: MlflowConfig, model: str, version: VersionRecord) -> Snippet:
    query = urlencode({"name": model, "version": version.version})
    address = shlex.quote(f"{config.url}{ROOT}/model-versions/get?{query}")
    header = f"--header {shlex.quote(f'{WORKSPACE_HEADER}: {config.workspace}')} " if config.workspace else ""
    return Snippet("Read over REST", "curl", f"curl --fail {header}{address}")
