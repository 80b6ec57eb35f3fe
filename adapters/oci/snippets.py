"""How a user loads a version: lines to be pasted as they are."""

from shlex import quote

from adapters.contract import Snippet
from adapters.oci.config import OciConfig
from adapters.records import VersionRecord

_TOOLS = {"modelpack": ("modctl", "modctl pull {}"), "kitops": ("Kit", "kit unpack {} --dir model")}


def snippets(config: OciConfig, version: VersionRecord) -> tuple[Snippet, ...]:
    """By ORAS, which takes any of them, and by the tool that made it."""
    place = (version.artifact_uri or "").removeprefix("oci://")
    is_plain = config.url.startswith("http://")
    insecure = ", insecure=True" if is_plain else ""
    python = (
        "from oras.client import OrasClient\n\n"
        f"OrasClient(hostname={config.host.partition('/')[0]!r}{insecure}).pull(target={place!r}, outdir='model')"
    )
    shell = f"oras pull {'--plain-http ' if is_plain else ''}--output model {quote(place)}"
    return Snippet("ORAS for Python", "python", python), Snippet("ORAS", "shell", shell)
