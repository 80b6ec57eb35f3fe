"""The worker's thread that signs checkpoints: soon after something was committed."""

import re
import threading

from federation.database import DatabaseError
from federation.health import Reports, said
from federation.journal.journal import NoKeyHereError, SigningError
from federation.logs import Log
from federation.loops import Loop
from gateway.waypost import Waypost

log = Log(__name__)
EVERY = 1.0
"""Seconds between two looks without news."""
AT_MOST = 0.25
"""Seconds between two checkpoints at least."""


class Signing:
    """Signs until it is closed. What stops it is logged once and tried again every second."""

    def __init__(self, waypost: Waypost, reports: Reports) -> None:
        self._waypost = waypost
        self._reports = reports
        self._news = threading.Event()
        self._said = ""
        self._loop = Loop("signing", self._round)

    def start(self) -> None:
        """Begin signing."""
        self._loop.start()

    def look(self) -> None:
        """Tell it that there may be something to sign."""
        self._news.set()

    def close(self) -> None:
        """Stop after the checkpoint at hand."""
        self._loop.stop()
        self._news.set()
        self._loop.join(10)

    def _round(self) -> None:
        self._news.clear()
        could = self._sign()
        # News change nothing where it cannot sign, as on every machine but the one that has the key.
        if not self._loop.stopped.wait(AT_MOST if could else EVERY) and could:
            self._news.wait(EVERY - AT_MOST)

    def _sign(self) -> bool:
        """Sign what there is; False where that could not be done."""
        try:
            signed = self._waypost.journal.signer.sign()
        except NoKeyHereError as error:
            self._say(error)
            # Another machine signs, or the age of what is not signed tells of it.
            self._reports.well("signing", said(error))
        except (SigningError, DatabaseError, OSError) as error:
            self._say(error)
            self._reports.failed("signing", error)
        except Exception as error:
            self._reports.failed("signing", error)
            raise
        else:
            self._reports.well("signing")
            if signed is not None:
                self._said = ""
            return True
        return False

    def _say(self, error: Exception) -> None:
        reason = re.sub(r"\d+", "", said(error))  # counts alone are no news
        if reason != self._said:
            tell = log.info if isinstance(error, NoKeyHereError) else log.error
            tell("no checkpoint is signed", reason=said(error))
            self._said = reason
