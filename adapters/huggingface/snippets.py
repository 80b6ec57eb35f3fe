"""How a user of the Hub loads a version: lines to be pasted as they are."""

from shlex import quote

from adapters.contract import Snippet
from adapters.huggingface.config import HUB, HuggingFaceConfig
from adapters.records import VersionRecord


def snippets(config: HuggingFaceConfig, model: str, version: VersionRecord) -> tuple[Snippet, ...]:
    """Python and the shell; a Hub of one's own is named. A token comes from the user's own login or `HF_TOKEN`."""
    own = config.url != HUB
    named = f", endpoint={config.url!r}" if own else ""
    load = (
        "from huggingface_hub import snapshot_download\n\n"
        f"folder = snapshot_download({model!r}, revision={version.version!r}{named})"
    )
    where = f"HF_ENDPOINT={quote(config.url)} " if own else ""
    download = f"{where}hf download {quote(model)} --revision {quote(version.version)}"
    return (Snippet("huggingface_hub", "python", load), Snippet("Download", "shell", download))
