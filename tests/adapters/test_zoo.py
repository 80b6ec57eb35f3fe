"""Every conformance check can fail, and fails on nothing but what it is about."""

import gc
import random
from collections.abc import Iterable

import pytest

from adapters.conformance import CHECKS, Conformance, Gap, GapClosed, Harness, perform, run
from adapters.conformance.run import named, run_one
from tests.adapters.zoo.animals import ANIMALS
from tests.adapters.zoo.enclosure import Sound, ZooHarness
from tests.soak import SAMPLE_SEED, soak


class TestSound(Conformance, harness=ZooHarness):
    """The animal that nothing is wrong with passes every check there is."""


def housed(animal: type[Sound], **attributes: object) -> Harness:
    made = type("Housed", (ZooHarness,), {"adapter_type": animal, **attributes})()
    assert isinstance(made, Harness)
    return made


STIRRING = "pages_are_pages"
"""A check that comes early and leaves changes behind, which some animals trip over later."""


def name_of(animal: type[Sound]) -> str:
    return f"{animal.__module__.rpartition('.')[2]}.{animal.__name__}"


def failures(animal: type[Sound], names: Iterable[str] = ()) -> dict[str, str]:
    """Which of these checks, or of all, a broken adapter fails, and what they say."""
    harness = housed(animal)
    failed = {result.name: result.detail for result in run(harness, names) if not result.ok}
    harness.close()
    if "nothing_is_left_open" in animal.breaks:
        gc.collect()  # that one's sockets, before another test is blamed
    return failed


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("animal", ANIMALS, ids=name_of)
def test_a_broken_adapter_fails_the_checks_it_breaks_and_no_other(
    animal: type[Sound], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that it is said to break, and a tenth of the others; `make soak` tries all of them."""
    monkeypatch.setenv("WAYPOST_ZOO_LITTER", "")  # one animal litters
    others = sorted({check.name for check in CHECKS} - animal.breaks)
    some = random.Random(f"{SAMPLE_SEED} {name_of(animal)}").sample(others, len(others) // 10)
    failed = failures(animal, {STIRRING, *animal.breaks, *some})
    assert set(failed) == set(animal.breaks), failed
    assert all(failed.values())


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@soak(sample=1, full=len(ANIMALS), batch=len(ANIMALS))
def test_no_broken_adapter_fails_another_check(
    cases: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Every broken adapter against every check."""
    monkeypatch.setenv("WAYPOST_ZOO_LITTER", "")
    tried = random.Random(seed).sample(ANIMALS, cases)
    found = {name_of(animal): set(failures(animal)) ^ set(animal.breaks) for animal in tried}
    return [f"{name}: {', '.join(sorted(wrong))}" for name, wrong in found.items() if wrong]


def test_every_check_fails_on_some_animal() -> None:
    broken = set[str]().union(*(animal.breaks for animal in ANIMALS))
    assert {check.name for check in CHECKS} == broken


def test_no_check_is_left_out_of_the_sound_animal() -> None:
    assert [c.name for c in CHECKS if c.not_applicable(ZooHarness)] == []


def test_there_are_enough_checks_and_each_says_what_it_proves() -> None:
    assert len(CHECKS) >= 60
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    assert all(check.proves.endswith(".") and len(check.proves) > 20 for check in CHECKS)


def broken_animal() -> type[Sound]:
    return next(animal for animal in ANIMALS if animal.breaks == {"stage_rules_are_rules"})


def test_a_known_gap_is_reported_with_whose_it_is_and_why() -> None:
    gaps = {"stage_rules_are_rules": Gap("upstream", "the backend has no stages")}
    (result,) = run(housed(broken_animal(), gaps=gaps), ["stage_rules_are_rules"])
    assert (result.outcome, result.ok, result.detail) == ("gap", True, "upstream: the backend has no stages")


def test_a_gap_that_closes_fails_until_its_mark_is_removed() -> None:
    gaps = {"stage_rules_are_rules": Gap("ours", "to be done")}
    harness = housed(Sound, gaps=gaps)
    (check,) = named(["stage_rules_are_rules"])
    result = run_one(check, harness)
    assert (result.outcome, result.ok) == ("closed", False)
    with pytest.raises(GapClosed, match="remove the mark"):
        perform(check, harness)


def test_a_gap_without_a_reason_is_refused() -> None:
    with pytest.raises(ValueError, match="reason"):
        Gap("never", " ")


def test_a_gap_in_a_check_nobody_knows_fails() -> None:
    gaps = {"no_such_check": Gap("ours", "a typing mistake")}
    harness = type("Mistaken", (ZooHarness,), {"gaps": gaps})
    *_, last = run(harness(), ["kind_is_a_word"])
    assert (last.name, last.outcome) == ("no_such_check", "closed")
    with pytest.raises(TypeError, match="no_such_check"):
        type("TestMistaken", (Conformance,), {}, harness=harness)


def test_a_harness_of_an_older_suite_is_not_asked_newer_checks() -> None:
    (check,) = named(["kind_is_a_word"])
    result = run_one(check, housed(Sound, suite=0))
    assert result.outcome == "not applicable"
    assert "written for 0" in result.detail


def test_running_a_check_nobody_knows_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no_such_check"):
        named(["no_such_check"])
