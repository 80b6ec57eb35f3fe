"""Webhooks: who is sent what, what became of it, and sending again."""

from datetime import timedelta
from typing import Annotated

from litestar import delete, get, post
from litestar.params import FromPath, FromQuery, JSONBody, Parameter, QueryParameter

from federation.events.events import State
from gateway.api.events_out import (
    DeliveriesOut,
    ReplayedOut,
    ReplayIn,
    RotateWebhookIn,
    WebhookIn,
    WebhookMadeOut,
    WebhookSecretOut,
    WebhooksOut,
    WebhookTestOut,
    deliveries_out,
    tested_out,
)
from gateway.api.requests import SUBSCRIBE, GivenPrincipal, GivenWaypost, Ident, Limit


@get("/webhooks", opt=SUBSCRIBE, sync_to_thread=True)
def list_webhooks(waypost: GivenWaypost, principal: GivenPrincipal) -> WebhooksOut:
    """Your webhooks; everybody's for who may give roles on everything."""
    return WebhooksOut(waypost.events.webhooks.list(principal))


@post("/webhooks", opt=SUBSCRIBE, status_code=201, sync_to_thread=True)
def create_webhook(
    waypost: GivenWaypost, principal: GivenPrincipal, data: JSONBody[WebhookIn]
) -> WebhookMadeOut:
    """Have what happens from now on sent to an address, signed by Standard Webhooks with the secret that this shows."""
    return WebhookMadeOut(*waypost.events.webhooks.create(principal, data.spec(waypost, principal.view)))


@delete("/webhooks/{webhook_id:int}", opt=SUBSCRIBE, sync_to_thread=True)
def remove_webhook(webhook_id: FromPath[Ident], waypost: GivenWaypost, principal: GivenPrincipal) -> None:
    """Send nothing there any more; what was not delivered is dropped."""
    waypost.events.webhooks.remove(principal, webhook_id)


@post("/webhooks/{webhook_id:int}/rotate", opt=SUBSCRIBE, status_code=200, sync_to_thread=True)
def rotate_webhook(
    webhook_id: FromPath[Ident],
    waypost: GivenWaypost,
    principal: GivenPrincipal,
    data: JSONBody[RotateWebhookIn | None] = None,
) -> WebhookSecretOut:
    """A new secret. Until the former one ends, what is sent is signed by both, so receivers change when they can."""
    keep = timedelta(hours=(data or RotateWebhookIn()).keep_hours)
    return WebhookSecretOut(waypost.events.webhooks.rotate(principal, webhook_id, keep))


@post("/webhooks/{webhook_id:int}/test", opt=SUBSCRIBE, status_code=200, sync_to_thread=True)
def test_webhook(
    webhook_id: FromPath[Ident], waypost: GivenWaypost, principal: GivenPrincipal
) -> WebhookTestOut:
    """Send one event of the type `waypost.webhook.test` now. The answer has the status and nothing of the body."""
    return tested_out(waypost.events.webhooks.test(principal, webhook_id))


@post("/webhooks/{webhook_id:int}/replay", opt=SUBSCRIBE, status_code=202, sync_to_thread=True)
def replay_webhook(
    webhook_id: FromPath[Ident], waypost: GivenWaypost, principal: GivenPrincipal, data: JSONBody[ReplayIn]
) -> ReplayedOut:
    """Send events again, with the same ids: from behind one, from a time on, or those that were given up."""
    found = waypost.events.webhooks.replay(
        principal, webhook_id, after=data.after, since=data.since, dead=data.dead
    )
    return ReplayedOut(found)


@get("/webhooks/{webhook_id:int}/deliveries", opt=SUBSCRIBE, sync_to_thread=True)
def list_deliveries(
    webhook_id: FromPath[Ident],
    waypost: GivenWaypost,
    principal: GivenPrincipal,
    in_state: Annotated[State | None, QueryParameter(name="state")] = None,
    limit: FromQuery[Limit] = 50,
    cursor: FromQuery[Annotated[str | None, Parameter(max_length=100)]] = None,
) -> DeliveriesOut:
    """What was sent and what waits, the newest event first. What was delivered is kept for 30 days."""
    found = waypost.events.webhooks.deliveries(principal, webhook_id, in_state, cursor, limit)
    return deliveries_out(found, limit)
