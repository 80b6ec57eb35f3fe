"""Settings that are references: what a secret is named by, in place of the secret."""

from federation.secrets import SCHEMES, SecretError, read_secret
from gateway.settings import SettingsError


def dereferenced(value: str, name: str) -> str:
    """The setting called `name`, or what it refers to. Errors: `SettingsError`."""
    if not value.startswith(SCHEMES):
        return value
    try:
        return read_secret(value, name)
    except SecretError as error:
        raise SettingsError(str(error)) from None
