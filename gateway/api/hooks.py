"""What came of the notifications that backends send."""

from litestar import get
from litestar.di import NamedDependency

from federation.access import Permission, View
from gateway.api.hooks_out import HooksOut
from gateway.api.requests import needs
from gateway.waypost import Waypost


@get("/hooks", opt=needs(Permission.READ), sync_to_thread=True)
def list_hooks(waypost: NamedDependency[Waypost], view: NamedDependency[View]) -> HooksOut:
    """What backends announced by themselves, and what they did not."""
    return HooksOut(waypost.hooks.list(view))


HANDLERS = [list_hooks]
