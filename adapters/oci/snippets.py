"""How a user loads a version: lines to be pasted as they are."""

from shlex import quote

from adapters.contract import Snippet
from adapters.oci.config import OciConfig
from adapters.oci.reads import dialect_of
from adapters.payloads import part
from adapters.records import VersionRecord

_TOOLS = {
    "kitops": ("Kit", "kit unpack {plain}{place} --dir model"),
    "docker": ("Docker Model Runner", "docker model pull {place}"),
    "ollama": ("Ollama", "ollama pull {place}"),
}


def snippets(config: OciConfig, version: VersionRecord) -> tuple[Snippet, ...]:
    """By the tools that made it, and by ORAS, which takes any of them."""
    place = (version.artifact_uri or "").removeprefix("oci://")
    is_plain = config.url.startswith("http://")
    insecure = "insecure=True" if is_plain else ""
    pack = (
        "from modelpack_client import ModelPackClient\n\n"
        f"ModelPackClient({insecure}).pull({place!r}, 'model')"
    )
    python = (
        f"from oras.client import OrasClient\n\nOrasClient({insecure}).pull(target={place!r}, outdir='model')"
    )
    shell = f"oras pull {'--plain-http ' if is_plain else ''}--output model {quote(place)}"
    found = (Snippet("ORAS for Python", "python", python), Snippet("ORAS", "shell", shell))
    dialect = dialect_of(part(version.native, "manifest"))
    if dialect == "modelpack":
        return (Snippet("ModelPack for Python", "python", pack), *found)
    if dialect not in _TOOLS:
        return found
    title, code = _TOOLS[dialect]
    plain = "--plain-http " if is_plain else ""
    return (Snippet(title, "shell", code.format(place=quote(place), plain=plain)), *found)
