"""How a user loads a version: the configured lines with its names in them, quoted for their language."""

import re
import shlex
from collections.abc import Callable, Mapping
from urllib.parse import quote

from adapters.contract import Snippet
from adapters.records import VersionRecord
from adapters.rest.config import SHOWN, RestConfig, Template
from adapters.rest.records import address

QUOTED: Mapping[str, Callable[[str], str]] = {"python": repr, "shell": shlex.quote, "curl": shlex.quote}
ADDRESSES = frozenset({"url", "artifact_uri"})
"""Names that are addresses already; the others are percent-encoded inside of one."""
NAME = re.compile(rf"\{{({'|'.join(sorted(SHOWN))})\}}")


def snippets(config: RestConfig, model: str, version: VersionRecord) -> tuple[Snippet, ...]:
    """Those of which the version has every name."""
    ids = address(version.key)
    values = {
        "model": model,
        "version": version.version,
        "artifact_uri": version.artifact_uri or "",
        "url": config.url,
        "id": ids["id"],
        "model_id": ids["model"],
    }
    made = [_filled(template, values) for template in config.snippets]
    return tuple(one for one in made if one is not None)


def _filled(template: Template, values: Mapping[str, str]) -> Snippet | None:
    if not all(values[name] for name in NAME.findall(template.code)):
        return None

    def quoted(found: re.Match[str]) -> str:
        value = values[found[1]]
        if template.language == "curl" and found[1] not in ADDRESSES:
            value = quote(value, safe="")
        return QUOTED[template.language](value)

    return Snippet(template.title, template.language, NAME.sub(quoted, template.code).strip())
