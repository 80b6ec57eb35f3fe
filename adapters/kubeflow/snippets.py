"""How a user of Kubeflow's registry finds the files of a version: lines to be pasted as they are."""

from urllib.parse import urlsplit

from adapters.contract import Snippet
from adapters.kubeflow.config import KubeflowConfig
from adapters.records import VersionRecord


def snippets(config: KubeflowConfig, model: str, version: VersionRecord) -> tuple[Snippet, ...]:
    """Python. A token comes from the user's own environment (`KF_PIPELINES_SA_TOKEN_PATH`)."""
    at = urlsplit(config.url)
    secure = at.scheme == "https"
    port = at.port or (443 if secure else 80)
    where = f"{f'{at.scheme}://{at.hostname}'!r}, {port}, author='me', is_secure={secure}"
    load = (
        "from model_registry import ModelRegistry\n\n"
        f"registry = ModelRegistry({where})\n"
        f"artifact = registry.get_model_artifact({model!r}, {version.version!r})\n"
        "print(artifact.uri)"
    )
    return (Snippet("model_registry", "python", load),)
