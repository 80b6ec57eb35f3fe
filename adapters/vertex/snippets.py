"""How a user of Vertex AI loads a version: lines to be pasted as they are."""

from shlex import quote

from adapters.contract import Snippet
from adapters.records import VersionRecord
from adapters.vertex.client import name_and_port
from adapters.vertex.config import VertexConfig


def snippets(config: VertexConfig, model: str, version: VersionRecord) -> tuple[Snippet, ...]:
    """Python and the shell; where the registry has an endpoint of its own, that is named."""
    project, location, number = config.project, config.location, version.version
    host, port, _ = config.address
    at = name_and_port(host, port) if config.endpoint else ""
    named = f", api_endpoint={at!r}" if at else ""
    load = (
        "from google.cloud import aiplatform\n\n"
        f"aiplatform.init(project={project!r}, location={location!r}{named})\n"
        f"model = aiplatform.Model(model_name={model!r}, version={number!r})"
    )
    override = f"CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM={quote(f'https://{at}/')} " if at else ""
    describe = (
        f"{override}gcloud ai models describe {quote(f'{model}@{number}')} "
        f"--project={quote(project)} --region={quote(location)}"
    )
    found = (Snippet("Vertex AI SDK", "python", load), Snippet("Describe", "shell", describe))
    if not version.artifact_uri:
        return found
    copy = f"gcloud storage cp --recursive {quote(version.artifact_uri)} ."
    return (*found, Snippet("Copy the artifact", "shell", copy))
