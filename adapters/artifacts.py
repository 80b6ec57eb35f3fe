"""The files of a version: paths inside of them, and what every kind makes of an answer that hands one out."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from adapters.contract import ArtifactStream, ByteSpan
from adapters.errors import NotFoundError
from adapters.http import HttpClient

_RANGE = re.compile(r"bytes [0-9]+-[0-9]+/([0-9]+)")


def checked(path: str) -> str:
    """A path that stays inside the files. Errors: `NotFoundError` for any other."""
    steps = path.split("/") if path else []
    if any(step in ("", ".", "..") or "\\" in step or "\0" in step for step in steps):
        raise NotFoundError(f"there is no file {path[:200]!a}")
    return path


@contextmanager
def streamed(
    http: HttpClient, path: str, span: ByteSpan | None, *, url: str | None = None
) -> Iterator[ArtifactStream]:
    """A file that a server hands out at a path, or a whole address. Errors: any `AdapterError`."""
    headers = {} if span is None else {"Range": span.header}
    with http.stream(path, headers, url=url) as answer:
        said = answer.headers.get("content-length", "")
        length = int(said) if said.isdecimal() else None
        found = _RANGE.fullmatch(answer.headers.get("content-range", ""))
        is_part = answer.status == 206
        total = int(found[1]) if found is not None else None if is_part else length
        yield ArtifactStream(answer.pieces, length, total, is_part)
