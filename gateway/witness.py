"""Witnesses as configured: a folder, or another gateway over HTTP (C2SP tlog-witness)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx

from federation.journal.verify import NoteError, VerifierKey, parse_verifier_key
from federation.journal.witnesses import FolderWitness, Witness, WitnessError, request_body

PATIENCE = 10.0


def witness(name: str) -> Witness:
    """The witness with this name in the configuration."""
    return HttpWitness(name.rstrip("/")) if "://" in name else FolderWitness(name, Path(name))


@dataclass(frozen=True, slots=True)
class HttpWitness:
    """Another gateway; `name` is its address."""

    name: str

    def key(self) -> VerifierKey | None:
        try:
            return parse_verifier_key(self._ask("GET", "/key").text.strip())
        except NoteError as error:
            raise WitnessError(f"its key cannot be read: {error}") from None

    def latest(self, origin: str) -> bytes | None:
        answer = self._ask("GET", f"/checkpoint/{quote(origin, safe='')}", accepted=(404,))
        return None if answer.status_code == 404 else answer.content

    def take(self, note: bytes, old: int, proof: Sequence[bytes]) -> bytes:
        return note + self._ask("POST", "/add-checkpoint", content=request_body(old, proof, note)).content

    def let_go(self, origin: str) -> None:
        raise WitnessError(
            f"{self.name} never countersigns another history: take it out of audit.witnesses, then resume"
        )

    def _ask(
        self, method: str, path: str, *, content: bytes | None = None, accepted: Sequence[int] = ()
    ) -> httpx.Response:
        try:
            answer = httpx.request(
                method, f"{self.name}/api/v1/witness{path}", content=content, timeout=PATIENCE
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise WitnessError(f"it cannot be reached: {error}") from None
        if not answer.is_success and answer.status_code not in accepted:
            raise WitnessError(f"it answered {answer.status_code}: {answer.text[:300]}")
        return answer
