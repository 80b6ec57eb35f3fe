"""How a user of Unity Catalog loads a version: lines to be pasted as they are."""

from adapters.contract import Snippet
from adapters.records import VersionRecord


def snippets(url: str, model: str, version: VersionRecord, *, is_databricks: bool) -> tuple[Snippet, ...]:
    """Python, by MLflow. Credentials come from the user's own login."""
    registry = "databricks-uc" if is_databricks else f"uc:{url}"
    load = (
        "import mlflow\n\n"
        f"mlflow.set_registry_uri({registry!r})\n"
        f"model = mlflow.pyfunc.load_model({f'models:/{model}/{version.version}'!r})"
    )
    return (Snippet("MLflow", "python", load),)
