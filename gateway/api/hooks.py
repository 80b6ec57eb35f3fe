"""What came of the notifications that backends send."""

from litestar import get

from federation.access import Permission
from gateway.api.hooks_out import HooksOut
from gateway.api.requests import GivenView, GivenWaypost, needs


@get("/hooks", opt=needs(Permission.READ), sync_to_thread=True)
def list_hooks(waypost: GivenWaypost, view: GivenView) -> HooksOut:
    """What backends announced by themselves, and what they did not."""
    return HooksOut(waypost.hooks.list(view))
