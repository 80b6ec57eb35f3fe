"""Subscriptions: the addresses that events are sent to, by configuration or by whoever may."""

import base64
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, Row, delete, select, update

from adapters import standard_key
from federation import tables
from federation.access import EVERYTHING, NOTHING, Permission, Principal, View
from federation.database import micros, now
from federation.errors import InvalidRequestError, StateError, UnknownError
from federation.events import feed
from federation.events.tables import delivery, subscription
from federation.journal.entry import Action, Entry
from federation.journal.log import Batch
from federation.numbering import insert_dated
from federation.secrets import SCHEMES, read_secret

MOST = 100
"""Subscriptions there may be."""
LONGEST_URL = 2000
LONGEST_NAME = 100
CONFIGURED = ("url", "types", "selector", "secrets")
Views = Callable[[str], View]
"""What the owner of a subscription may see now."""


class WebhookError(InvalidRequestError):
    """A subscription that cannot be. One line with the remedy."""

    code = "invalid-webhook"


class SigningSecretError(InvalidRequestError):
    """A secret that no receiver could check by. Never shows what was given."""

    code = "invalid-secret"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSpec:
    """A subscription as it is asked for: which types of events (none: all), on what (empty: everything that its owner
    sees) are sent where.
    """

    name: str
    url: str
    types: Sequence[str] = ()
    on: str = ""
    secrets: Sequence[str] = ()
    """Of the configuration: references to where they are; each signs."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that events are sent to. `waiting` are not delivered yet, `dead` were given up."""

    id: int
    name: str
    source: str
    """`config` or `api`."""
    owner: str
    """Whose events these are; empty for the configuration, which sees everything."""
    url: str
    types: Sequence[str]
    on: str
    created_at: datetime
    waiting: int
    dead: int
    waiting_since: datetime | None
    """When the oldest event happened that waits."""


def create(connection: Connection, actor: Principal, spec: WebhookSpec) -> tuple[int, str]:
    """A new subscription of the actor's, and its secret. Errors: `WebhookError`, `DeniedError`, `UnknownError`, and
    those of selectors.
    """
    check(spec)
    feed.selected(connection, actor.grants.get(Permission.SUBSCRIBE, NOTHING), spec.on)
    if len(connection.execute(select(subscription.c.id)).all()) >= MOST:
        raise StateError(f"there are {MOST} webhooks: remove one first", code="too-many-webhooks")
    secret = _new_secret()
    row = _insert(connection, spec, "api", actor.id, [[secret, None]])
    tell(connection, Action.WEBHOOK_ADDED, actor.id, row)
    return row.id, secret


def remove(connection: Connection, actor: Principal, ident: int) -> None:
    """End a subscription, with what was not delivered. Errors: `UnknownError`, `StateError` for a configured one."""
    row = find(connection, actor, ident, changing=True)
    _end(connection, row)
    tell(connection, Action.WEBHOOK_REMOVED, actor.id, row)


def rotate(connection: Connection, actor: Principal, ident: int, keep: timedelta) -> str:
    """A new secret, which is returned; for `keep` what is sent is signed by the former one too. Errors: as `remove`."""
    row = find(connection, actor, ident, changing=True)
    former, until = row.secrets[0][0], micros(now() + keep)
    secret = _new_secret()
    kept = [[secret, None], [former, until]] if keep else [[secret, None]]
    connection.execute(update(subscription).where(subscription.c.id == row.id).values(secrets=kept))
    tell(connection, Action.WEBHOOK_ROTATED, actor.id, row)
    return secret


def apply(connection: Connection, specs: Sequence[WebhookSpec]) -> list[str]:
    """Bring the subscriptions of the configuration in line with the file; a line for each that changed. Errors:
    `WebhookError`.
    """
    lines = []
    query = select(subscription).where(subscription.c.source == "config")
    known = {row.name: row for row in connection.execute(query)}
    for spec in specs:
        check(spec)
        values = _values(spec, [[each, None] for each in spec.secrets])
        row = known.pop(spec.name, None)
        if row is None:
            row = _insert(connection, spec, "config", "", values["secrets"])
            tell(connection, Action.WEBHOOK_ADDED, "system", row)
            lines.append(f"webhook {spec.name}: added")
        elif {name: getattr(row, name) for name in CONFIGURED} != {name: values[name] for name in CONFIGURED}:
            connection.execute(update(subscription).where(subscription.c.id == row.id).values(**values))
            tell(connection, Action.WEBHOOK_CHANGED, "system", row)
            lines.append(f"webhook {spec.name}: changed")
    for name, row in known.items():
        _end(connection, row)
        tell(connection, Action.WEBHOOK_REMOVED, "system", row)
        lines.append(f"webhook {name}: removed")
    return lines


def check(spec: WebhookSpec) -> None:
    """Errors: `WebhookError`, and those of types."""
    try:
        parts = urlsplit(spec.url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or len(spec.url) > LONGEST_URL or not spec.url.isprintable() or " " in spec.url:
        raise WebhookError("a webhook goes to an http:// or https:// address")
    if "@" in urlsplit(spec.url).netloc or urlsplit(spec.url).fragment:
        raise WebhookError(
            "the address of a webhook holds no credentials and no #: what is sent is signed instead"
        )
    if not spec.name.strip() or len(spec.name) > LONGEST_NAME or not spec.name.isprintable():
        raise WebhookError(f"a webhook has a name of 1 to {LONGEST_NAME} characters")
    feed.read_types(spec.types)


def visible(connection: Connection, actor: Principal) -> list[Row[Any]]:
    """Everybody's subscriptions for who may give roles on everything; else the actor's own. Oldest first."""
    query = select(subscription).order_by(subscription.c.id)
    if not actor.may(Permission.GRANT):
        query = query.where(subscription.c.owner == actor.id)
    return list(connection.execute(query).all())


def find(connection: Connection, actor: Principal, ident: int, *, changing: bool = False) -> Row[Any]:
    """A subscription that the actor sees. Errors: `UnknownError`; `changing`, for a configured one, `StateError`."""
    row = next((one for one in visible(connection, actor) if one.id == ident), None)
    if row is None:
        raise UnknownError()
    if changing and row.source == "config":
        raise StateError(f"{row.name} stands in the configuration: change it there", code="configured")
    return row


def keys_of(row: Row[Any]) -> list[bytes]:
    """The keys that sign now, the newest first. Errors: `SecretError`, `SigningSecretError`."""
    at, what = micros(now()), f"the secret of webhook {row.name}"
    found = [text for text, until in row.secrets if until is None or until > at]
    read = [read_secret(text, what) if text.startswith(SCHEMES) else text for text in found]
    try:
        return [standard_key(text) for text in read]
    except ValueError as error:
        raise SigningSecretError(f"a secret {error}") from None


def lease_of(ident: int) -> str:
    """The lease of whoever sends to an address."""
    return f"send {ident}"


def sees(views: Views, row: Row[Any]) -> View:
    """What a subscription may see."""
    return views(row.owner) if row.owner else EVERYTHING


def tell(
    connection: Connection,
    action: Action,
    actor: str,
    row: Row[Any],
    details: Mapping[str, Any] | None = None,
) -> None:
    """One entry of the journal about a subscription."""
    batch = Batch()
    withheld = batch.withhold({"name": row.name, "url": row.url})
    told = {"webhook": row.id, **(details or {})}
    batch.record(Entry(action=action, actor=actor, details=told, commitments=withheld))
    batch.append(connection)


def _new_secret() -> str:
    """It is written in plain base64: some receivers pass over the letters of the URL-safe one."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _values(spec: WebhookSpec, its: list[Any]) -> dict[str, Any]:
    return {"url": spec.url, "types": list(spec.types), "selector": spec.on, "secrets": its}


def _insert(connection: Connection, spec: WebhookSpec, source: str, owner: str, its: list[Any]) -> Row[Any]:
    fixed = {"name": spec.name, "source": source, "owner": owner, "created_at": now()}
    return insert_dated(connection, subscription, {**_values(spec, its), **fixed})


def _end(connection: Connection, row: Row[Any]) -> None:
    connection.execute(delete(delivery).where(delivery.c.subscription_id == row.id))
    connection.execute(delete(subscription).where(subscription.c.id == row.id))
    connection.execute(delete(tables.lease).where(tables.lease.c.name == lease_of(row.id)))
