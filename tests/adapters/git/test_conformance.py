"""A real repository passes the suite: all of it on a path, and behind git's own server what a server can do to it."""

import random
from collections.abc import Mapping
from functools import partial
from typing import ClassVar

import pytest

from adapters.conformance import CHECKS, Conformance, Gap, Harness, run
from adapters.contract import Adapter
from adapters.emulators.git.harness import GitHarness
from adapters.git import GitAdapter, GitConfig, client
from adapters.http import HttpClient
from tests.soak import soak


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries are made, and not waited for."""
    monkeypatch.setattr(client, "HttpClient", partial(HttpClient, sleep=lambda seconds: None))


class PathHarness(GitHarness):
    """The same repository, asked on its path, which costs half."""

    faults = frozenset()
    secrets: tuple[str, ...] = ()
    gaps: ClassVar[Mapping[str, Gap]] = GitHarness.gaps
    requests = Harness.requests  # git's own processes are not counted
    meanwhile = Harness.meanwhile  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.source = f"git+file://{self.repository.path}@{self.repository.head}"  # type: ignore[misc]

    def adapter(self) -> Adapter:
        return GitAdapter(GitConfig(url=str(self.repository.path)))


class TestGit(Conformance, harness=PathHarness):
    """GTO's tags: every check that applies is a test."""


APPLY = [check for check in CHECKS if not check.not_applicable(GitHarness)]
OF_A_SERVER = [check.name for check in APPLY if check.not_applicable(PathHarness)]
DURING = ["a_delete_during_a_scan_hides_nothing_else"]
"""What is listed is gone before it is fetched: between the two requests, where a path has one."""


BEHIND = [*OF_A_SERVER, *DURING]


@soak(sample=6, full=len(BEHIND), batch=len(BEHIND))
def test_behind_its_server(cases: int, seed: int) -> list[str]:
    harness = GitHarness()
    tried = random.Random(seed).sample(BEHIND, cases)
    failed = [f"{one.name}: {one.detail}" for one in run(harness, tried) if not one.ok]
    harness.close()
    return failed


def test_a_server_can_do_much_that_a_path_cannot() -> None:
    assert len(OF_A_SERVER) > 20
