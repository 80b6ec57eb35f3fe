"""What came of the notifications that backends send."""

from litestar import get

from gateway.api.hooks_out import HooksOut
from gateway.api.requests import READ, GivenView, GivenWaypost


@get("/hooks", opt=READ, sync_to_thread=True)
def list_hooks(waypost: GivenWaypost, view: GivenView) -> HooksOut:
    """What backends announced by themselves, and what they did not."""
    return HooksOut(waypost.hooks.list(view))
