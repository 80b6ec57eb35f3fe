"""Looking up the name of a host within a time. The system's resolver takes as long as it likes and cannot be stopped.

So a look-up has a thread of its own, which is left behind when the time is over. Whoever asks for the same name
meanwhile waits for the same look-up, and of those that hang there is a bounded number.
"""

import socket
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

Found = Sequence[tuple[Any, Any, int, str, Any]]
"""As of `socket.getaddrinfo`."""
MOST = 32
"""Look-ups that may be under way at once."""
_under_way: dict[tuple[str, int], "Future[Found]"] = {}
_lock = threading.Lock()


def addresses(host: str, port: int, seconds: float) -> Found:
    """Where a host is, for connections. Errors: `TimeoutError`; `OSError` or `UnicodeError` where it is nowhere."""
    try:
        numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=numeric)
    except (OSError, UnicodeError):
        return _looked_up((host, port)).result(timeout=max(0.0, seconds))


def _looked_up(asked: tuple[str, int]) -> "Future[Found]":
    with _lock:
        known = _under_way.get(asked)
        if known is not None:
            return known
        if len(_under_way) >= MOST:
            raise TimeoutError
        made: Future[Found] = Future()
        _under_way[asked] = made
    threading.Thread(target=_look_up, args=(asked, made), name="resolver", daemon=True).start()
    return made


def _look_up(asked: tuple[str, int], made: "Future[Found]") -> None:
    try:
        found = socket.getaddrinfo(*asked, type=socket.SOCK_STREAM)
    except BaseException as error:
        result: Any = error
    else:
        result = found
    with _lock:
        del _under_way[asked]
    if isinstance(result, BaseException):
        made.set_exception(result)
    else:
        made.set_result(result)
