"""Whole records as the API gives them to another gateway."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from datetime import datetime
from typing import get_args

import msgspec

from adapters import EndpointRecord, Key, Kind, ModelRecord, VersionRecord
from federation.errors import InvalidRequestError
from federation.references import Reference
from federation.sharing.sharing import SharedPage

KINDS: tuple[Kind, ...] = get_args(Kind)


class StatedNeedOut(msgspec.Struct):
    """What a version needs: a whole reference, an address, or text that nobody can read."""

    ref: str
    relation: str
    """That of a parent (base, parent, copy, fine_tuned, distilled, quantised); empty for a dependency."""


class WholeModelOut(msgspec.Struct):
    """A model with everything that its backend says of it."""

    ref: str
    record: ModelRecord


class WholeVersionOut(msgspec.Struct):
    """A version with everything that its backend says of it, and what this gateway makes of that."""

    ref: str
    stage: str
    stage_reason: str
    needs: Sequence[StatedNeedOut]
    record: VersionRecord


class WholeEndpointOut(msgspec.Struct):
    """An endpoint with everything that its backend says of it."""

    record: EndpointRecord


class RecordsOut(msgspec.Struct):
    """A page of the whole records of a registry, for another gateway that reads this one."""

    registry: str
    state: str
    """How it stands: what is not `ok` may be old or not whole."""
    last_success_at: datetime | None
    models: Sequence[WholeModelOut]
    versions: Sequence[WholeVersionOut]
    endpoints: Sequence[WholeEndpointOut]
    gone: Sequence[Key]
    """What changed and is deleted."""
    since: str
    """Asks, as `since`, for what changes after this answer; it counts for two days."""
    next_cursor: str | None
    more: bool
    """There is more of what was asked for: behind `next_cursor`, or since `since`."""


def key_text(key: Key) -> str:
    """A key as a parameter holds it, whatever signs the backend puts into it."""
    return urlsafe_b64encode(f"{key.kind}:{key.native_id}".encode()).decode()


def read_key(text: str, parameter: str) -> Key:
    """The key of a parameter. Errors: `InvalidRequestError`."""
    try:
        kind, _, native_id = urlsafe_b64decode(text.encode()).decode().partition(":")
    except (ValueError, Base64Error):
        kind = native_id = ""
    for known in KINDS:
        if kind == known and native_id:
            return Key(known, native_id)
    raise InvalidRequestError(f"{parameter} is none that was given out: base64url of KIND:ID")


def records_out(page: SharedPage) -> RecordsOut:
    """A page as JSON."""
    return RecordsOut(
        registry=page.registry,
        state=page.state,
        last_success_at=page.last_success_at,
        models=[WholeModelOut(str(Reference(page.registry, one.name)), one) for one in page.models],
        versions=[
            WholeVersionOut(
                ref=str(one.version.reference),
                stage=one.version.stage,
                stage_reason=one.version.stage_reason,
                needs=[StatedNeedOut(*need) for need in one.needs],
                record=one.version.record,
            )
            for one in page.versions
        ],
        endpoints=[WholeEndpointOut(one) for one in page.endpoints],
        gone=page.gone,
        since=page.since,
        next_cursor=None if page.after is None else key_text(page.after),
        more=page.more,
    )
