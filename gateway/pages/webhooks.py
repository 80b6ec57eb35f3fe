"""`/webhooks`: who is sent events, what became of them, and sending again."""

from datetime import timedelta
from typing import Annotated, Any

from litestar import Response
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Redirect

from federation.access import Permission, Principal
from federation.errors import WaypostError
from federation.events.events import State
from gateway.api.events_out import WebhookIn, WebhooksOut, deliveries_out
from gateway.api.requests import AnyRequest, GivenPrincipal, GivenWaypost, Ident
from gateway.pages import words
from gateway.pages.forms import GivenFields, form_at
from gateway.pages.page import list_at, listed, page, pages_at
from gateway.parameters import read_time
from gateway.waypost import Waypost

ROWS = 100


@list_at("/webhooks", Permission.SUBSCRIBE)
def webhooks_page(request: AnyRequest, waypost: GivenWaypost, principal: GivenPrincipal) -> Response[Any]:
    """Every webhook that the caller sees, and a form for a new one."""
    found = WebhooksOut(waypost.events.webhooks.list(principal))
    shown: dict[str, Any] = {
        "webhooks": found.webhooks,
        "mistake": "",
        "secret": "",
        "names": waypost.identity.names(one.owner for one in found.webhooks),
    }
    return listed(request, "webhooks.html", found, found.webhooks, title="Webhooks", **shown)


@form_at("/webhooks", Permission.SUBSCRIBE)
def make_webhook(
    request: AnyRequest, waypost: GivenWaypost, principal: GivenPrincipal, fields: GivenFields
) -> Response[str]:
    """Make a webhook and show its secret, this once."""
    types = fields.get("types", "").replace(",", " ").split()
    asked = WebhookIn(
        fields.get("name", ""), fields.get("url", "").strip(), types, fields.get("on", "").strip()
    )
    webhooks, mistake, secret = waypost.events.webhooks, "", ""
    try:
        _, secret = webhooks.create(principal, asked.spec(waypost, principal.view))
    except WaypostError as error:
        mistake = str(error)
    found = webhooks.list(principal)
    return page(
        request, "webhooks.html", status=422 if mistake else 201, title="Webhooks", webhooks=found, mistake=mistake,
        secret=secret, names=waypost.identity.names(one.owner for one in found),
    )  # fmt: skip


@pages_at("/webhooks/{webhook_id:int}", permission=Permission.SUBSCRIBE)
def webhook_page(
    request: AnyRequest,
    webhook_id: FromPath[Ident],
    waypost: GivenWaypost,
    principal: GivenPrincipal,
    in_state: Annotated[State | None, QueryParameter(name="state")] = None,
    cursor: FromQuery[str | None] = None,
) -> Response[Any]:
    """One webhook, with what was sent and what waits."""
    return _shown(request, waypost, principal, webhook_id, state=in_state, cursor=cursor)


@form_at("/webhooks/{webhook_id:int}", Permission.SUBSCRIBE)
def change_webhook(
    request: AnyRequest,
    webhook_id: FromPath[Ident],
    waypost: GivenWaypost,
    principal: GivenPrincipal,
    fields: GivenFields,
) -> Response[Any] | Redirect:
    """Test it, give it a new secret, send again or remove it, by the button that was pressed."""
    webhooks, said, secret = waypost.events.webhooks, "", ""
    match fields.get("do"):
        case "test":
            answer = webhooks.test(principal, webhook_id)
            said = (
                f"The test was taken with {answer.status}."
                if answer.is_taken
                else f"Not taken: {answer.error}."
            )
        case "rotate":
            secret = webhooks.rotate(principal, webhook_id, timedelta(days=1))
        case "dead":
            count = webhooks.replay(principal, webhook_id, after=None, since=None, dead=True)
            said = f"{words.count(count, 'event')} will be sent again."
        case "since":
            since = read_time(fields.get("since") or None, "since")
            count = webhooks.replay(principal, webhook_id, after=None, since=since, dead=False)
            said = f"{words.count(count, 'event')} will be sent again."
        case "remove":
            webhooks.remove(principal, webhook_id)
            return Redirect("/webhooks", status_code=303)
    return _shown(request, waypost, principal, webhook_id, said=said, secret=secret)


def _shown(
    request: AnyRequest,
    waypost: Waypost,
    principal: Principal,
    ident: int,
    *,
    state: State | None = None,
    cursor: str | None = None,
    said: str = "",
    secret: str = "",
) -> Response[str]:
    webhooks = waypost.events.webhooks
    hook = webhooks.show(principal, ident)
    found = deliveries_out(webhooks.deliveries(principal, ident, state, cursor, ROWS), ROWS)
    return page(
        request,
        "webhook.html",
        title=hook.name,
        hook=hook,
        found=found,
        state=state,
        said=said,
        secret=secret,
    )
