"""Other models that are like a version: the catalogue knows the version, the index what is like it."""

from typing import TYPE_CHECKING

from federation.errors import UnknownError

if TYPE_CHECKING:
    from federation.access import View
    from federation.references import Reference
    from federation.search.answer import SimilarAnswer
    from gateway.waypost import Waypost


def similar(waypost: "Waypost", view: "View", reference: "Reference", limit: int) -> "SimilarAnswer":
    """At most `limit` of them, the likest first. Errors: `UnknownError`, `GoneError`, `SearchError`."""
    found = waypost.catalogue.version(view, reference)
    document = waypost.documents.version(found.id)
    if document is None:  # deleted a moment ago
        raise UnknownError()
    return waypost.search.similar(view, document, limit)
