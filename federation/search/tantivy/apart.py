"""Encoding very many documents in a process beside this one.

To read the catalogue and to encode what it says would take turns in one interpreter, for twice as long. `python -m` of
this module is that process: it ends with what it is told, so it outlives nobody.
"""

import gc
import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, groupby, islice
from operator import attrgetter
from typing import IO, Self

import msgspec

from federation.logs import Log
from federation.programs import program
from federation.search.document import Document
from federation.search.tantivy import encoding

log = Log(__name__)
MANY = 20_000
"""Of fewer documents, most would be encoded before another process has begun."""
AT_ONCE, AHEAD, MOST = 500, 4, 32 << 20
"""So many documents are handed over at once, and so many times that may be on their way, about 2 MB; at most so many
bytes, but for one model.
"""
LENGTH = 8
"""Bytes in front of a message that say how many it has."""
Batch = list[Document]
_batches = msgspec.msgpack.Decoder(Batch)
_texts = msgspec.msgpack.Decoder(list[str])


def encode(documents: Iterable[Document]) -> Iterator[str]:
    """As `encoding.encode`."""
    batches = _batched(documents)
    yield from encoding.encode(chain.from_iterable(islice(batches, MANY // AT_ONCE)))
    rest = list(islice(batches, 1))
    if not rest:
        return
    with EncodingProcess() as process:
        waiting = deque[tuple[Batch, int]]()
        for batch in chain(rest, batches):
            waiting.append((batch, process.give(batch)))
            while len(waiting) > AHEAD or sum(size for _, size in waiting) > MOST:
                yield from process.take(*waiting.popleft())
        while waiting:
            yield from process.take(*waiting.popleft())


def _batched(documents: Iterable[Document]) -> Iterator[Batch]:
    """Whole models, until they have enough versions."""
    batch: Batch = []
    for _, group in groupby(documents, key=attrgetter("model_id")):
        batch += group
        if len(batch) >= AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


class EncodingProcess:
    """The process, as a context. Where it cannot be had or has ended, its work is done here."""

    def __init__(self) -> None:
        self._sending = ThreadPoolExecutor(1, thread_name_prefix="encoding")
        self._process: subprocess.Popen[bytes] | None = None
        if _processors() < 2:
            return  # they would take turns as well
        command = program("federation.search.tantivy.apart")
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            self._give_up(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        process = self._process
        if process is not None:
            process.kill()
        self._sending.shutdown(cancel_futures=True)
        if process is not None:
            process.communicate()

    def give(self, batch: Batch) -> int:
        """Have whole models encoded; they are taken in the order in which they were given. How many bytes that are; 0:
        they are encoded here.
        """
        if self._process is None:
            return 0
        try:
            data = msgspec.msgpack.encode(batch)
        except (UnicodeEncodeError, OverflowError):  # half a surrogate pair, a number of more than 64 bits
            return 0
        assert self._process.stdin is not None
        # In a thread: it may not read before what it has encoded is taken from it.
        self._sending.submit(_send, self._process.stdin, data)
        return len(data)

    def take(self, batch: Batch, size: int) -> Iterable[str]:
        """The texts of what was given first and not taken yet, which is this and had so many bytes."""
        if self._process is not None and size:
            assert self._process.stdout is not None
            data = _receive(self._process.stdout)
            if data is not None:
                return _texts.decode(data)
            self._give_up("it ended")
        return encoding.encode(batch)

    def _give_up(self, reason: object) -> None:
        log.warning("no other process encodes for the search index: this one does", reason=str(reason))
        if self._process is not None:
            self._process.kill()
            self._sending.submit(self._process.communicate)
            self._process = None


def _processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _send(to: IO[bytes], data: bytes) -> None:
    to.write(len(data).to_bytes(LENGTH, "big") + data)
    to.flush()


def _receive(of: IO[bytes]) -> bytes | None:
    """The next message; None where no whole one comes any more."""
    head = of.read(LENGTH)
    size = int.from_bytes(head, "big")
    data = of.read(size)
    return data if len(head) == LENGTH and len(data) == size else None


def main() -> None:
    """Answer batches with their texts, until there are no more."""
    gc.disable()  # nothing here goes in circles
    while (data := _receive(sys.stdin.buffer)) is not None:
        _send(sys.stdout.buffer, msgspec.msgpack.encode(list(encoding.encode(_batches.decode(data)))))


if __name__ == "__main__":
    main()
