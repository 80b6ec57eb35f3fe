"""`mlflow-artifacts/`: the files of versions that a client cannot reach by itself, or may not show its token for."""

import re
from collections.abc import Mapping
from mimetypes import guess_type
from typing import Any, Literal

import anyio
from litestar import Response, get
from litestar.params import FromPath, FromQuery
from litestar.response import Stream

from adapters import ByteSpan
from federation.access import Permission
from federation.errors import GoneError, UnknownError
from federation.references import Reference, ReferenceSyntaxError
from gateway.api.requests import AnyRequest, needs
from gateway.handing import FileQuestion
from gateway.mlflow.errors import missing
from gateway.mlflow.facade import Facade, facade_of
from gateway.mlflow.names import version_at
from gateway.mlflow.shapes import ARTIFACTS
from gateway.problems import ProblemError

READ: Mapping[str, Any] = {**needs(Permission.READ), "files": True}
"""For who may read; and what is asked for so does not make other files stand back."""
PLACE = "/{registry:str}" + ARTIFACTS
_RANGE = re.compile(r"bytes=([0-9]{1,18})-([0-9]{0,18})")
_NOT_HERE = "no file of a version that you may see is at this address"


@get(PLACE, opt=READ, include_in_schema=False)
async def list_files(request: AnyRequest, path: FromQuery[str] = "") -> dict[str, Any]:
    """What is in a folder of a version's files, each by its name in it."""
    facade = facade_of(request)
    question = await _question(facade, path, wants="folder")
    told = await facade.waypost.artifacts.told(question)
    files = []
    for one in told.files:
        row = {"path": one.path.rpartition("/")[2], "is_dir": one.is_folder}
        files.append(row if one.size is None else {**row, "file_size": one.size})
    return {"files": files}


@get(f"{PLACE}/{{path:path}}", opt=READ, include_in_schema=False)
async def download_file(request: AnyRequest, path: FromPath[str]) -> Response[Any]:
    """A file, or the part of it that `Range` names, piece by piece."""
    facade = facade_of(request)
    span = _span(request.headers.get("range"))
    question = await _question(facade, path, span=span)
    told, pieces = await facade.waypost.artifacts.opened(question)
    headers = {"Accept-Ranges": "bytes", "Content-Disposition": "attachment", **facade.headers}
    if told.length is not None:
        headers["Content-Length"] = str(told.length)
    if told.is_part and span is not None and told.length is not None:
        last = span.first + told.length - 1
        headers["Content-Range"] = f"bytes {span.first}-{last}/{'*' if told.total is None else told.total}"
    kind = guess_type(question.path)[0] or "application/octet-stream"
    return Stream(pieces, status_code=206 if told.is_part else 200, headers=headers, media_type=kind)


async def _question(
    facade: Facade, path: str, *, wants: Literal["file", "folder"] = "file", span: ByteSpan | None = None
) -> FileQuestion:
    """What is asked of the process that hands out files, about a version that the caller may see. Errors: 404."""
    _ = facade.known
    try:
        model, version, inside = version_at(path)
        reference = Reference(facade.registry, model, version)
        await anyio.to_thread.run_sync(facade.read, reference)
    except (UnknownError, GoneError, ReferenceSyntaxError):
        raise missing(_NOT_HERE) from None
    first, last = (None, None) if span is None else (span.first, span.last)
    return FileQuestion(facade.registry, model, version, inside, wants, first, last)


def _span(header: str | None) -> ByteSpan | None:
    """The part that is asked for; what is no single part is answered by the whole, as HTTP allows. Errors: 416."""
    found = _RANGE.fullmatch((header or "").strip())
    if found is None:
        return None
    span = ByteSpan(int(found[1]), int(found[2]) if found[2] else None)
    if span.last is not None and span.last < span.first:
        raise ProblemError(416, "range", "the range ends before it begins")
    return span
