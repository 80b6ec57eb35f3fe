"""Asking the identity provider again about people whose sessions are in use.

Somebody who left a group, or the company, loses what came with it while signed in. The provider's word is asked for
again after ten minutes and believed for fifteen: a provider that does not answer locks nobody out at once.
"""

import time

import structlog
from sqlalchemy import Engine

from federation.database import writing
from federation.identity import sessions
from federation.identity.credentials import unseal
from federation.identity.directory import CredentialError, Directory, Known
from federation.identity.sessions import Renewal
from gateway.authentication import ProviderError
from gateway.oidc import Provider

log = structlog.get_logger(__name__)
PATIENCE = 6.0
"""Seconds in which somebody else's asking is waited for."""
LOOK_EVERY = 0.1


class Renewals:
    """Keeps sessions of one process in line with what the provider says."""

    def __init__(self, engine: Engine, provider: Provider, directory: Directory) -> None:
        self._engine = engine
        self._provider = provider
        self._directory = directory

    def renewed(self, secret: str, known: Known) -> Known:
        """The session as the provider's word of today makes it.

        Errors: `CredentialError` when the provider no longer vouches for the person, `ProviderError` when it could not
        be asked for too long, `DatabaseError`.
        """
        with writing(self._engine) as connection:
            mine = sessions.take_turn(connection, secret)
        if not mine:
            return self._waited_for(secret, known)
        try:
            self._ask(secret, known)
        except ProviderError as error:
            log.warning("a session could not be renewed", error=error.whole, session=known.principal.id)
            if not known.is_believed:
                raise
            return known
        self._directory.forget()
        return self._directory.of_session(secret)

    def _ask(self, secret: str, known: Known) -> None:
        assert known.renewal is not None
        try:
            renewal = Renewal(unseal(secret, known.renewal))
            person = self._provider.renew(renewal, known.subject)
        except (CredentialError, ValueError) as error:
            with writing(self._engine) as connection:
                sessions.end(connection, secret, by="identity provider")
            self._directory.forget()
            raise CredentialError("no longer vouched for by the identity provider") from error
        with writing(self._engine) as connection:
            sessions.renew(connection, secret, person, None if person is None else person.renewal)

    def _waited_for(self, secret: str, known: Known) -> Known:
        """Somebody else asks, or did a moment ago: what they were told, or what is known while it is believed."""
        if known.is_believed:
            return known
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            time.sleep(LOOK_EVERY)
            found = self._directory.of_session(secret)
            if found.is_believed:
                return found
        raise ProviderError(
            "the identity provider could not be asked whether you may still be here: try again"
        )
