"""What people wrote about a version: its model card, put together from where it stands."""

from litestar import get
from litestar.params import FromPath

from gateway.api.out import CardOut, card_out
from gateway.api.requests import READ, GivenView, GivenWaypost
from gateway.parameters import read_reference


@get("/cards/{ref:path}", opt=READ, sync_to_thread=True)
def show_card(ref: FromPath[str], waypost: GivenWaypost, view: GivenView) -> CardOut:
    """A version's model card: from the backend's own card, tags, and the sections of its description."""
    version = waypost.catalogue.version(view, read_reference(ref))
    return card_out(version, waypost.catalogue.card(version, waypost.adapters))
