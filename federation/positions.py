"""Positions of the change feed as they are given out: sealed, so that they tell nothing and cannot be made up.

A position counts every change there was, also in registries that the caller may not see. What is given out is the
same for the same position and looks like chance otherwise; anything that was not given out is none.
"""

from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from sqlalchemy import Engine, select

from federation import changes
from federation.database import LONG, reading, writing
from federation.identity import tables

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

NAME = "position"
LENGTH = 8
SEALED = 24
"""Bytes of a sealed position: the number, and what proves that we sealed it."""
SIGNS = b"~_"
"""In the place of + and /. No hyphen: what begins with one is an option to a command and a formula to a sheet."""


@dataclass(eq=False)
class Positions:
    """Seals and opens positions with the secret that all processes of a gateway share.

    `of` says what is counted, where that is not the change feed: a position of the one is none of the other.
    """

    engine: Engine = field(repr=False)
    of: bytes = b""

    def newest(self) -> int:
        """The position of the newest change, 0 when there is none. Errors: `DatabaseError`."""
        with reading(self.engine) as connection:
            return changes.newest(connection)

    def behind(self, position: int) -> str:
        """How far a position is behind the newest change, in words; -1 stands for what does not exist yet. Errors:
        `DatabaseError`.
        """
        if position < 0:
            return "not made yet"
        with reading(self.engine) as connection:
            try:
                next_ones = changes.after(connection, position, 1)
            except changes.FeedTrimmedError:
                return "to be built anew: the changes that it lacks are no longer kept"
            count = changes.newest(connection) - position
        return f"{count:,} changes behind" if next_ones else "up to date"

    def trim(self, older_than: datetime) -> None:
        """Forget changes older than a time; the newest one always stays. Errors: `DatabaseError`."""
        with writing(self.engine, bound=LONG) as connection:
            changes.trim(connection, older_than)

    def seal(self, position: int) -> str:
        """What is given out for a position. Errors: `DatabaseError`."""
        sealed: bytes = self._cipher.encrypt(position.to_bytes(LENGTH), self._about)
        return b64encode(sealed, SIGNS).decode()

    def open(self, sealed: str) -> int | None:
        """The position that was given out so; None for anything else. Errors: `DatabaseError`."""
        from cryptography.exceptions import InvalidTag  # deferred: few requests need it

        try:
            given = b64decode(sealed.encode("ascii"), SIGNS)
            if len(given) != SEALED or b64encode(given, SIGNS).decode() != sealed:
                return None
            return int.from_bytes(self._cipher.decrypt(given, self._about))
        except (ValueError, InvalidTag):
            return None

    @property
    def asks_nothing(self) -> bool:
        """Whether the secret is known here, so that sealing asks no database."""
        return "_cipher" in vars(self)

    @property
    def _about(self) -> list[bytes | bytearray | memoryview] | None:
        return [self.of] if self.of else None

    @cached_property
    def _cipher(self) -> "AESSIV":
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV

        with reading(self.engine) as connection:
            query = select(tables.secret.c.value).where(tables.secret.c.name == NAME)
            return AESSIV(connection.execute(query).scalar_one())
