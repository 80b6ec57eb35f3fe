"""How a user of a git registry gets a version: lines to be pasted as they are."""

from shlex import quote
from urllib.parse import urlsplit

from adapters.contract import Snippet
from adapters.git.config import GitConfig
from adapters.records import VersionRecord


def snippets(config: GitConfig, version: VersionRecord) -> tuple[Snippet, ...]:
    """The commit with git; the file with DVC, which gets it from where DVC pushed it; the entry point with PyTorch."""
    tag, path, entry = (version.native.get(name) for name in ("tag", "path", "entry_point"))
    clone = f"git clone --quiet --depth 1 --branch {quote(str(tag))} {quote(config.remote)} model"
    found = [Snippet("Get the commit", "shell", clone)]
    if path:
        get = f"dvc get --rev {quote(str(tag))} {quote(config.url)} {quote(str(path))}"
        opened = f"dvc.api.open({path!r}, repo={config.url!r}, rev={tag!r}, mode='rb')"
        lines = f"import dvc.api\n\nwith {opened} as file:\n    content = file.read()"
        found += [
            Snippet("Get the file with DVC", "shell", get),
            Snippet("Open it in Python", "python", lines),
        ]
    if entry:
        web = urlsplit(config.web or "")
        hosted = web.hostname == "github.com"
        where = f"{web.path.strip('/')}:{tag}" if hosted else "model"
        call = f"torch.hub.load({where!r}, {entry!r}{'' if hosted else ', source=' + repr('local')})"
        found.append(Snippet("Load in PyTorch", "python", f"import torch\n\nmodel = {call}"))
    return tuple(found)
