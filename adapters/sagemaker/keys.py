"""Names and keys: what a native id holds, and how one package refers to another."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from adapters.errors import NotFoundError
from adapters.records import Key, Kind

Raw = Mapping[str, Any]

_PACKAGE = re.compile(r":model-package/(?P<name>[^/\s]+)(?:/(?P<version>\d+))?$")
_ARN = r"(arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:\d{12}:"
_NATIVE: dict[Kind, re.Pattern[str]] = {
    "model": re.compile(_ARN + r"(?:model-package-group/[\w-]+|model-package/[\w-]+))#\d+"),
    "version": re.compile(_ARN + r"model-package/[\w-]+(?:/\d+)?)#\d+"),
    "endpoint": re.compile(_ARN + r"endpoint/[\w-]+)#\d+"),
}
NOW = 0
"""The creation of whatever has a name now."""
UNVERSIONED = "0"
"""The version an unversioned package gets: it is a model with this one version."""


def moment(text: str | None) -> datetime | None:
    """The wire's time, which the client gives as ISO 8601."""
    return datetime.fromisoformat(text) if text else None


def key_of(kind: Kind, arn: str, created: str) -> Key:
    """The key of a thing: its ARN and its creation in epoch milliseconds, joined by `#`."""
    return Key(kind, f"{arn}#{milliseconds(created)}")


def open_key(kind: Kind, arn: str) -> Key:
    """The key of whatever has an ARN now."""
    return Key(kind, f"{arn}#{NOW}")


def milliseconds(text: str) -> int:
    """The wire's time in milliseconds since 1970."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def created_in(key: Key) -> int:
    """The creation inside a key, in milliseconds since 1970."""
    return int(key.native_id.rpartition("#")[2])


def arn_of(key: Key) -> str:
    """The ARN inside a key. Errors: NotFoundError for a native id that no such thing can have."""
    found = _NATIVE[key.kind].fullmatch(key.native_id)
    if not found:
        raise NotFoundError(
            f"{key.kind} {key.native_id[:100]!r} is no SageMaker {key.kind}: it does not exist"
        )
    return found[1]


def same_incarnation(key: Key, created: str) -> bool:
    """Whether what was created at this time is what the key names, and not a later one under its name."""
    return created_in(key) == NOW or key_of(key.kind, arn_of(key), created) == key


def version_of(package: Raw) -> str:
    """The version of a package: its number in the group, or `0`."""
    return str(package.get("ModelPackageVersion") or UNVERSIONED)


def reference_of(package_arn: str) -> str | None:
    """`group/3` in an ARN as the reference `group:3`; an unversioned package is `name:0`."""
    found = _PACKAGE.search(package_arn)
    return f"{found['name']}:{found['version'] or UNVERSIONED}" if found else None


def is_package(uri: str) -> bool:
    """Whether this is the ARN of a package, of whatever account and region."""
    return uri.startswith("arn:") and _PACKAGE.search(uri) is not None
