"""Witnesses as configured: a folder, or another gateway over HTTP (C2SP tlog-witness)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from adapters.outgoing import HttpAnswer, HttpError, ask
from adapters.parsing import storable
from federation.journal.journal import (
    FolderWitness,
    NoteError,
    VerifierKey,
    Witness,
    WitnessError,
    parse_verifier_key,
    request_body,
)

PATIENCE = 10.0
"""Seconds that one answer may take, from connecting to its last byte."""
LARGEST = 1 << 16
"""Bytes of an answer that are read: a checkpoint has some hundred."""


def witness(name: str) -> Witness:
    """The witness with this name in the configuration."""
    return HttpWitness(name.rstrip("/")) if "://" in name else FolderWitness(name, Path(name))


@dataclass(frozen=True, slots=True)
class HttpWitness:
    """Another gateway; `name` is its address."""

    name: str

    def key(self) -> VerifierKey | None:
        try:
            return parse_verifier_key(self._ask("GET", "/key").body.decode("utf-8", "replace").strip())
        except NoteError as error:
            raise WitnessError(f"its key cannot be read: {error}") from None

    def latest(self, origin: str) -> bytes | None:
        answer = self._ask("GET", f"/checkpoint/{quote(origin, safe='')}", accepted=(404,))
        return None if answer.status == 404 else answer.body

    def take(self, note: bytes, old: int, proof: Sequence[bytes]) -> bytes:
        return note + self._ask("POST", "/add-checkpoint", content=request_body(old, proof, note)).body

    def let_go(self, origin: str) -> None:
        raise WitnessError(
            "a witness never countersigns another history: take it out of audit.witnesses, then resume",
            self.name,
        )

    def _ask(
        self, method: str, path: str, *, content: bytes | None = None, accepted: Sequence[int] = ()
    ) -> HttpAnswer:
        try:
            answer = ask(
                method, f"{self.name}/api/v1/witness{path}", seconds=PATIENCE, most=LARGEST, body=content
            )
        except HttpError as error:
            late = f" within {PATIENCE:g} seconds" if error.reason in ("unanswered", "unfinished") else ""
            raise WitnessError("it cannot be asked", f"{self.name} {error}{late}") from None
        if answer.status // 100 != 2 and answer.status not in accepted:
            said = storable(answer.body[:300].decode("utf-8", "replace"))
            raise WitnessError(f"it answered {answer.status}", said)
        return answer
