"""Two refusals that this adapter tells apart from others of their kind."""

from adapters.errors import AuthError, TransientError


class ForbiddenError(AuthError):
    """The credentials are good, but may not do this one action."""


class UnexplainedError(TransientError):
    """A 500 without an error code of AWS: how emulators answer what they do not have. AWS itself names a code."""
