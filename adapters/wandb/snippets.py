"""How a user of Weights & Biases loads a version: lines to be pasted as they are."""

from adapters.contract import Snippet
from adapters.payloads import text
from adapters.records import VersionRecord
from adapters.wandb.config import CLOUD, WandbConfig


def snippets(config: WandbConfig, version: VersionRecord) -> tuple[Snippet, ...]:
    """Python; a server of one's own is named. The key comes from the user's own login."""
    project = text(version.native, "artifactCollection", "project", "name")
    entity = text(version.native, "artifactCollection", "project", "entity", "name")
    name = f"{entity}/{project}/{text(version.native, 'artifactCollection', 'name')}:{version.version}"
    where = "" if config.url == CLOUD else f"overrides={{'base_url': {config.url!r}}}"
    load = f"import wandb\n\nartifact = wandb.Api({where}).artifact({name!r})\nfolder = artifact.download()"
    return (Snippet("wandb", "python", load),)
