"""Where a scan of an MLflow server stands, and what the next one knows of it: what its marks and watermarks hold."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from adapters.errors import InvalidError
from adapters.records import Mark, Watermark


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


@dataclass(slots=True)
class Tops:
    """The tops of the three listings, as a scan finds them."""

    models: Top = Top()
    prompts: Top = Top()
    versions: Top = Top()

    @property
    def newest(self) -> int:
        """When the newest change of a model or prompt was that the scan has seen."""
        return max(self.models.newest, self.prompts.newest)

    def dump(self) -> Watermark:
        """As the caller keeps it."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def load(cls, watermark: Watermark) -> "Tops":
        """Errors: `InvalidError` for one that is not of this adapter."""
        try:
            stored = json.loads(watermark)
            return cls(*(Top.load(stored[name]) for name in ("models", "prompts", "versions")))
        except (ValueError, KeyError, TypeError):
            raise InvalidError("the watermark is not one of this adapter: run a full scan") from None


@dataclass(frozen=True, slots=True)
class ListingMark:
    """Where in the listing of all versions (`prompts`: of those of prompts) a full scan goes on: at a token of
    MLflow's, behind the rows with these marks.
    """

    prompts: bool = False
    token: str | None = None
    behind: tuple[str, ...] = ()

    def mark(self, tops: Tops) -> Mark:
        """As the caller keeps it."""
        return Mark(json.dumps({"tops": asdict(tops), "place": asdict(self)}, separators=(",", ":")))

    @classmethod
    def load(cls, mark: Mark) -> tuple[Tops, "ListingMark"]:
        """Errors: `InvalidError` for one that is not of this adapter, or of a build that listed in another order."""
        try:
            stored = json.loads(mark)
            place, behind = stored["place"], stored["place"]["behind"]
            tops = Tops.load(json.dumps(stored["tops"]))
            return tops, cls(bool(place["prompts"]), place["token"], tuple(map(str, behind)))
        except (ValueError, KeyError, TypeError, InvalidError):
            raise InvalidError("the mark is not one of this adapter: begin the scan again") from None
