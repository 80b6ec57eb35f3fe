"""How to load a version: from its own backend, and with MLflow's client through this gateway."""

import shlex
from typing import TYPE_CHECKING

from adapters import Snippet
from gateway.api.out import SnippetsOut, snippets_out
from gateway.mlflow.names import alias_of, shown_name

if TYPE_CHECKING:
    from federation.catalogue.catalogue import Version
    from gateway.waypost import Waypost

ANYWHERE = ("0.0.0.0", "::")  # noqa: S104  compared, not listened on
TITLE = "Through Waypost, with MLflow's client"
ON_THE_LINE = "On the command line"
CODE = """\
import mlflow

# MLFLOW_TRACKING_TOKEN: a token of Waypost
mlflow.set_registry_uri({registry!r})
model = mlflow.pyfunc.load_model({uri!r})"""


def how_to_load(waypost: "Waypost", version: "Version", origin: str = "") -> SnippetsOut:
    """The lines to copy. `origin` is the address at which whoever asks reached this gateway, where that is known."""
    made, note = waypost.registries.snippets(version)
    server = waypost.settings.server
    host = (
        "localhost" if server.host in ANYWHERE else f"[{server.host}]" if ":" in server.host else server.host
    )
    base = server.public_url or origin or f"http://{host}:{server.port}"
    registry = f"{base}/mlflow/{version.registry}"
    of, number = shown_name(version.model), version.record.version
    uri = f"models:/{of}/{number}" if number.isdecimal() else f"models:/{of}@{alias_of(number)}"
    place = _where(version)
    ours = [Snippet(TITLE, "python", place + CODE.format(registry=registry, uri=uri))]
    for alias in version.aliases[:1]:
        code = place + CODE.format(registry=registry, uri=f"models:/{of}@{alias}")
        ours.append(Snippet(f"Whichever version {alias} names", "python", code))
    ours.append(Snippet(ON_THE_LINE, "bash", f"{place}waypost show {shlex.quote(str(version.reference))}"))
    return snippets_out(version, (*made, *ours), note)


def _where(version: "Version") -> str:
    """A line that says which page of the backend is loaded from, of which workspace or project: that stands in its
    address, and in none of ours. Empty where the backend gives none that fits into a comment.
    """
    url = version.record.url or ""
    return f"# {url}\n" if url.isprintable() and url else ""
