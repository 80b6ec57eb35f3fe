"""A writable registry under policies, people who propose and agree, and workers that can die."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from sqlalchemy import select, update

from federation import tables
from federation.access import LOCAL, Principal
from federation.database import now, reading, writing
from federation.graph.graph import Graph
from federation.identity import grants, principals, tokens
from federation.identity import tables as identity
from federation.identity.directory import Directory
from federation.identity.grants import GrantSpec
from federation.identity.people import Person, say
from federation.identity.tokens import TokenSpec
from federation.journal.log import Batch
from federation.leases import Leases
from federation.policies.policies import Policies, Policy
from federation.promotions.execution import PromotionRunner
from federation.promotions.outside import OutsideAnswers
from federation.promotions.promotions import Promotions, ShownPromotion
from federation.promotions.tables import promotion
from federation.references import Reference, parse
from federation.sync.announced import read_now
from tests.federation.operations.world import KilledError, OperationsWorld, make_operations_world
from tests.federation.sync.world import expire_leases

MODEL = Reference("memory", "m")


class AtOnce(Executor):
    """Does what it is given where it is given."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


@dataclass
class PromotionsWorld:
    """The world of operations with the face of promotions over it."""

    operations: OperationsWorld
    promotions: Promotions
    policies: Policies
    directory: Directory
    graph: Callable[[], Graph]
    secrets: dict[str, str] = field(default_factory=dict)
    die_at: str | None = None
    gates: dict[str, str] = field(default_factory=dict)
    """Why gates fail; those that are not named pass."""

    def __post_init__(self) -> None:
        self.start_again()

    def start_again(self) -> None:
        """The worker has forgotten what it had read."""
        read = partial(read_now, self.operations.sync.context)
        self.outside = OutsideAnswers(read, lambda gate, ref: self.gates.get(gate), AtOnce())

    def person(
        self, name: str, *roles: str, groups: Sequence[str] = (), names: Sequence[str] = ()
    ) -> Principal:
        """Somebody who has signed in, with roles on everything."""
        with writing(self.engine) as connection:
            for role in roles:
                grants.add(connection, GrantSpec(f"subject:{name}", role), LOCAL)
            batch = Batch()
            row = principals.ensure(connection, batch, f"subject:{name}", name)
            say(connection, batch, row.id, Person(name, name, groups, said_at=now(), names=names))
            batch.append(connection)
        return self.as_is(name)

    def as_is(self, name: str) -> Principal:
        """A person with the roles of now."""
        self.directory.forget()
        return self.directory.of_person(Person(name, name, None), name, now()).principal

    def token(self, name: str, maker: Principal, *roles: str) -> Principal:
        """A token that somebody made, with roles on everything."""
        with writing(self.engine) as connection:
            spec = TokenSpec(name, None, None, tuple((role, "*") for role in roles))
            allowed = replace(LOCAL, id=maker.id)
            self.secrets[name] = tokens.create(connection, spec, allowed)[1]
        self.directory.forget()
        return self.directory.of_token(self.secrets[name]).principal

    def take_role(self, name: str, role: str) -> None:
        """Take a role away from a person."""
        with writing(self.engine) as connection:
            known = identity.grant.c
            id_ = connection.execute(
                select(known.id).where(known.who == f"subject:{name}", known.role == role)
            ).scalar_one()
            grants.remove(connection, id_, LOCAL)

    def apply(self, *policies: Policy, **people: str) -> None:
        """Let these policies hold, and no others."""
        self.policies.apply(policies, people)

    def step(self, *, die_at: str | None = None, owner: str = "worker") -> bool:
        """One round of a worker over promotions; False when it died."""
        self.die_at = die_at
        adapters = self.operations.sync.adapters
        runner = PromotionRunner(self.engine, adapters, Leases(owner), self.graph, self.outside, at=self._at)
        try:
            runner.tick()
        except KilledError:
            return False
        return True

    def settle(self) -> None:
        """Work, over a line that holds, until nothing moves but what waits for people or time."""
        before: list[Any] = []
        for _ in range(40):
            expire_leases(self.engine)
            self.hurry()
            self.step()
            self.operations.settle()
            now_is = [(row.state, row.rollout) for row in self.rows()]
            if (
                not self.moving() and now_is == before
            ):  # what was asked of others is answered by the second look
                return
            before = now_is
        raise AssertionError(f"never settled: {self.moving()}")

    def hurry(self) -> None:
        """Let whatever waits be looked at now."""
        with writing(self.engine) as connection:
            connection.execute(update(promotion).values(due_at=now()))

    def moving(self) -> list[Any]:
        """The promotions that are being carried out or undone."""
        return [row for row in self.rows() if row.state in ("executing", "stuck")]

    def rows(self) -> list[Any]:
        """Every promotion."""
        return self.operations.sync.rows(promotion)

    def state(self, seen: ShownPromotion) -> str:
        """The state of a promotion now."""
        return next(str(row.state) for row in self.rows() if row.id == seen.promotion.id)

    def stage(self, version: str) -> str:
        """The normalised stage of a version of the model, as the catalogue has it."""
        return self.stage_of("m", version)

    def stage_of(self, model: str, version: str) -> str:
        """The same of any model."""
        known, models = tables.version.c, tables.model.c
        query = (
            select(known.stage)
            .join(tables.model, models.id == known.model_id)
            .where(models.name == model, known.version == version, known.deleted_at.is_(None))
        )
        with reading(self.engine) as connection:
            return str(connection.execute(query).scalar_one())

    @property
    def engine(self) -> Any:
        """The database."""
        return self.operations.sync.engine

    def _at(self, point: str) -> None:
        if point == self.die_at:
            raise KilledError


def version(name: str) -> Reference:
    """A version of the model."""
    return parse(f"memory/m:{name}")


def no_graph() -> Graph:
    """Nobody asks for the graph here."""
    raise AssertionError("the graph was asked for")


def make_promotions_world(url: str, graph: Callable[[], Graph] = no_graph) -> PromotionsWorld:
    """One model with three versions; 1 is in production by the alias champion, 2 in staging."""
    world = make_operations_world(url)
    sync = world.sync
    sync.model("m", "1", "2", "3", aliases={"champion": "1"})
    sync.change(sync.version("m", "1"), metrics={"auc": 0.8}, artifact_digest="sha256:1", creator="tess")
    sync.change(
        sync.version("m", "2"),
        metrics={"auc": 0.9},
        artifact_digest="sha256:2",
        creator="tess",
        stage="Staging",
    )
    sync.change(sync.version("m", "3"), metrics={"auc": 0.7}, artifact_digest="sha256:3", creator="nobody")
    sync.sync()
    return PromotionsWorld(
        world,
        Promotions(sync.engine, sync.adapters, graph),
        Policies(sync.engine),
        Directory(sync.engine),
        graph,
    )
