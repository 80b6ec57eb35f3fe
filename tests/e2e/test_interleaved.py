"""The simulated MLflow with every write, kill and restart placed at each point in turn: between the statements of one
answer, between two pages, between two commits. Nothing is told that had not happened; one incremental run after the
last change suffices for what it says it sees; after a full run all is equal; the journal alone gives the catalogue.
"""

import random
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from adapters import scanning
from adapters.mlflow import pages, scan
from adapters.mlflow.client import NEWEST_FIRST
from federation.catalogue import codec
from federation.catalogue.news import News
from federation.sync import run
from tests.adapters.mlflow.emulated import EmulatedMlflow
from tests.e2e.interleaved import Plan, Play, play
from tests.federation.sync.world import called_here
from tests.soak import soak

Write = Callable[[EmulatedMlflow], None]


def _again(server: EmulatedMlflow) -> None:
    server.create("b")
    server.register("b")


def _gone(server: EmulatedMlflow) -> None:
    server.delete_model("b")
    server.restart()


def _whole(server: EmulatedMlflow) -> None:
    server.create("new")
    server.register("new", {"k": "v"})
    server.alias("new", "champion", 1)


def _push(server: EmulatedMlflow) -> None:
    """What stands at the edges of pages stands behind them now."""
    server.describe("b", None, "better")
    server.describe("d", None, "better")
    server.create("new")
    server.describe("b", 1, "better")
    server.describe("a", 1, "better")


APART = 4
"""Points between the steps of a write: more than the statements of one answer."""
WRITES: Mapping[str, tuple[Write, ...]] = {
    "create": (lambda s: s.create("new", {"owner": "n"}),),
    "register": (lambda s: s.register("a", {"k": "new"}),),
    "delete a version": (lambda s: s.delete_version("a", 2),),
    "delete the only version": (lambda s: s.delete_version("c", 1),),
    "delete a model": (lambda s: s.delete_model("b"),),
    "make again": (lambda s: s.delete_model("b"), _again),
    "rename": (lambda s: s.rename("a", "z"),),
    "take the name": (lambda s: s.delete_model("b"), lambda s: s.rename("a", "b")),
    "tag": (lambda s: s.tag("a", None, "owner", "new"),),
    "untag": (lambda s: s.tag("b", 1, "k", None),),
    "alias": (lambda s: s.alias("a", "champion", 2),),
    "unalias": (lambda s: s.alias("a", "champion", None),),
    "stage": (lambda s: s.stage("a", 2, "Production"),),
    "describe": (lambda s: s.describe("b", None, "better"),),
    "describe a version": (lambda s: s.describe("a", 1, "better"),),
    "restart": (lambda s: s.restart(),),
    "delete a model and restart": (_gone,),
    "whole": (_whole,),
    "push": (_push,),
}
CUTS = (0, 1, 12)
"""Points from a write to the death of the worker; 0: it lives."""
POINTS = 60
"""Points of a longer run in which something happens."""
RUNS = ("first", "incremental", "full")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is held; calls are made in this thread; what is there is given while the rest is waited for; seams are
    small, and set back.
    """
    monkeypatch.setattr(pages, "SEAM", 1)
    monkeypatch.setattr(scanning, "SOON", 0.0)
    monkeypatch.setattr("federation.sync.absence.must_hold", lambda missing, known: False)
    monkeypatch.setattr("federation.registries.connections.call_each", called_here)


def furnish(made: Play, more: str = "") -> None:
    """Three models with versions, tags, an alias; more with a version each, under names of a letter. One changed long
    after the others.
    """
    server = made.server
    for name in more:
        server.create(name, {"owner": name})
        server.register(name, {"k": name})
    for name, tag in (("a", "1"), ("b", "2"), ("c", "3")):
        server.create(name, {"owner": tag})
        server.register(name, {"k": tag})
    server.register("a", {"k": "4"})
    server.alias("a", "champion", 1)
    server.alias("c", "shadow", 1)
    server.clock += 1000
    server.describe("b", None, "good")
    server.clock += 1000


def one(folder: Path, kind: str, plan: Callable[[Play], Plan], *, eager: bool = False) -> list[str]:
    """One run of a kind with a plan, to its end."""
    made = play(folder, eager=eager)
    try:
        furnish(made, "def")
        wrong = [] if kind == "first" else made.sync()
        if kind == "incremental":
            made.server.describe("b", None, "before")
        wrong += made.sync(full=kind == "full", plan=plan(made))
        return wrong + made.settle()
    finally:
        made.close()


def points(folder: Path, kind: str) -> int:
    """How many points a run of a kind has when nothing happens."""
    counted: list[int] = []

    def plan(made: Play) -> Plan:
        return Counting(made, counted)

    one(folder, kind, plan)
    return max(counted) + 1


class Counting(dict[int, Callable[[], object]]):
    """A plan in which nothing happens, that remembers the points it was asked about."""

    def __init__(self, made: Play, counted: list[int]) -> None:
        super().__init__()
        self.counted = counted

    def __contains__(self, number: object) -> bool:
        assert isinstance(number, int)
        self.counted.append(number)
        return False


def short_histories(folder: Path) -> Iterator[tuple[str, Callable[[], list[str]]]]:
    """One write at one point, and one write while a run is cut off at one point: each in turn."""

    def placed(kind: str, name: str, at: int, *, cut: int, eager: bool) -> Callable[[], list[str]]:
        def plan(made: Play) -> Plan:
            steps = {
                at + APART * number: partial(step, made.server) for number, step in enumerate(WRITES[name])
            }
            return steps | ({at + cut: made.kill} if cut else {})

        return lambda: one(folder, kind, plan, eager=eager)

    for kind in RUNS:
        for at in range(points(folder, kind)):
            for name in WRITES:
                for cut in CUTS:
                    eager = (at + cut) % 2 == 0
                    end = f", cut off {cut} later" if cut else ""
                    try_ = placed(kind, name, at, cut=cut, eager=eager)
                    yield f"{name} at {at} of a {kind} run{end}", try_


ALL_SHORT = 7_000
"""At least as many as there are short histories: in one batch, each is tried once."""


@soak(sample=12, full=ALL_SHORT, batch=ALL_SHORT)
def test_short_histories_one_by_one(cases: int, seed: int, tmp_path: Path) -> list[str]:
    every = list(short_histories(tmp_path))
    chosen = random.Random(seed).sample(every, min(cases, len(every)))
    left_out = [f"there are {len(every)}: raise ALL_SHORT"] if len(every) > ALL_SHORT else []
    return left_out + [f"{name}: {line}" for name, try_ in chosen for line in try_()]


@soak(sample=4, full=5_000, batch=250)
def test_long_histories_at_random(cases: int, seed: int, tmp_path: Path) -> list[str]:
    found = []
    for number in range(cases):
        name = f"{seed}:{number}"
        found += [f"history {name}: {line}" for line in long_history(random.Random(name), tmp_path)]
    return found


FOUND = {
    "a run missed what was pushed to the front": "1:33",
    "a model was renamed and deleted before its new name was believed": "424947385:154",
}
"""Long histories that went wrong once."""


@pytest.mark.parametrize("name", FOUND.values(), ids=FOUND.keys())
def test_what_went_wrong_once_goes_well(name: str, tmp_path: Path) -> None:
    assert long_history(random.Random(name), tmp_path) == []


def long_history(rng: random.Random, folder: Path) -> list[str]:
    """Several runs, with writes, kills and restarts anywhere."""
    made = play(folder, pages=rng.choice((2, 2, 3, 5)), eager=rng.random() < 0.5)
    pages.SEAM = rng.choice((1, 2, 10))
    try:
        furnish(made, "defgh"[: rng.randrange(6)])
        wrong: list[str] = []
        for _ in range(rng.randrange(2, 6)):
            for _ in range(rng.randrange(3)):
                anything(made, rng)
            plan: dict[int, Callable[[], object]] = {
                rng.randrange(POINTS): lambda: anything(made, rng) for _ in range(rng.randrange(7))
            }
            if rng.random() < 0.3:
                plan[rng.randrange(POINTS)] = made.kill
            if rng.random() < 0.2:
                plan[rng.randrange(POINTS)] = made.server.restart
            wrong += made.sync(full=rng.random() < 0.3, plan=plan)
            if wrong:
                return wrong
        return made.settle()
    finally:
        made.close()


def anything(made: Play, rng: random.Random) -> None:
    """One thing that a client does."""
    server, names = made.server, "abcdefxyz"
    name = rng.choice(names)
    number = rng.randrange(1, 5)
    doings: list[Callable[[], object]] = [
        lambda: server.create(name, rng.choice(({}, {"owner": "o"}))),
        lambda: server.register(name, rng.choice(({}, {"k": str(rng.random())}))),
        lambda: server.delete_version(name, number),
        lambda: server.delete_model(name),
        lambda: server.rename(name, rng.choice(names)),
        lambda: server.tag(name, rng.choice((None, number)), "k", rng.choice((None, str(rng.random())))),
        lambda: server.alias(name, "champion", rng.choice((None, number, number))),
        lambda: server.stage(name, number, rng.choice(("Production", "Staging", "None"))),
        lambda: server.describe(name, rng.choice((None, number)), str(rng.random())),
    ]
    weights = [2, 5, 2, 1, 1, 3, 4, 2, 2]
    rng.choices(doings, weights)[0]()


def _proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that goes on proves no absence, and counts all the same."""
    settle = run._settle_absent
    monkeypatch.setattr(run, "_settle_absent", lambda this: None if this.is_resumed else settle(this))


def _newest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """What may be new is listed in an order that a change moves, and a page is believed up to its edges."""
    monkeypatch.setattr(scan, "BY_CREATION", NEWEST_FIRST)
    monkeypatch.setattr(pages, "SEAM", 0)


FORMER: Mapping[str, tuple[Callable[[pytest.MonkeyPatch], None], str]] = {
    "A": (_proves_nothing, r"delete a version at \d+ of a full run, cut off 12 later"),
    "B": (
        lambda made: made.setattr(codec, "lacking", lambda old, new: []),
        r"push at \d+ of a incremental run",
    ),
    "B of what is new": (
        _newest_first,
        r"describe a version at \d+ of a first run",
    ),
    "C": (
        lambda made: made.setattr(pages, "offset_of", lambda token: None),
        r"delete a model at \d+ of a first run",
    ),
    "D": (
        lambda made: made.setattr(News, "first_aliases", lambda *given: None),
        r"whole at \d+ of a full run",
    ),
}
"""Each of the faults that were found, as it was, and the histories among which one finds it."""


@pytest.mark.parametrize("fault", FORMER)
def test_each_fault_put_back_is_found(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_back, among = FORMER[fault]
    chosen = [try_ for name, try_ in short_histories(tmp_path) if re.fullmatch(among, name)]
    put_back(monkeypatch)
    assert any(try_() for try_ in chosen)
