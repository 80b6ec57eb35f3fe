"""Secrets are references in the configuration, `env:NAME` or `file:PATH`, and become values only where an
adapter is opened.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, SecretStr

from federation.errors import SetupError

SCHEMES = ("env:", "file:")


class SecretError(SetupError, ValueError):
    """A secret is missing, or stands in the configuration as a value. Never shows what was given."""

    code = "secret-unreadable"


def read_secret(reference: str, name: str) -> str:
    """The value of a secret reference; `name` says in errors which setting it is for."""
    scheme, _, rest = reference.partition(":")
    if f"{scheme}:" not in SCHEMES or not rest:
        raise SecretError(
            f"{name} must be a reference, env:NAME or file:PATH: secrets do not stand in the configuration"
        )
    if scheme == "env":
        found = os.environ.get(rest)
        if not found:
            raise SecretError(
                f"{name} refers to the environment variable {rest}, which is not set: set it and start again"
            )
        return found
    try:
        return Path(rest).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SecretError(f"{name} refers to the file {rest}, which cannot be read: {reason}") from None


def resolve(config: Mapping[str, Any], config_type: type[BaseModel], where: str) -> dict[str, Any]:
    """The configuration with its secret references replaced by their values, for the fields typed
    `SecretStr`.
    """
    found = dict(config)
    for name, field in config_type.model_fields.items():
        if _is_secret(field.annotation) and isinstance(found.get(name), str):
            found[name] = SecretStr(read_secret(found[name], f"{where}.{name}"))
    return found


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or SecretStr in get_args(annotation)
