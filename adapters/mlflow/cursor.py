"""Where a scan of an MLflow server stands: what its page tokens and watermarks hold."""

import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from adapters.errors import InvalidError
from adapters.records import PageToken, Watermark

Phase = Literal["models", "prompts", "versions", "prompt_versions", "bumped", "end"]
Place = tuple[Phase, int, str | None, int]
"""Which page of MLflow's: listing, group, page token, how many came before. A token may stand for several pages in
turn: where rows went, the next page begins further up."""


@dataclass(frozen=True, slots=True)
class Top:
    """The beginning of a listing that is ordered newest first: its first time, a digest of what follows."""

    newest: int = 0
    digest: str = ""
    near: tuple[str, ...] = ()
    """Marks of the rows near the beginning that the scan has seen to: one that is met again has not bumped."""

    @classmethod
    def load(cls, stored: dict[str, Any]) -> "Top":
        """As it was kept, also by a former build, that kept no marks."""
        near = tuple(str(mark) for mark in stored.get("near", ()))
        return cls(int(stored["newest"]), str(stored["digest"]), near)


@dataclass(frozen=True, slots=True)
class Mark:
    """What a watermark holds: the tops of the three listings as an earlier scan found them."""

    models: Top
    prompts: Top
    versions: Top

    def dump(self) -> Watermark:
        """As the caller keeps it."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def load(cls, mark: Watermark) -> "Mark":
        """Errors: `InvalidError` for one that is not of this adapter."""
        try:
            stored = json.loads(mark)
            return cls(*(Top.load(stored[name]) for name in FIELDS))
        except (ValueError, KeyError, TypeError):
            raise InvalidError("the watermark is not one of this adapter: run a full scan") from None


FIELDS = ("models", "prompts", "versions")


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a scan stands. `page` is MLflow's token of the page being given, `done` its rows given."""

    scan: str
    phase: Phase = "models"
    page: str | None = None
    number: int = 0
    """How many pages of this listing came before."""
    done: int = 0
    group: int = 0
    """Which group of bumped models is listed."""
    since: Mark | None = None
    models: Top = Top()
    prompts: Top = Top()
    versions: Top = Top()
    bumped: tuple[tuple[int, str, bool], ...] = ()
    """(creation, name, is a prompt) of models that may have bumped."""
    everything: bool = False
    """Too many have bumped: every version is listed."""
    given: tuple[str, ...] = ()
    """Models that this page's versions needed and that were given out of turn."""
    seam: tuple[str, ...] = ()
    """What the page should begin with: the last rows of the one before it."""
    rows: str = ""
    """Which rows the page had when it was given in part: another process may find others."""

    def dump(self) -> PageToken:
        """As the caller keeps it."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def load(cls, token: PageToken) -> "Cursor":
        """Errors: `InvalidError` for one that is not of this adapter."""
        try:
            stored: dict[str, Any] = json.loads(token)
            since = stored["since"]
            stored |= {name: Top.load(stored[name]) for name in FIELDS}
            stored["since"] = Mark.load(json.dumps(since)) if since is not None else None
            stored["bumped"] = tuple(
                (int(at), str(name), bool(prompt)) for at, name, prompt in stored["bumped"]
            )
            stored["given"] = tuple(stored["given"])
            stored["seam"] = tuple(stored.get("seam", ()))
            return cls(**stored)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InvalidError("the page token is not one of this adapter: begin the scan again") from None

    @property
    def full(self) -> bool:
        """Whether every version is listed."""
        return self.since is None or self.everything


def place_of(cursor: Cursor) -> Place:
    """Which page of MLflow's a cursor stands on."""
    return (cursor.phase, cursor.group, cursor.page, cursor.number)


def with_top(cursor: Cursor, top: Top) -> Cursor:
    """The cursor with what is now known of the beginning of its listing."""
    match cursor.phase:
        case "models":
            return replace(cursor, models=top)
        case "prompts":
            return replace(cursor, prompts=top)
        case "versions":
            return replace(cursor, versions=top)
        case _:
            return cursor


def drop_unchanged(cursor: Cursor, since: Mark) -> Cursor:
    """Forget the bumped models of a listing whose top is as it was: they are the ones seen last time."""
    same = {False: cursor.models == since.models, True: cursor.prompts == since.prompts}
    if all(same.values()):
        return replace(cursor, bumped=(), everything=False)
    return replace(cursor, bumped=tuple(entry for entry in cursor.bumped if not same[entry[2]]))
