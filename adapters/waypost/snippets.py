"""How a version behind the other gateway is loaded: by the lines that it has itself."""

import re
from shlex import quote

from adapters.contract import Snippet
from adapters.payloads import text
from adapters.records import VersionRecord
from adapters.waypost.config import WaypostConfig

_NUMBER = re.compile(r"[1-9][0-9]{0,17}")


def snippets(config: WaypostConfig, version: VersionRecord) -> tuple[Snippet, ...]:
    """The command line, and MLflow's client through the other gateway. Tokens come from the reader."""
    ref, registry = text(version.native, "ref"), text(version.native, "registry")
    if ref is None or registry is None:
        return ()
    shell = f"waypost show {quote(ref)} --snippets --url {quote(config.url)}"
    name = ref.partition("/")[2].rpartition(":")[0]
    number = version.version
    uri = f"models:/{name}/{number}" if _NUMBER.fullmatch(number) else f"models:/{name}@v{number}"
    python = (
        f"import mlflow\n\nmlflow.set_registry_uri({f'{config.url}/mlflow/{registry}'!r})\n"
        f"model = mlflow.pyfunc.load_model({uri!r})"
    )
    return (Snippet("Its own lines", "shell", shell), Snippet("MLflow", "python", python))
