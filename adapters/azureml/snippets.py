"""How a user of Azure ML downloads a version: lines to be pasted as they are."""

from shlex import quote

from adapters.azureml.config import AzuremlConfig
from adapters.contract import Snippet
from adapters.records import VersionRecord


def snippets(config: AzuremlConfig, model: str, version: VersionRecord) -> tuple[Snippet, ...]:
    """Python and the shell. Credentials come from the user's own login."""
    place, name = ("workspace", config.workspace) if config.workspace else ("registry", config.registry)
    where = f"{config.subscription!r}, {config.resource_group!r}, {place}_name={name!r}"
    load = (
        "from azure.ai.ml import MLClient\nfrom azure.identity import DefaultAzureCredential\n\n"
        f"client = MLClient(DefaultAzureCredential(), {where})\n"
        f"client.models.download({model!r}, version={version.version!r})"
    )
    group, subscription = quote(config.resource_group), quote(config.subscription)
    shell = (
        f"az ml model download --name {quote(model)} --version {quote(version.version)} --{place}-name "
        f"{quote(name or '')} --resource-group {group} --subscription {subscription}"
    )
    return (Snippet("azure-ai-ml", "python", load), Snippet("Download", "shell", shell))
