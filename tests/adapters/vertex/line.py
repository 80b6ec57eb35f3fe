"""A line to a server that can be cut: a TCP forwarder which refuses, answers HTML or breaks off."""

import socket
import struct
import threading
from contextlib import suppress
from typing import Literal, Self

Mode = Literal["through", "refuse", "html", "cut"]
_HTML = b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n<html><h1>502 Bad Gateway</h1></html>"
_FIRST_BYTES = 48


class ForwardingLine:
    """Forwards to `target` (`HOST:PORT`) from `address`. Changing the mode cuts every open connection."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._mode: Mode = "through"
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.set("refuse")

    def set(self, mode: Mode) -> None:
        """From now on, and for what is open, which ends."""
        with self._lock:
            self._mode, ended, self._open = mode, self._open, set()
        for connection in ended:
            _reset(connection)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with self._lock:
                    self._open.add(connection)
                    mode = self._mode
                threading.Thread(target=self._serve, args=(connection, mode), daemon=True).start()

    def _serve(self, connection: socket.socket, mode: Mode) -> None:
        with suppress(OSError):
            if mode == "refuse":
                _reset(connection)
            elif mode == "html":
                connection.recv(65536)
                connection.sendall(_HTML)
                connection.close()
            else:
                self._forward(connection, limit=_FIRST_BYTES if mode == "cut" else None)

    def _forward(self, connection: socket.socket, limit: int | None) -> None:
        server = socket.create_connection(self._target)
        threading.Thread(target=_pump, args=(connection, server, None), daemon=True).start()
        _pump(server, connection, limit)


def _pump(source: socket.socket, sink: socket.socket, limit: int | None) -> None:
    with suppress(OSError):
        while data := source.recv(65536 if limit is None else limit):
            sink.sendall(data)
            if limit is not None:
                limit -= len(data)
                if not limit:
                    break
    for each in (source, sink):
        _reset(each)


def _reset(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
