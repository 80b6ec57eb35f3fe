"""Carrying promotions out: deciding, asking for the operations, following them, undoing what was made.

Each look at a promotion is one transaction, under the lease of its registry: the judgement, the operations and the
journal entry are committed together or not at all. So two final approvals make one execution, and a worker that dies
anywhere leaves a row from which the next one goes on. No backend is called here: operations are carried out where all
of them are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, Engine, Row, select

from adapters import Discovered, Key
from federation import tables
from federation.catalogue import codec
from federation.database import now, reading, writing
from federation.journal.entry import Action
from federation.journal.log import Batch
from federation.leases import Leases
from federation.operations.admission import WriteTargets
from federation.operations.intent import Asker, Intent, digest_of, record
from federation.operations.state import read_holders
from federation.operations.tables import operation
from federation.operations.wanted import Wanted, aim, from_json, held, reverse
from federation.promotions import entries
from federation.promotions.judgement import Judge, Judgement
from federation.promotions.people import People
from federation.promotions.reader import proposal_of, read_voices
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
MOST = 100
"""Promotions of one round."""


@dataclass(slots=True)
class PromotionRunner:
    """Looks at every promotion that is due. `wrote` is called after each commit."""

    engine: Engine
    adapters: Discovered
    leases: Leases
    graph: "Callable[[], Graph]"
    wrote: Callable[[], None] = lambda: None
    at: Callable[[str], None] = lambda point: None
    """Told of every point at which a crash matters."""

    def tick(self) -> bool:
        """Look once at what is due; whether there was anything. Errors: `DatabaseError`."""
        one = promotion.c
        with reading(self.engine) as connection:
            due = select(one.id, one.registry_id).where(one.finished_at.is_(None), one.due_at <= now())
            rows = connection.execute(due.order_by(one.due_at).limit(MOST)).all()
        for row in rows:
            self._look(row.id, row.registry_id)
        return bool(rows)

    def _look(self, promotion_id: int, registry_id: int) -> None:
        self.at("looking")
        with writing(self.engine) as connection:
            if self.leases.take(connection, PROMOTIONS, registry_id) is None:
                return  # another worker decides there
            row = entries.locked(connection, promotion_id)
            if row is None or not entries.is_open(row):
                return
            turn = _PromotionTurn(
                connection, self.adapters, Batch(), row, _registry(connection, registry_id), self.graph
            )
            turn.take()
            if turn.batch.entries or turn.batch.changes:
                turn.batch.append(connection)
            self.at("deciding")
        self.at("decided")
        if turn.batch.entries:
            self.wrote()


@dataclass(slots=True)
class _PromotionTurn:
    """One look at one promotion, in its transaction."""

    connection: Connection
    adapters: Discovered
    batch: Batch
    row: Row[Any]
    registry: Row[Any]
    graph: "Callable[[], Graph]"

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
            self._end("void", f"{row.ref} was deleted", details={"changed": ["version"]})
            return
        judged = Judge(
            self.connection, WriteTargets(self.adapters), People(self.connection), at, self.graph
        ).judge(proposal)
        if judged.is_so_already:
            message = f"{row.ref} is {proposal.version.stage} already: somebody else brought it there"
            self._end("void", message, details={"changed": ["stage"]})
        elif changed := judged.changed():
            message = f"what was approved is no longer so: {', '.join(changed)}"
            self._end("void", message, details={"changed": changed})
        elif judged.refused or not judged.is_agreed or judged.plan is None:
            if row.state == "waiting" and at >= row.expires_at:
                self._end("expired", "it was not approved in time")
            else:
                entries.change(self.connection, row, state="waiting", due_at=at + LOOK_EVERY)
        else:
            self._go(judged)

    def _go(self, judged: Judgement) -> None:
        """Everything that people and checks must say is there: carry it out as soon as time allows."""
        row, at = self.row, now()
        if row.state == "waiting":
            entries.change(self.connection, row, state="approved")
            self._tell(Action.PROMOTION_APPROVED, entries.told(judged))
        if judged.early:
            entries.later(self.connection, row, at + LOOK_EVERY)
        elif self._other("executing", "stuck"):
            entries.later(self.connection, row, at + FOLLOW_EVERY)
        else:
            self._start(judged)

    def _start(self, judged: Judgement) -> None:
        row, plan = self.row, judged.plan
        assert plan is not None
        intents = [step.bound for step in plan.steps]
        replaced = read_holders(self.connection, row.model_id, row.to_stage)
        versions = tables.version.c
        ids = self.connection.execute(
            select(versions.id).where(
                versions.model_id == row.model_id,
                versions.deleted_at.is_(None),
                versions.id != row.version_id,
                versions.version.in_(sorted(map(encode_part, replaced))),
            )
        ).scalars()
        steps = self._ask(intents)
        entries.change(
            self.connection, row,
            state="executing", steps=_json(steps), replaced=_json(sorted(ids)), due_at=now() + FOLLOW_EVERY,
        )  # fmt: skip
        self._tell(Action.PROMOTION_STARTED, {**entries.told(judged), "operations": steps})
        for other in self._other("waiting", "approved"):
            if not any(one.kind == "approve" for one in read_voices(self.connection, other.id)):
                continue  # nobody has judged it by what is in the stage now
            message = f"promotion {row.id} brings {row.ref} to {row.to_stage} first"
            entries.end(
                self.connection, self.batch, other, self.registry.name, "void", message,
                details={"changed": ["production"]},
            )  # fmt: skip

    def _follow(self) -> None:
        """Look at the operations: all of the last list have ended, or wait."""
        row = self.row
        made = self._operations(row.steps)
        undoing = self._operations(row.undone)
        if any(one.finished_at is None for one in (*made, *undoing)):
            entries.later(self.connection, row, now() + FOLLOW_EVERY)
        elif row.undone == "[]" and all(one.state == "ok" for one in made):
            stage, reason = self._stage()
            if stage == row.to_stage:
                review = "open" if row.kind == "emergency" else ""
                self._end("done", review=review)
            else:
                self._undo(made, f"everything was written, and {row.ref} is {stage} by {reason or 'no rule'}")
        else:
            wrong = [one for one in made if one.state != "ok"]
            why = row.message or "; ".join(one.error or one.state for one in wrong)
            self._undo(made, why)

    def _undo(self, made: Sequence[Row[Any]], why: str) -> None:
        """Put back what still stands as we wrote it, last step first; tried again as long as something does."""
        row = self.row
        standing = [one for one in made if self._stands(one)]
        left = [one for one in standing if _reverse(one) is not None]
        if not left:
            kept = "".join(f"; {one.ref} keeps {_shown(one)}: put it back by hand" for one in standing)
            done = "what was made of it was undone" if row.undone != "[]" else "nothing of it was made"
            self._end("failed", f"{why}: {done if not standing else 'it was made in part'}{kept}")
            return
        if row.undone != "[]" and row.state == "executing":
            text = "; ".join(f"{one.ref} still has {_shown(one)}" for one in left)
            message = f"{why}: it cannot be undone now ({text}); it is tried again until the backend answers"
            entries.change(self.connection, row, state="stuck", message=why, due_at=now() + TRY_AGAIN)
            self._tell(Action.PROMOTION_STUCK, {}, {"message": message})
            return
        steps = self._ask([self._undoing(one) for one in reversed(left)])
        entries.change(
            self.connection, row, message=why, undone=_json(steps),
            due_at=now() + (TRY_AGAIN if row.state == "stuck" else FOLLOW_EVERY),
        )  # fmt: skip

    def _undoing(self, one: Row[Any]) -> Intent:
        wanted = from_json(one.wanted)
        back = _reverse(one)
        assert back is not None
        return Intent(
            registry_id=one.registry_id,
            registry=self.registry.name,
            ref=parse(one.ref),
            wanted=back,
            target=Key(one.target_kind, one.native_id),
            target_id=one.target_id,
            before=aim(wanted) if one.state == "ok" else None,
        )

    def _ask(self, intents: Sequence[Intent]) -> list[int]:
        asker = Asker(self.row.proposer, None, digest_of(self.row.id))
        return [int(one.id) for one in record(self.connection, [(intents, asker)], self.batch)[0]]

    def _operations(self, ids: str) -> list[Row[Any]]:
        numbers = msgspec.json.decode(ids)
        query = select(operation).where(operation.c.id.in_(numbers)).order_by(operation.c.id)
        return list(self.connection.execute(query)) if numbers else []

    def _stands(self, one: Row[Any]) -> bool:
        """Whether what an operation wrote is still there, and was not there before."""
        if one.state not in ("ok", "partial", "unknown"):
            return False
        target = tables.RECORDS[one.target_kind].c
        query = select(target.body).where(
            target.registry_id == one.registry_id,
            target.native_id == one.native_id,
            target.deleted_at.is_(None),
        )
        body = self.connection.execute(query).scalar()
        if body is None:
            return False
        decode = codec.decode_model if one.target_kind == "model" else codec.decode_version
        wanted = from_json(one.wanted)
        there, goal, before = held(wanted, decode(body)), aim(wanted), msgspec.json.decode(one.before or "{}")
        return any(there[name] == goal[name] != before.get(name) for name in goal)

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

    def _tell(self, action: Action, details: Any, withheld: Any = None) -> None:
        entries.tell(self.batch, self.row, self.registry.name, action, details=details, withheld=withheld)

    def _end(self, state: str, message: str = "", **more: Any) -> None:
        entries.end(self.connection, self.batch, self.row, self.registry.name, state, message, **more)


def _reverse(one: Row[Any]) -> Wanted | None:
    return reverse(from_json(one.wanted), msgspec.json.decode(one.before or "{}"))


def _shown(one: Row[Any]) -> str:
    return ", ".join(f"{name} {value!r}" for name, value in aim(from_json(one.wanted)).items())


def _registry(connection: Connection, registry_id: int) -> Row[Any]:
    return connection.execute(select(tables.registry).where(tables.registry.c.id == registry_id)).one()


def _json(values: Sequence[int]) -> str:
    return msgspec.json.encode(list(values)).decode()
