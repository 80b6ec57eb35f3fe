"""How a user of Unity Catalog loads a version: lines to be pasted as they are."""

from adapters.contract import Snippet
from adapters.records import VersionRecord


def snippets(url: str, model: str, version: VersionRecord) -> tuple[Snippet, ...]:
    """Python, by MLflow. Credentials come from the user's own login."""
    registry = f"uc:{url}" if version.url is None else "databricks-uc"  # an open-source server shows none
    load = (
        "import mlflow\n\n"
        f"mlflow.set_registry_uri({registry!r})\n"
        f"model = mlflow.pyfunc.load_model({f'models:/{model}/{version.version}'!r})"
    )
    return (Snippet("MLflow", "python", load),)
