"""What people say to a promotion: each word by whom, when it may be said, and what it does."""

from dataclasses import dataclass
from typing import Literal

from federation.access import Permission, Principal
from federation.changes import Change
from federation.errors import DeniedError, PreconditionError, StateError
from federation.journal.entry import Action
from federation.promotions.judgement import Judge, Judgement
from federation.promotions.opened import OpenedPromotion, told
from federation.promotions.reader import proposal_of
from federation.promotions.rollout import read_rollout

Word = Literal["comment", "approve", "reject", "cancel", "review", "stop"]


class VoidError(Exception):
    """What was approved is no longer so."""


@dataclass(frozen=True, slots=True)
class PromotionResponse:
    """One word to one promotion, inside the transaction that locks it."""

    opened: OpenedPromotion
    judge: Judge
    principal: Principal

    def give(self, word: Word, words: str, evidence: str | None) -> None:
        """Errors: `DeniedError`, `StateError`, `PreconditionError`, `VoidError`."""
        match word:
            case "comment":
                self._say("comment", words, Action.PROMOTION_COMMENTED)
            case "review":
                self._review(words)
            case "cancel":
                self._cancel(words)
            case "stop":
                self._stop(words)
            case "approve" | "reject":
                self._vote(word, words, evidence)

    def _review(self, words: str) -> None:
        row = self.opened.row
        if row.review != "open":
            raise StateError(f"promotion {row.id} waits for no review", code="nothing-to-review")
        self.principal.require(Permission.CHANGE, row.registry_id, f"registry {row.registry}")
        if self._is_proposer:
            raise DeniedError("review", "what you did yourself", remedy="somebody else closes it")
        self.opened.change(review="closed")
        self._say("review", words, Action.PROMOTION_REVIEWED)

    def _cancel(self, words: str) -> None:
        self._require_open()
        row = self.opened.row
        if not self._is_proposer:
            self.principal.require(Permission.CHANGE, row.registry_id, f"registry {row.registry}")
        self._end("cancel", "cancelled", words)

    def _stop(self, words: str) -> None:
        """The former shares of traffic are put back, and what was made before."""
        row, rollout = self.opened.row, read_rollout(self.opened.row.rollout)
        if row.state != "executing" or row.undone != "[]" or rollout is None:
            raise StateError(f"promotion {row.id} moves no traffic now: it is {row.state}", code="ended")
        if not self._is_proposer:
            self.principal.require(Permission.APPROVE, row.registry_id, f"registry {row.registry}")
        rollout.stopped = words
        self.opened.change(rollout=rollout.to_json(), due_at=self.judge.at)
        self._say("stop", words, Action.PROMOTION_COMMENTED)

    def _vote(self, word: str, words: str, evidence: str | None) -> None:
        self._require_open()
        row = self.opened.row
        proposal = proposal_of(self.opened.connection, row)
        if proposal is None:
            raise StateError(f"{row.ref} was deleted", code="deleted")
        judged = self.judge.judge(proposal)
        if changed := judged.changed():
            raise VoidError(f"promotion {row.id} is void: {self.opened.void(changed)}. Propose it again")
        if evidence is not None and evidence != judged.digest:
            raise PreconditionError("the evidence is another one than was shown: look at it again")
        if word == "approve" and self.judge.has_agreed(proposal, self.principal.id):
            raise StateError("you approved this already: a person counts once", code="already-approved")
        self._require_eligible(judged)
        if word == "reject":
            self._end("reject", "rejected", words)
            return
        if judged.is_agreed:
            raise StateError("everybody who must agree did already", code="agreed")
        if judged.refused:
            first = judged.within(self.principal.view).refused[0]
            why = f"{first.name} says {first.verdict}: {first.seen}"
            raise StateError(f"nobody can approve this while {why}", code="refused")
        self._say("approve", words, Action.PROMOTION_AGREED, judged)
        self.opened.batch.change(
            Change("version", row.version_id, row.registry_id)
        )  # it is found by who approved
        self.opened.later(self.judge.at)

    def _require_eligible(self, judged: Judgement) -> None:
        """Errors: `DeniedError`."""
        if not self.judge.could_agree(judged, self.principal.id):
            asked = "; ".join(f"{need.count} of {need.whom}" for need in judged.needs) or "nobody"
            out = sorted({word for policy, _ in judged.demands for word in policy.separate})
            but = f", and not the {' or '.join(out)}" if out else ""
            raise DeniedError("approve", f"promotion {self.opened.row.id}, which asks for {asked}{but}")

    def _require_open(self) -> None:
        row = self.opened.row
        if row.state not in ("waiting", "approved"):
            raise StateError(f"promotion {row.id} is {row.state}", code="ended")

    @property
    def _is_proposer(self) -> bool:
        person = self.judge.people.person
        return person(self.principal.id) == person(self.opened.row.proposer)

    def _end(self, word: str, state: str, words: str) -> None:
        self.opened.say(self.principal.id, word, words, self.judge.at)
        self.opened.end(state, words, actor=self.principal.id)

    def _say(self, kind: str, words: str, action: Action, judged: Judgement | None = None) -> None:
        evidence, details = ("", {}) if judged is None else (judged.canonical, told(judged))
        self.opened.say(self.principal.id, kind, words, self.judge.at, evidence)
        withheld = {"words": words or None, "evidence": evidence or None}
        self.opened.tell(action, self.principal.id, details=details, withheld=withheld)
