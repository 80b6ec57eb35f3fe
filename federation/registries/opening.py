"""From what is configured of a registry to its adapter."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Row

from adapters import Adapter, AdapterConfig, BrokenPluginError, Discovered
from federation.blotting import guard
from federation.references import is_registry_name
from federation.registries.configured import RegistryError, RegistrySpec
from federation.secrets import SecretError, resolve
from federation.stages import StageRuleError, StageRules, parse_rules


def check(spec: RegistrySpec, adapters: Discovered) -> None:
    """Everything that can be said of a registry without asking its backend. Errors: `RegistryError`."""
    if not is_registry_name(spec.name):
        raise RegistryError(
            f"registry {spec.name!r}: a name has 1 to 63 of a-z, 0-9, '-', '_', '.', the first a letter or digit"
        )
    adapter = adapter_class(spec.name, spec.kind, adapters)
    try:
        parse_rules(spec.stages, adapter.stage_rules)
    except StageRuleError as error:
        raise RegistryError(f"registry {spec.name}: {error}") from None
    open_adapter(spec.name, spec.kind, spec.config, adapters)[0].close()


def adapter_class(name: str, kind: str, adapters: Discovered) -> type[Adapter]:
    """The adapter of a registry's kind. Errors: `RegistryError`."""
    try:
        return adapters.get(kind)
    except BrokenPluginError as error:
        raise RegistryError(f"registry {name}: {error}") from None


def open_adapter(
    name: str, kind: str, config: Mapping[str, Any], adapters: Discovered
) -> tuple[Adapter, AdapterConfig]:
    """The adapter of a registry, not yet connected, and its configuration with the secrets resolved.

    Errors: `RegistryError`, without any secret.
    """
    adapter = adapter_class(name, kind, adapters)
    checked = _read_config(name, config, adapter.config_type)
    try:
        return guard(adapter(checked), checked), checked
    except Exception as error:
        raise RegistryError(
            f"registry {name}: adapter {kind} cannot be opened: {type(error).__name__}"
        ) from error


def _read_config(name: str, config: Mapping[str, Any], wanted: type[AdapterConfig]) -> AdapterConfig:
    try:
        return wanted(**resolve(config, wanted, f"registries.{name}.config"))
    except SecretError as error:
        raise RegistryError(f"registry {name}: {error}") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "config"
        known = ", ".join(sorted(wanted.model_fields))
        hint = f" (known: {known})" if first["type"] == "extra_forbidden" else ""
        raise RegistryError(f"registry {name}: config.{where}: {first['msg'].lower()}{hint}") from None
    except Exception as error:
        raise RegistryError(
            f"registry {name}: its configuration cannot be read: {type(error).__name__}"
        ) from error


def rules_of(row: Row[Any], adapters: Discovered) -> StageRules:
    """The stage rules of a registry's row."""
    return parse_rules(row.stages, adapter_class(row.name, row.kind, adapters).stage_rules)


def reading_of(row: Row[Any], adapters: Discovered) -> int:
    """How the adapter of a registry's row reads."""
    return adapter_class(row.name, row.kind, adapters).reading
