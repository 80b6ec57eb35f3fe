"""A plain proxy: each connection goes to the next gateway that takes it."""

import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from itertools import count

TAKES_WITHIN = 1.0
"""Seconds within which a gateway takes a connection."""


class Proxy:
    """Listens on loopback and passes on to `behind`, one after the other."""

    def __init__(self, behind: Sequence[tuple[str, int]]) -> None:
        self._behind = behind
        self._turn = count()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            first = next(self._turn)
            for more in range(len(self._behind)):
                with suppress(OSError):
                    place = self._behind[(first + more) % len(self._behind)]
                    with socket.create_connection(place, timeout=TAKES_WITHIN) as gateway:
                        gateway.settimeout(None)
                        back = threading.Thread(target=_pass, args=(gateway, client), daemon=True)
                        back.start()
                        _pass(client, gateway)
                        back.join()
                    return


def _pass(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while content := one.recv(65_536):
            other.sendall(content)
    with suppress(OSError):
        other.shutdown(socket.SHUT_WR)
