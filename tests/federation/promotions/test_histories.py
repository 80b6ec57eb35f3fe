"""Histories of people, policies, versions, other people's changes, cut lines and workers that die.

Nothing is carried out that is not agreed to at that moment, nothing twice, and every end is explained.
"""

import tempfile
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from sqlalchemy import update

from federation.access import LOCAL, Principal
from federation.database import now, writing
from federation.errors import WaypostError
from federation.identity import grants
from federation.identity.grants import GrantSpec
from federation.operations.asking import Become, RequestedChange
from federation.operations.wanted import SetAlias
from federation.policies.policies import Policy, Quorum
from federation.promotions.promotions import reported
from federation.promotions.tables import OPEN, promotion
from tests.federation.operations.world import POINTS, hurry
from tests.federation.promotions.world import MODEL, PromotionsWorld, make_promotions_world, version
from tests.servers import blank
from tests.servers.postgres import Postgres
from tests.soak import explore, soak

VERSIONS, AUC = ("1", "2", "3"), (0.4, 0.6, 0.9)
PEOPLE, APPROVERS = ("ann", "bo", "cy"), ("bo", "cy", "bos")
"""`bos` is a token that bo made."""
LOOKING = ("looking", "deciding", "decided", None)
versions, approvers = st.sampled_from(VERSIONS), st.sampled_from(APPROVERS)


class Promoting(RuleBasedStateMachine):
    """One guarded model, and a plain account of who agreed to what."""

    server: Postgres | None = None

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.database = None if self.server is None else blank.postgresql(self.server)
        url = f"sqlite:///{Path(self.folder.name) / 'waypost.db'}"
        if self.server is not None and self.database is not None:
            url = self.server.url(self.database)
        self.world: PromotionsWorld = make_promotions_world(url)
        self.agreed: dict[int, dict[str, Any]] = {}
        """By promotion: what each person saw who approved it."""
        self.reports: dict[int, str] = {}
        self.started: Counter[int] = Counter()
        self.read = 0

    @initialize()
    def begin(self) -> None:
        self.count, self.least = 1, 0.5
        self.apply()
        self.who: dict[str, Principal] = {
            "ann": self.world.person("ann", "contributor"),
            "bo": self.world.person("bo", "approver", "emergency"),
            "cy": self.world.person("cy", "approver"),
            "ci": self.world.person("ci", "attester"),
        }
        self.who["bos"] = self.world.token("bos", self.who["bo"], "approver")
        self.roles = {"bo", "cy", "bos"}

    @rule(count=st.integers(1, 2), least=st.sampled_from((0.5, 0.7)))
    def somebody_edits_the_policy(self, count: int, least: float) -> None:
        self.count, self.least = count, least
        self.apply()

    @rule(name=versions, who=st.sampled_from(PEOPLE))
    def propose(self, name: str, who: str) -> None:
        self.ask(lambda: self.world.promotions.propose(self.me(who), version(name), "production", "better"))

    @rule(who=approvers, place=st.integers(0, 3))
    def approve(self, who: str, place: int) -> None:
        row = self.one(place)
        if row is None:
            return
        seen = (self.policy.digest, self.auc(row.ref[-1]), self.reports.get(row.id), row.ref)
        if self.ask(lambda: self.world.promotions.say(self.me(who), row.id, "approve", "")):
            self.agreed.setdefault(row.id, {})[who] = seen

    @rule(who=approvers, place=st.integers(0, 3), word=st.sampled_from(("reject", "cancel", "comment")))
    def say(self, who: str, place: int, word: Any) -> None:
        if (row := self.one(place)) is not None:
            self.ask(lambda: self.world.promotions.say(self.me(who), row.id, word, "because"))

    @rule(place=st.integers(0, 3), verdict=st.sampled_from(("yes", "yes", "no")))
    def report(self, place: int, verdict: str) -> None:
        row = self.one(place)
        given = reported("ci", verdict, "", {}, "")
        if row is not None and self.ask(lambda: self.world.promotions.report(self.who["ci"], row.id, given)):
            self.reports[row.id] = verdict

    @rule(name=versions, auc=st.sampled_from(AUC), seen=st.booleans())
    def somebody_measures_again(self, name: str, auc: float, seen: bool) -> None:
        sync = self.world.operations.sync
        sync.change(sync.version("m", name), metrics={"auc": auc})
        if seen:
            sync.sync()
        else:
            self.world.start_again()  # nothing was read since

    @rule(name=versions)
    def somebody_moves_the_alias_on_the_backend(self, name: str) -> None:
        sync = self.world.operations.sync
        model = sync.backend.named("m")
        assert model is not None
        sync.change(model, aliases={"champion": name})
        sync.sync()

    @rule(name=versions, how=st.sampled_from(("stage", "alias")))
    def somebody_tries_another_door(self, name: str, how: str) -> None:
        wanted: Any = Become("production") if how == "stage" else SetAlias("champion", name)
        reference = version(name) if how == "stage" else MODEL
        before = self.world.operations.sync.backend.named("m")
        with suppress(WaypostError):
            self.world.operations.ask(RequestedChange(reference, wanted))
            assert before is not None
            assert before.aliases.get("champion") == name  # nothing but what is so already
        assert self.world.operations.sync.backend.named("m") == before

    @rule(who=st.sampled_from(("bo", "cy")), held=st.booleans())
    def an_operator_gives_or_takes_the_role(self, who: str, held: bool) -> None:
        if held and who not in self.roles:
            with writing(self.world.engine) as connection:
                grants.add(connection, GrantSpec(f"subject:{who}", "approver"), LOCAL)
            self.roles.add(who)
        elif not held and who in self.roles:
            self.world.take_role(who, "approver")
            self.roles.discard(who)

    @rule(name=versions)
    def there_is_an_emergency(self, name: str) -> None:
        self.ask(
            lambda: self.world.promotions.propose(
                self.me("bo"), version(name), "production", "fire", emergency=True
            )
        )

    @rule(who=st.sampled_from(PEOPLE))
    def roll_back(self, who: str) -> None:
        self.ask(lambda: self.world.promotions.roll_back(self.me(who), MODEL, "worse", stage="production"))

    @rule(place=st.integers(0, 3))
    def time_runs_out(self, place: int) -> None:
        if (row := self.one(place)) is not None:
            with writing(self.world.engine) as connection:
                over = now() - timedelta(seconds=1)
                connection.execute(update(promotion).where(promotion.c.id == row.id).values(expires_at=over))

    @rule(die_at=st.sampled_from(LOOKING), owner=st.sampled_from(("one", "two")))
    def a_worker_decides(self, die_at: str | None, owner: str) -> None:
        self.world.hurry()
        self.world.step(die_at=die_at, owner=owner)
        self.look()

    @rule(
        die_at=st.sampled_from((*POINTS, None)),
        lines=st.lists(st.sampled_from(("fine", "lost-before", "lost-after")), max_size=3),
    )
    def a_worker_carries_out(self, die_at: str | None, lines: list[str]) -> None:
        self.world.operations.faults.sends = list(lines)
        self.world.operations.work(die_at=die_at)
        self.world.operations.faults.sends = []

    def teardown(self) -> None:
        try:
            self.world.settle()
            self.look()
            self.world.operations.sync.sync(full=True)
            assert self.world.operations.sync.problems() == []
            for row in self.world.rows():
                assert row.state in ("waiting", "approved") or row.finished_at is not None
                said = row.message or row.state in ("done", "cancelled", *OPEN)
                assert said, f"promotion {row.id} is {row.state}, and nobody says why"
            assert all(count == 1 for count in self.started.values())
        finally:
            self.world.operations.close()
            self.folder.cleanup()
            if self.server is not None and self.database is not None:
                self.server.drop(self.database)

    def look(self) -> None:
        """Hold what was begun since the last look against the plain account."""
        entries = self.world.operations.sync.entries()
        for entry in entries[self.read :]:
            if str(entry.action) != "promotion.started":
                continue
            id_, kind = entry.details["promotion"], entry.details["kind"]
            self.started[id_] += 1
            if kind == "promotion":
                assert self.may_start(id_), f"promotion {id_} was carried out and nobody agreed to that"
        self.read = len(entries)

    def may_start(self, id_: int) -> bool:
        row = next(row for row in self.world.rows() if row.id == id_)
        proposer = next(who for who in PEOPLE if self.who[who].id == row.proposer)
        seen = (self.policy.digest, self.auc(row.ref[-1]), self.reports.get(id_), row.ref)
        those = {
            who.removesuffix("s") for who, then in self.agreed.get(id_, {}).items()
            if then == seen and who in self.roles
        }  # fmt: skip
        return len(those - {proposer}) >= self.count and seen[1] >= self.least and seen[2] == "yes"

    def auc(self, name: str) -> float:
        return self.world.operations.sync.version("m", name).metrics["auc"]

    def one(self, place: int) -> Any:
        rows = [row for row in self.world.rows() if row.finished_at is None]
        return rows[place % len(rows)] if rows else None

    def me(self, who: str) -> Principal:
        return self.who["bos"] if who == "bos" else self.world.as_is(who)

    def ask(self, request: Any) -> bool:
        try:
            request()
        except WaypostError:
            return False
        finally:
            self.look()
        return True

    def apply(self) -> None:
        self.policy = Policy(
            "guard",
            "*",
            metrics=(f"auc >= {self.least}",),
            require_checks=("ci",),
            approvals=(Quorum(self.count),),
        )
        self.world.apply(self.policy)


@soak(sample=4, full=3_000)
def test_histories_of_promotions(cases: int, seed: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    hurry(monkeypatch)
    return explore(Promoting, cases, seed, stateful_step_count=25)


@soak(sample=1, full=1_000)
def test_histories_of_promotions_on_postgresql(
    cases: int, seed: int, monkeypatch: pytest.MonkeyPatch, postgres: Postgres
) -> list[str]:
    hurry(monkeypatch)
    monkeypatch.setattr(Promoting, "server", postgres)
    return explore(Promoting, cases, seed, stateful_step_count=25)
