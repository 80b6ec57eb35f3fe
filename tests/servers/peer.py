"""A server that says the same to everybody, whatever it is asked."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

Answer = Callable[[socket.socket], None]


class Peer:
    """Listens, counts who comes, keeps what it is sent, and answers each request in the same way."""

    def __init__(self, answer: Answer, address: str = "127.0.0.1", port: int = 0) -> None:
        self.answer = answer
        self.accepted = 0
        self.received: list[bytes] = []
        self.listener = socket.create_server((address, port))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.accepted += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(30)
            while request := connection.recv(65536):
                self.received.append(request)
                self.answer(connection)


def reply(status: str, body: bytes = b"{}", *headers: str) -> Answer:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Type: application/json", *headers]
    return lambda connection: connection.sendall("\r\n".join([*head, "", ""]).encode() + body)
