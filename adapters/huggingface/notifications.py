"""The Hub's webhooks: what they say, by what they are known, and subscribing to them.

They sign nothing: the secret itself stands in a header. They announce creations, deletions, moves, commits with every
tag and branch that changed, and settings; a webhook is called a thousand times a day at most.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from adapters.errors import AuthError, InvalidError, NotFoundError, UnsupportedError
from adapters.huggingface.client import HubClient
from adapters.huggingface.config import HuggingFaceConfig
from adapters.huggingface.keys import MAIN, NOW, NativeId, is_readable
from adapters.notifications import Notification, check_secret
from adapters.payloads import Raw, parts, text
from adapters.records import Key

SECRET = "x-webhook-secret"
RIGHTS = "user.webhooks.read and user.webhooks.write"
_TAG = "refs/tags/"


def changed(config: HuggingFaceConfig, notification: Notification) -> Sequence[Key]:
    """What a webhook is about. Errors: `AuthError`, `InvalidError`, `UnsupportedError`."""
    if config.webhook_secret is None:
        raise UnsupportedError("no webhook is believed without `webhook_secret`")
    secrets = [one for one in (config.webhook_secret, config.former_webhook_secret) if one is not None]
    check_secret(notification.headers.get(SECRET, ""), [one.get_secret_value() for one in secrets])
    said = notification.json()
    name = text(said, "movedTo", "name") or text(said, "repo", "name")
    scope, action = text(said, "event", "scope") or "", text(said, "event", "action")
    at = NativeId(text(said, "repo", "id") or "", name or "")
    is_ours = is_readable(at.model) and config.reads(at.name)
    if text(said, "repo", "type") != "model" or scope.partition(".")[0] != "repo" or not is_ours:
        return ()
    if action == "delete":
        return (at.model,)
    return tuple(dict.fromkeys((at.model, at._replace(tag=MAIN).version, *_tags(at, said))))


def _tags(at: NativeId, said: Any) -> Iterator[Key]:
    """The versions that came and went with the refs that were updated."""
    for one in parts(said, "updatedRefs"):
        ref = text(one, "ref") or ""
        if ref.startswith(_TAG):
            tag = at._replace(tag=ref.removeprefix(_TAG))
            if (old := text(one, "oldSha")) is not None:
                yield tag._replace(commit=old).version
            if text(one, "newSha") is not None:
                yield tag._replace(commit=NOW).version


def subscribe(api: HubClient, address: str) -> str:
    """Make the webhook that calls this address, or bring it in line. Errors: `AdapterError`."""
    config = api.config
    if config.webhook_secret is None:
        raise UnsupportedError("no webhook is believed without `webhook_secret`: configure one first")
    if not config.authors and not config.repositories:
        raise UnsupportedError("a webhook watches what it is told to: name authors or repositories")
    watched = [{"type": _type(api, author), "name": author} for author in config.authors]
    watched += [{"type": "model", "name": name} for name in config.repositories]
    wanted = {
        "url": address, "watched": watched, "domains": ["repo"], "secret": config.webhook_secret.get_secret_value(),
    }  # fmt: skip
    try:
        known = _at(api.call("GET", "/api/settings/webhooks").json(), address)
        where = f"/api/settings/webhooks/{known['id']}" if known else "/api/settings/webhooks"
        made = api.call("POST", where, body=wanted).json()
        if known and known.get("disabled"):
            api.call("POST", f"{where}/enable")
    except AuthError as error:
        names = ", ".join(one["name"] for one in watched)
        raise AuthError(
            f"{error}; a webhook takes a token with {RIGHTS}, which reading does not: let somebody make it at "
            f"{config.url}/settings/webhooks for {address}, with the same secret, for repositories of {names[:300]}"
        ) from None
    if text(made, "webhook", "id") is None:
        raise InvalidError(f"{api.http.host} does not say that the webhook stands: look at its settings")
    return f"{api.http.host} calls {address} when repositories of {len(watched)} watched names change"


def _type(api: HubClient, author: str) -> str:
    """Whether a name is an organisation's or a user's."""
    try:
        api.http.get(f"/api/organizations/{author}/overview")
    except NotFoundError:
        return "user"
    return "org"


def _at(found: Any, address: str) -> Raw | None:
    """The webhook that calls an address."""
    rows = found if isinstance(found, list) else []
    return next((one for one in rows if text(one, "url") == address and text(one, "id")), None)
