"""MLflow's webhooks: what they say, by what they are known, and subscribing to them.

They announce creations, tags of versions and of prompts, and aliases; nothing else, and what fails to arrive is not
sent again later. MLflow reads its list of webhooks once a minute.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.errors import AuthError, InvalidError, UnsupportedError
from adapters.mlflow.client import DEFAULT_WORKSPACE, MlflowClient
from adapters.mlflow.config import MlflowConfig
from adapters.mlflow.keys import NOW, ModelId, VersionId
from adapters.notifications import Notification, SignatureHeaders, check_signature
from adapters.payloads import Raw, at, integer, text
from adapters.records import Key

NAME = "waypost"
HEADERS = SignatureHeaders("x-mlflow-delivery-id", "x-mlflow-timestamp", "x-mlflow-signature")
EVENTS = (
    ("REGISTERED_MODEL", "CREATED"),
    ("MODEL_VERSION", "CREATED"),
    ("MODEL_VERSION_TAG", "SET"),
    ("MODEL_VERSION_TAG", "DELETED"),
    ("MODEL_VERSION_ALIAS", "CREATED"),
    ("MODEL_VERSION_ALIAS", "DELETED"),
    ("PROMPT", "CREATED"),
    ("PROMPT_VERSION", "CREATED"),
    ("PROMPT_TAG", "SET"),
    ("PROMPT_TAG", "DELETED"),
    ("PROMPT_VERSION_TAG", "SET"),
    ("PROMPT_VERSION_TAG", "DELETED"),
    ("PROMPT_ALIAS", "CREATED"),
    ("PROMPT_ALIAS", "DELETED"),
)
"""Everything that MLflow tells of its registry; of budgets and the like we want to know nothing."""
OF_MODELS = {"registered_model", "model_version_alias", "prompt", "prompt_tag", "prompt_alias"}
OF_VERSIONS = {"model_version_tag", "prompt_version_tag"}
OF_BOTH = {"model_version", "prompt_version"}


def changed(config: MlflowConfig, notification: Notification) -> Sequence[Key]:
    """What a webhook is about. Errors: `AuthError`, `InvalidError`, `UnsupportedError`."""
    secrets = [one for one in (config.webhook_secret, config.former_webhook_secret) if one is not None]
    if config.webhook_secret is None:
        raise UnsupportedError("no webhook is believed without `webhook_secret`")
    check_signature(notification, [one.get_secret_value().encode() for one in secrets], HEADERS)
    said = notification.json()
    workspace = said.get("workspace")
    if workspace is not None and workspace != (config.workspace or DEFAULT_WORKSPACE):
        return ()
    data = said.get("data")
    return _named(said.get("entity"), data if isinstance(data, dict) else {})


def _named(entity: Any, data: Mapping[str, Any]) -> Sequence[Key]:
    name, version = data.get("name"), str(data.get("version"))
    if not isinstance(entity, str) or not isinstance(name, str) or not name or "/" in name:
        return ()
    model = ModelId(NOW, name)
    is_number = version.isascii() and version.isdecimal()
    of_version = (VersionId(version, NOW, model).key,) if is_number else ()
    if entity in OF_MODELS:
        return (model.key,)
    if entity in OF_VERSIONS:
        return of_version
    return (model.key, *of_version) if entity in OF_BOTH else ()


def subscribe(api: MlflowClient, address: str) -> str:
    """Make the webhook that calls this address, or bring it in line, and let MLflow try it. Errors: `AdapterError`."""
    secret = api.config.webhook_secret
    if secret is None:
        raise UnsupportedError("no webhook is believed without `webhook_secret`: configure one first")
    wanted: Raw = {
        "events": [{"entity": entity, "action": action} for entity, action in EVENTS],
        "secret": secret.get_secret_value(),
        "status": "ACTIVE",
    }
    try:
        known = api.webhook_at(address)
        if known is None:
            made = api.write("POST", "/webhooks", {"name": NAME, "url": address, **wanted})
            known = text(made, "webhook", "webhook_id") or ""
        else:
            api.write("PATCH", f"/webhooks/{known}", wanted)
        result = api.write("POST", f"/webhooks/{known}/test", {}).get("result")
    except AuthError as error:
        raise AuthError(
            f"{error}; only an administrator of MLflow makes webhooks: let one make it, for {address}, with the same "
            f"secret and the events {', '.join(f'{entity.lower()}.{action.lower()}' for entity, action in EVENTS)}"
        ) from None
    if not isinstance(result, dict) or not result.get("success"):
        why = text(result, "error_message") or f"it was answered {integer(at(result, 'response_status'))}"
        raise InvalidError(f"the webhook stands, but {address} cannot be called from MLflow: {why}")
    return f"MLflow calls {address} for {len(EVENTS)} kinds of events; what happens in the first minute may be missed"
