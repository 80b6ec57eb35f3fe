"""What a service says by itself: a request that is signed by Standard Webhooks and names ids.

`{"changed": [{"model": "m1"}, {"model": "m1", "version": "v3"}]}`: ids that stand in paths for `{model}` and `{id}`.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from adapters.errors import InvalidError, UnsupportedError
from adapters.notifications import Notification, check_signature, standard_key
from adapters.records import Key
from adapters.rest.config import RestConfig
from adapters.rest.records import OPEN

SHAPE = 'a notification is {"changed": [{"model": ID, "version": ID}, …]}, a model\'s without `version`'


def changed(config: RestConfig, notification: Notification) -> Sequence[Key]:
    """What a request is about. Errors: `AuthError`, `InvalidError`, `UnsupportedError`."""
    secrets = [one for one in (config.webhook_secret, config.former_webhook_secret) if one is not None]
    if config.webhook_secret is None:
        raise UnsupportedError("no notification is believed without `webhook_secret`")
    check_signature(notification, [standard_key(one.get_secret_value()) for one in secrets])
    found = notification.json().get("changed")
    if not isinstance(found, list):
        raise InvalidError(SHAPE)
    return [_key(config, one) for one in found]


def _key(config: RestConfig, one: Any) -> Key:
    if not isinstance(one, dict):
        raise InvalidError(SHAPE)
    model = _part(one.get("model"), is_open=config.models.incarnation is not None)
    if "version" not in one:
        return Key("model", model)
    version = _part(one["version"], is_open=config.versions.incarnation is not None)
    return Key("version", f"{quote(model, safe='')}/{quote(version, safe='')}")


def _part(ident: Any, *, is_open: bool) -> str:
    """An id as it stands in a key; where its creation belongs to it, of whatever lives under it now."""
    if isinstance(ident, bool) or not isinstance(ident, str | int) or ident == "":
        raise InvalidError(SHAPE)
    return quote(str(ident), safe="") + (OPEN if is_open else "")
