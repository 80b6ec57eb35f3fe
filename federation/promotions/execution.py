"""Carrying promotions out: deciding, asking for the operations, following them, undoing what was made.

Each look at a promotion is one transaction, under the lease of its registry: the judgement, the operations and the
journal entry are committed together or not at all. So two final approvals make one execution, and a worker that dies
anywhere leaves a row from which the next one goes on. No backend is called here: operations are carried out where all
of them are.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, Engine, Row, bindparam, select

from adapters import Discovered, Key
from federation import tables
from federation.catalogue.reader import Version
from federation.database import UTCTime, now, writing
from federation.errors import UnknownError
from federation.graph.declared import declare
from federation.journal.entry import Action
from federation.journal.log import Batch
from federation.leases import Leases
from federation.operations.intent import Asker, Intent, digest_of, record
from federation.operations.state import read_holders
from federation.operations.wanted import SetTraffic, aim, from_json
from federation.policies.policy import read_duration
from federation.prepared import Prepared
from federation.promotions.crossing import Crossing, acting, read_crossing, state_there, there
from federation.promotions.judgement import SYSTEM, Judgement, Proposal, judge_of
from federation.promotions.opened import OpenedPromotion, told
from federation.promotions.outside import OutsideAnswers, OutsideQuestion
from federation.promotions.proposing import write_proposal
from federation.promotions.reader import proposal_of, read_voices
from federation.promotions.rollout import Rollout, begin, begin_back, read_rollout
from federation.promotions.standing import operations, shown, standing, told_stuck, way_back
from federation.promotions.tables import promotion
from federation.references import encode_part, parse

if TYPE_CHECKING:
    from federation.graph.graph import Graph

PROMOTIONS = "promotions"
"""The lease of whoever decides on the promotions of a registry."""
LOOK_EVERY = timedelta(seconds=5)
"""How often a promotion is looked at that waits for people, checks or a window."""
FOLLOW_EVERY = timedelta(seconds=0.2)
TRY_AGAIN = timedelta(seconds=10)
"""How long a promotion that is stuck waits before it is tried to undo it again."""
STUCK_AFTER = timedelta(seconds=30)
"""How long nobody may know what became of an operation before the promotion is stuck."""
MOST_READ = 20
"""Of those that hold the stage, so many are read before they make room."""
MOST = 100
"""Promotions of one round."""
EDGE_WITHIN = timedelta(seconds=60)
"""How long it is waited for the graph to know a version that was made elsewhere."""
_DUE = Prepared(
    select(promotion.c.id, promotion.c.registry_id)
    .where(promotion.c.finished_at.is_(None), promotion.c.due_at <= bindparam("at", None, type_=UTCTime))
    .order_by(promotion.c.due_at)
    .limit(MOST)
)


@dataclass(slots=True)
class PromotionRunner:
    """Looks at every promotion that is due. `wrote` is called after each commit."""

    engine: Engine
    adapters: Discovered
    leases: Leases
    graph: "Callable[[], Graph]"
    outside: OutsideAnswers
    wrote: Callable[[], None] = lambda: None
    at: Callable[[str], None] = lambda point: None
    """Told of every point at which a crash matters."""

    def tick(self) -> bool:
        """Look once at what is due; whether there was anything. Errors: `DatabaseError`."""
        rows = _DUE.polled(self.engine, at=now())
        for row in rows:
            self._look(row.id, row.registry_id)
        return bool(rows)

    def _look(self, promotion_id: int, registry_id: int) -> None:
        self.at("looking")
        with writing(self.engine) as connection:
            if self.leases.take(connection, PROMOTIONS, registry_id) is None:
                return  # another worker decides there
            opened = OpenedPromotion.of(connection, Batch(), promotion_id)
            if opened is None or not opened.is_open:
                return
            turn = _PromotionTurn(opened, self.adapters, self.graph, self.outside)
            turn.take()
            batch = opened.batch
            if batch.entries or batch.changes:
                batch.append(connection)
            self.at("deciding")
        self.at("decided")
        self.outside.ask(turn.questions, promotion_id)
        if batch.entries:
            self.wrote()


@dataclass(slots=True)
class _PromotionTurn:
    """One look at one promotion, in its transaction."""

    opened: OpenedPromotion
    adapters: Discovered
    graph: "Callable[[], Graph]"
    outside: OutsideAnswers
    questions: list[OutsideQuestion] = field(default_factory=list)
    """What is asked of others before it is looked at again."""

    @property
    def row(self) -> Row[Any]:
        """Of the promotion, as it was when it was locked."""
        return self.opened.row

    @property
    def connection(self) -> Connection:
        """Its transaction."""
        return self.opened.connection

    def take(self) -> None:
        """Go one step on, or wait."""
        if self.row.state in ("executing", "stuck"):
            self._follow()
        else:
            self._decide()

    def _decide(self) -> None:
        at, row = now(), self.row
        proposal = proposal_of(self.connection, row)
        if proposal is None:
            self.opened.end("void", f"{row.ref} was deleted", details={"changed": ["version"]})
            return
        judged = self._judged(proposal)
        if judged.is_so_already:
            message = f"{row.ref} is {proposal.version.stage} already: somebody else brought it there"
            self.opened.end("void", message, details={"changed": ["stage"]})
        elif changed := judged.changed():
            self.opened.void(changed)
        elif judged.refused or not judged.is_agreed or judged.plan is None:
            if row.state == "waiting" and at >= row.expires_at:
                self.opened.end("expired", "it was not approved in time")
            else:
                self.opened.change(state="waiting", message="", due_at=at + LOOK_EVERY)
        else:
            self._go(judged)

    def _go(self, judged: Judgement) -> None:
        """Everything that people and checks must say is there: carry it out as soon as time allows."""
        row, at = self.row, now()
        if row.state == "waiting":
            self.opened.change(state="approved")
            self.opened.tell(Action.PROMOTION_APPROVED, details=told(judged))
        if judged.early:
            self.opened.later(at + LOOK_EVERY)
        elif first := self._other("executing", "stuck"):
            message = f"promotion {first[0].id} brings {first[0].ref} to {row.to_stage} first"
            self.opened.change(message=message, due_at=at + FOLLOW_EVERY)
        elif (why := self._stale(judged)) is not None:
            self.opened.change(message=why, due_at=at + (LOOK_EVERY if why else FOLLOW_EVERY))
        else:
            self._start(judged)

    def _stale(self, judged: Judgement) -> str | None:
        """Why what it was judged by is not known to be so now; None: it was read just now. What is carried out
        whatever the record says waits for no reading: an emergency, a way back.
        """
        if self.row.kind != "promotion" or not judged.demands:
            return None
        version, known = judged.proposal.version, tables.version.c
        holders = self.connection.execute(
            select(known.native_id).where(
                known.model_id == version.model_id,
                known.deleted_at.is_(None),
                known.stage == self.row.to_stage,
            )
        ).scalars()
        held = (Key("version", native) for native in sorted(holders)[:MOST_READ])
        keys = tuple(dict.fromkeys((version.model_record.key, version.record.key, *held)))
        return self._asked(keys, lambda: self.outside.read(version.registry_id, keys))

    def _asked(self, about: Hashable, call: Callable[[], str | None]) -> str | None:
        """What others say to a question, empty while they have not answered."""
        question = OutsideQuestion(self.row.id, about, call)
        why = self.outside.lacking(question)
        if why is not None:
            self.questions.append(question)
        return why

    def _start(self, judged: Judgement) -> None:
        row, plan = self.row, judged.plan
        assert plan is not None
        intents = [step.bound for step in plan.steps]
        replaced = read_holders(self.connection, row.model_id, row.to_stage)
        versions = tables.version.c
        query = select(versions.id).where(
            versions.model_id == row.model_id,
            versions.deleted_at.is_(None),
            versions.id != row.version_id,
            versions.version.in_(sorted(map(encode_part, replaced))),
        )
        ids = sorted(self.connection.execute(query).scalars())
        steps = [] if row.crossing else self._ask(intents)
        rollout = self._rollout(judged, ids)
        self.opened.change(
            rollout=None if rollout is None else rollout.to_json(),
            state="executing", message="", steps=_json(steps), replaced=_json(ids), due_at=now(),
        )  # fmt: skip
        self.opened.tell(Action.PROMOTION_STARTED, details={**told(judged), "operations": steps})
        for other in self._other("waiting", "approved"):
            if not any(one.kind == "approve" for one in read_voices(self.connection, other.id)):
                continue  # nobody has judged it by what is in the stage now
            message = f"promotion {row.id} brings {row.ref} to {row.to_stage} first"
            locked = OpenedPromotion.of(self.connection, self.opened.batch, other.id)
            assert locked is not None
            locked.end("void", message, details={"changed": ["production"]})

    def _rollout(self, judged: Judgement, replaced: Sequence[int]) -> Rollout | None:
        """How traffic comes to the version, or back; None where no policy says so, or it has all of it."""
        if self.row.kind == "rollback":
            return begin_back(self.connection, self.row.registry_id, replaced)
        asking = [policy for policy, whole in judged.demands if whole and policy.rollout.steps]
        if not asking or self.row.kind != "promotion":
            return None
        first = asking[0]
        return begin(self.connection, judged.proposal.version, first.name, first.rollout)

    def _roll(self, rollout: Rollout, made: Sequence[Row[Any]]) -> None:
        """One step on with the traffic: hold, ask the gates, and take the next."""
        at, where = now(), f"at {rollout.percent} %"
        if rollout.stopped:
            self._undo(made, f"stopped {where}: {rollout.stopped}")
            return
        if rollout.done and rollout.since is None:
            rollout.since = at
        over = at if rollout.since is None else rollout.since + read_duration(rollout.terms.hold)
        if at < over:
            self.opened.change(rollout=rollout.to_json(), due_at=min(over, at + LOOK_EVERY))
            return
        gates = [self._gate(rollout, gate) for gate in rollout.terms.gates] if rollout.done else []
        if failed := [why for why in gates if why]:
            self._undo(made, f"{where}: {'; '.join(failed)}")
        elif "" in gates:
            self.opened.change(rollout=rollout.to_json(), due_at=at + FOLLOW_EVERY)
        elif rollout.done == len(rollout.terms.steps):
            self.opened.end("done", self._left_behind())
        else:
            self._step(rollout)

    def _gate(self, rollout: Rollout, gate: str) -> str | None:
        why = self._asked((rollout.done, gate), lambda: self.outside.gate(gate, self.row.ref))
        return why and f"the gate {gate} fails: {why}"

    def _step(self, rollout: Rollout) -> None:
        rollout.done, rollout.since = rollout.done + 1, None
        version = self._version_key()
        intents = [self._moving(endpoint, rollout.shares(endpoint, version)) for endpoint in rollout.former]
        # Each endpoint is moved for itself: one that fails must not hide what became of the others.
        ids = [id_ for intent in intents for id_ in self._ask([intent])]
        steps = [*msgspec.json.decode(self.row.steps), *ids]
        self.opened.change(rollout=rollout.to_json(), steps=_json(steps), due_at=now())
        self.opened.tell(Action.PROMOTION_ROLLED, details={"percent": rollout.percent, "operations": ids})

    def _moving(self, endpoint: str, shares: Mapping[str, float]) -> Intent:
        target = tables.endpoint.c
        query = select(target.id).where(
            target.registry_id == self.row.registry_id, target.native_id == endpoint
        )
        return Intent(
            registry_id=self.row.registry_id,
            registry=self.row.registry,
            ref=parse(self.row.ref),
            wanted=SetTraffic(shares),
            target=Key("endpoint", endpoint),
            target_id=self.connection.execute(query).scalar(),
        )

    def _version_key(self) -> str:
        query = select(tables.version.c.native_id).where(tables.version.c.id == self.row.version_id)
        return str(self.connection.execute(query).scalar_one())

    def _follow(self) -> None:
        """Look at the operations: all of the last list have ended, or wait."""
        row = self.row
        made = operations(self.connection, row.steps)
        undoing = operations(self.connection, row.undone)
        crossing = read_crossing(row.crossing)
        lasting = [one for one in (*made, *undoing) if one.finished_at is None]
        if lasting:
            self._await(lasting)
            return
        if row.state == "stuck" and row.undone == "[]":
            self.opened.change(state="executing")  # what nobody knew is known
        if crossing is not None and all(one.state == "ok" for one in made):
            self._cross(crossing, made)
        elif row.undone == "[]" and all(one.state == "ok" for one in made):
            stage, reason = self._stage()
            rollout = read_rollout(row.rollout)
            if stage == row.to_stage and rollout is not None:
                self._roll(rollout, made)
            elif stage == row.to_stage:
                review = "open" if row.kind == "emergency" else ""
                self.opened.end("done", self._left_behind(), review=review)
            else:
                self._undo(made, f"everything was written, and {row.ref} is {stage} by {reason or 'no rule'}")
        else:
            wrong = [one for one in made if one.state != "ok"]
            why = row.message or "; ".join(one.error or one.state for one in wrong)
            self._undo(made, why)

    def _await(self, lasting: Sequence[Row[Any]]) -> None:
        """It stays due: whoever ends an operation wakes the worker. What nobody has known of for long is said."""
        late = now() - STUCK_AFTER
        if self.row.state == "executing" and any(
            one.state == "unknown" and one.started_at < late for one in lasting
        ):
            self._stick(self.row.message)

    def _stick(self, why: str, **more: Any) -> None:
        self.opened.change(state="stuck", message=why, **more)
        message = told_stuck(self.connection, self.row, why)
        self.opened.tell(Action.PROMOTION_STUCK, withheld={"message": message})

    def _cross(self, crossing: Crossing, made: Sequence[Row[Any]]) -> None:
        """One step on into another registry: copy the files, register, and tell what it is and comes from."""
        if crossing.refused:
            self.opened.end("failed", f"{crossing.refused}: nothing of it was made")
        elif not crossing.source:
            self._copy()
        elif not made:
            proposal = proposal_of(self.connection, self.row)
            judged = None if proposal is None else self._judged(proposal)
            if judged is None or judged.plan is None:
                why = "it was deleted" if judged is None else judged.refused[0].seen
                self.opened.end("failed", f"{why}: nothing of it was made")
                return
            steps = self._ask([step.bound for step in judged.plan.steps])
            self.opened.change(steps=_json(steps), due_at=now())
        else:
            self._arrive(crossing, made[0])

    def _copy(self) -> None:
        why = self._asked("copy", lambda: self.outside.copy(self.row.id))
        if why and now() >= self.row.expires_at:
            self.opened.end("failed", f"{why}: nothing was registered")
        else:
            self.opened.change(message=why or "", due_at=now() + (TRY_AGAIN if why else FOLLOW_EVERY))

    def _arrive(self, crossing: Crossing, made: Row[Any]) -> None:
        """The version is there: what was stated of it, what it comes from, and the stage that it is to have."""
        version = there(self.connection, made.made or "")
        try:
            if version is None:
                raise UnknownError()
            who = acting(SYSTEM, self.row.proposer)
            note = f"registered by promotion {self.row.id}"
            declare(self.connection, who, version.reference, parse(self.row.ref), "derived_from", note)
        except UnknownError:  # the graph does not know it yet
            if now() < made.finished_at + EDGE_WITHIN:
                self.opened.later(now() + FOLLOW_EVERY)
                return
        crossing.made, message = made.made or "", "what was made is not there any more"
        if version is not None:
            state_there(self.connection, self.row.version_id, version.id, version.registry_id)
            crossing.then, message = self._onward(version)
        self.opened.change(crossing=crossing.to_json())
        self.opened.end("done", message)

    def _onward(self, version: Version) -> tuple[int | None, str]:
        """Propose the stage that it is to have there; why that cannot be, else."""
        if self.row.to_stage == "none":
            return None, ""
        judged = self._judged(Proposal(version, self.row.to_stage, "promotion", self.row.proposer))
        if judged.plan is None:
            return None, judged.refused[0].seen
        return write_proposal(self.connection, self.opened.batch, judged, self.row.reason), ""

    def _judged(self, proposal: Proposal) -> Judgement:
        return judge_of(self.connection, self.adapters, self.graph).judge(proposal)

    def _undo(self, made: Sequence[Row[Any]], why: str) -> None:
        """Put back what still stands as we wrote it, last step first; tried again as long as something does."""
        row = self.row
        rollout = read_rollout(row.rollout)
        there = standing(self.connection, made)
        left = [one for one in there if way_back(one, rollout) is not None]
        if not left:
            kept = "".join(f"; {one.ref} keeps {shown(one)}: put it back by hand" for one in there)
            done = "what was made of it was undone" if row.undone != "[]" else "nothing of it was made"
            if there:
                done = "what could be undone was" if row.undone != "[]" else "it was made in part"
            self.opened.end("failed", f"{why}: {done}{kept}")
            return
        if row.undone != "[]" and row.state == "executing":
            self._stick(why, due_at=now() + TRY_AGAIN)
            return
        steps = self._ask([self._undoing(one, rollout) for one in reversed(left)])
        self.opened.change(
            message=why, undone=_json(steps),
            due_at=now() + (TRY_AGAIN if row.undone != "[]" else timedelta()),
        )  # fmt: skip

    def _undoing(self, one: Row[Any], rollout: Rollout | None) -> Intent:
        wanted = from_json(one.wanted)
        back = way_back(one, rollout)
        assert back is not None
        return Intent(
            registry_id=one.registry_id,
            registry=self.row.registry,
            ref=parse(one.ref),
            wanted=back,
            target=Key(one.target_kind, one.native_id),
            target_id=one.target_id,
            before=aim(wanted) if one.state == "ok" else None,
        )

    def _ask(self, intents: Sequence[Intent]) -> list[int]:
        asker = Asker(self.row.proposer, None, digest_of(self.row.id))
        return [int(one.id) for one in record(self.connection, [(intents, asker)], self.opened.batch)[0]]

    def _left_behind(self) -> str:
        """That what was rolled away from still has the stage: no write ends that requests go to it."""
        row = self.row
        if row.kind != "rollback":
            return ""
        others = read_holders(self.connection, row.model_id, row.to_stage) - {parse(row.ref).version}
        names = ", ".join(sorted(str(one) for one in others))
        return (
            f"requests still go to {names}, which stays {row.to_stage} as long as they do" if others else ""
        )

    def _stage(self) -> tuple[str, str]:
        versions = tables.version.c
        query = select(versions.stage, versions.stage_reason).where(versions.id == self.row.version_id)
        found = self.connection.execute(query).one()
        return str(found.stage), str(found.stage_reason)

    def _other(self, *states: str) -> list[Row[Any]]:
        one = promotion.c
        query = select(promotion).where(
            one.model_id == self.row.model_id,
            one.to_stage == self.row.to_stage,
            one.id != self.row.id,
            one.state.in_(states),
        )
        return list(self.connection.execute(query))


def _json(values: Sequence[int]) -> str:
    return msgspec.json.encode(list(values)).decode()
