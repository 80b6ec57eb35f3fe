"""Soaks: one piece of code at two sizes, a sample in `make test`, all of it in `make soak [ONLY=name]`.

A soak is declared where its subject is tested::

    from tests.soak import soak

    @soak(sample=30, full=5_000)
    def test_histories_equal_networkx(cases: int, seed: int, database: str) -> list[str]:
        rng = random.Random(seed)
        return [message for _ in range(cases) for message in one_history(rng, database)]

It takes how many cases to try and a seed, both by these names, and any fixtures; it returns one line for each
failure, so that a soak goes on after the first. What it raises counts as one failure. For a Hypothesis
property or state machine see `explore`.

In full size the cases come in batches with a seed each. After each batch the state is written to
`soak-state/`, and a soak that was interrupted resumes there as long as the commit is the same;
`soak-results.json` gets commit, seed, cases, failures, seconds, machine and versions, and is enough to go on
from on another machine. The commit is the last one that changed anything but results. Fixtures live as long as
the soak, not as long as a batch.
"""

import inspect
import random
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.provenance import ROOT

if TYPE_CHECKING:
    from hypothesis.stateful import RuleBasedStateMachine

Run = Callable[..., list[str]]
PLUGIN = "waypost-soak"
SAMPLE_SEED = 20261121
"""The same sample each time: what it finds, it finds at the commit that brought it. `make soak` draws new seeds."""
_BATCHES = 50  # a full soak is cut into so many unless it says otherwise
_MESSAGES_KEPT = 20


@dataclass(frozen=True)
class Progress:
    """How far a soak has come, written after each batch. `failed` counts; `messages` holds the first."""

    name: str
    full: int
    seed: int
    commit: str = ""
    done: int = 0
    failed: int = 0
    messages: tuple[str, ...] = ()
    seconds: float = 0.0

    def after(self, cases: int, messages: list[str], seconds: float) -> "Progress":
        """The progress once a batch of `cases` has been tried."""
        return replace(
            self,
            done=self.done + cases,
            failed=self.failed + len(messages),
            messages=(*self.messages, *messages)[:_MESSAGES_KEPT],
            seconds=round(self.seconds + seconds, 3),
        )


class Ledger(Protocol):
    """Where a full-size run keeps its progress; the runner registers one as a pytest plugin."""

    def load(self, name: str, full: int) -> Progress:
        """Resume, or begin."""

    def save(self, progress: Progress) -> None:
        """Remember."""


def soak(*, sample: int, full: int, batch: int | None = None) -> Callable[[Run], Callable[..., None]]:
    """Declare a soak of `sample` cases in `make test` and `full` in `make soak`, `batch` at a time."""

    def declare(run: Run) -> Callable[..., None]:
        signature = inspect.signature(run)
        fixtures = [one for one in signature.parameters.values() if one.name not in ("cases", "seed")]
        asked = {one.name for one in fixtures}

        @wraps(run)
        def test(request: pytest.FixtureRequest, **values: Any) -> None:
            chosen = {name: values[name] for name in asked - {"request"}}
            if "request" in asked:
                chosen["request"] = request
            ledger: Ledger | None = request.config.pluginmanager.get_plugin(PLUGIN)
            if ledger is None:
                messages = _try(run, sample, SAMPLE_SEED, chosen)
                assert not messages, f"{sample} cases: " + "\n".join(messages[:_MESSAGES_KEPT])
            else:
                name = request.node.name.removeprefix("test_")
                _in_full(run, ledger.load(name, full), ledger, batch or -(-full // _BATCHES), chosen)

        request = inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        others = [one for one in fixtures if one.name != "request"]
        test.__signature__ = signature.replace(parameters=[request, *others])  # type: ignore[attr-defined]
        pytest.mark.soak(test)
        return test

    return declare


def explore(
    property_: Callable[[], None] | type["RuleBasedStateMachine"], cases: int, seed: int, **options: Any
) -> list[str]:
    """Try a Hypothesis property (`@given`, without further arguments) or state machine on so many examples. A property
    is made for each call: Hypothesis takes settings only once.

    `options` are Hypothesis settings, such as `stateful_step_count`. Hypothesis stops at the first failure
    and shrinks it, so there is at most one message.
    """
    import hypothesis  # not above: pytest, which the runner starts in this process, wants to import it first
    from hypothesis.stateful import run_state_machine_as_test

    chosen = hypothesis.settings(
        max_examples=cases,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        **options,
    )
    try:
        if isinstance(property_, type):
            run_state_machine_as_test(hypothesis.seed(seed)(property_), settings=chosen)
        else:
            hypothesis.seed(seed)(chosen(property_))()
    except Exception as error:
        return ["".join(traceback.format_exception_only(error)).strip()]
    return []


def _in_full(run: Run, progress: Progress, ledger: Ledger, batch: int, values: dict[str, Any]) -> None:
    while progress.done < progress.full:
        cases = min(batch, progress.full - progress.done)
        seed = random.Random(f"{progress.seed}:{progress.done}").getrandbits(32)
        began = time.monotonic()
        messages = [f"seed {seed}, {cases} cases: {line}" for line in _try(run, cases, seed, values)]
        progress = progress.after(cases, messages, time.monotonic() - began)
        ledger.save(progress)
    assert not progress.failed, "\n".join(progress.messages)


def _try(run: Run, cases: int, seed: int, values: dict[str, Any]) -> list[str]:
    try:
        return run(cases=cases, seed=seed, **values)
    except Exception:
        return [traceback.format_exc().replace(f"{ROOT}/", "")]  # results are kept
