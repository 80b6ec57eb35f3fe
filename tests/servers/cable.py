"""A link to a server that can fall silent: what is sent meanwhile arrives later, and nothing is refused."""

import socket
import threading
from contextlib import suppress


class Cable:
    """Passes on what both ends say, while it is `whole`. It begins at port `at`, or any."""

    def __init__(self, port: int, at: int = 0) -> None:
        self.whole = threading.Event()
        self.whole.set()
        self._behind = port
        self._listening = socket.create_server(("127.0.0.1", at))
        self.port: int = self._listening.getsockname()[1]
        self._ends: list[socket.socket] = [self._listening]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.whole.set()
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                self._join(self._listening.accept()[0])

    def _join(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._behind))
        except OSError:  # nobody is there now
            client.close()
            return
        self._ends += [client, server]
        for one, other in ((client, server), (server, client)):
            threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while content := one.recv(65_536):
                self.whole.wait()
                other.sendall(content)
            other.shutdown(socket.SHUT_WR)
