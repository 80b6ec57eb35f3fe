"""Asking the identity provider again about people whose sessions are in use.

Somebody who left a group, or the company, loses what came with it while signed in. The provider's word is asked for
again after ten minutes and believed for fifteen: a provider that does not answer locks nobody out at once.
"""

import time

from federation.identity.identity import CredentialError, Identity, Known
from federation.logs import Log
from gateway.door.groups import ProviderError
from gateway.door.oidc import Provider

log = Log(__name__)
PATIENCE = 6.0
"""Seconds in which somebody else's asking is waited for."""
LOOK_EVERY = 0.1


class Renewals:
    """Keeps sessions of one process in line with what the provider says."""

    def __init__(self, provider: Provider, identity: Identity) -> None:
        self._provider = provider
        self._identity = identity

    def renewed(self, secret: str, known: Known) -> Known:
        """The session as the provider's word of today makes it.

        Errors: `CredentialError` when the provider no longer vouches for the person, `ProviderError` when it could not
        be asked for too long, `DatabaseError`.
        """
        if not self._identity.take_turn(secret):
            return self._waited_for(secret, known)
        try:
            person = self._provider.renew(self._identity.renewal(secret, known), known.subject)
        except ProviderError as error:
            log.warning("a session could not be renewed", error=error.whole, session=known.principal.id)
            if not known.is_believed:
                raise
            return known
        except (CredentialError, ValueError) as error:
            self._identity.end_unvouched(secret)
            raise CredentialError("no longer vouched for by the identity provider") from error
        return self._identity.renew(secret, person, None if person is None else person.renewal)

    def _waited_for(self, secret: str, known: Known) -> Known:
        """Somebody else asks, or did a moment ago: what they were told, or what is known while it is believed."""
        if known.is_believed:
            return known
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            time.sleep(LOOK_EVERY)
            found = self._identity.directory.of_session(secret)
            if found.is_believed:
                return found
        raise ProviderError(
            "the identity provider could not be asked whether you may still be here: try again"
        )
