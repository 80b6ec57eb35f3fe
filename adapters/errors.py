"""What an adapter may raise, grouped by what the caller should do about it.

    AdapterError
    ├── TransientError      try again later (after `retry_after` seconds, where the backend said so)
    │   └── UnderWayError       what was asked is still being done: ask later, conclude nothing, do not send it again
    ├── BadRecordError      leave this one record out and go on
    └── RejectedError       report it: trying again changes nothing
        ├── AuthError           credentials missing, wrong or expired, or a permission is missing
        ├── NotFoundError       the proof that something is absent
        ├── ConflictError       it is no longer what the caller expected
        ├── InvalidError        the backend does not accept this value
        └── UnsupportedError    this backend or adapter cannot do it

No vendor exception leaves an adapter. A message is one line: what happened, and what to do about it. An adapter puts no
secret into it; what a backend says back is cleaned of them where it enters the federation, for all adapters alike.
"""

import sys
from pathlib import Path

SHARED = frozenset({"federation", "gateway"})
"""Code that calls adapters, and is none of theirs."""


class AdapterError(Exception):
    """The root of everything an adapter raises. `str(error)` is one line, fit to be shown to a user.

    `divisible`: it was too much at once, or one thing of many broke it, so asking for fewer may do.
    `status` is that of the HTTP answer which said so, where there was one.
    """

    divisible: bool = False
    status: int | None = None

    def __init__(self, message: str, *, divisible: bool = False) -> None:
        super().__init__(" ".join(message.split()))
        if divisible:
            self.divisible = True


class TransientError(AdapterError):
    """Try again. `retry_after` is the backend's own wish in seconds, or None.

    Raised from a write it says that the outcome is unknown: the call may have been applied.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, divisible: bool = False) -> None:
        super().__init__(message, divisible=divisible)
        self.retry_after = retry_after


class UnderWayError(TransientError):
    """The backend, or a call that nobody waits for any more, is still at it: neither done nor refused."""


class BadRecordError(AdapterError):
    """One record cannot be understood. `native` names it in the backend's own words, as well as they are known."""

    def __init__(self, message: str, *, native: str = "") -> None:
        super().__init__(message)
        self.native = native


class RejectedError(AdapterError):
    """The backend answered, and the answer is no."""


class AuthError(RejectedError):
    """Credentials are missing, wrong or expired, or the principal lacks a permission."""


class NotFoundError(RejectedError):
    """What was asked for does not exist. From `get` this is the proof of absence that a tombstone needs."""


class ConflictError(RejectedError):
    """The record is no longer the one the caller has read (compare-and-set failed), or it exists already."""


class InvalidError(RejectedError):
    """The backend does not accept this value."""


class UnsupportedError(RejectedError):
    """This adapter, or this backend in its present version, cannot do it."""


def line_of(error: BaseException) -> str:
    """Where an adapter's own code broke, as `FILE, line N, in FUNCTION`; empty where none of it was at work.

    Nothing of the error's text is in it, which may hold a secret.
    """
    whose, found, trace = "", "", error.__traceback__
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        root, *inside = module.split(".")
        is_shared = (
            root in SHARED
            or (root == "adapters" and (len(inside) < 2 or inside[0] == "conformance"))
            or root in sys.stdlib_module_names
        )
        mine = f"{root}.{inside[0]}" if root == "adapters" and inside else root
        if not is_shared and whose in ("", mine):
            code = trace.tb_frame.f_code
            whose, found = mine, f"{Path(code.co_filename).name}, line {trace.tb_lineno}, in {code.co_name}"
        trace = trace.tb_next
    return found
