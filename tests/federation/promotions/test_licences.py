"""Licences by the official library, on the expression as written, and along the lineage."""

from pathlib import Path

import pytest

from adapters import Lineage, Parent
from federation.access import LOCAL
from federation.followers import Followers
from federation.graph.follower import GraphFollower
from federation.policies.policies import LicenseTerms, Policy
from federation.promotions.licences import judge
from tests.federation.promotions.world import PromotionsWorld, version


@pytest.mark.parametrize(
    ("text", "denied", "verdict"),
    [
        ("mit", ("cc-by-nc-*",), "yes"),
        ("CC-BY-NC-4.0", ("cc-by-nc-*",), "no"),
        ("cc-by-nc-4.0 OR MIT", ("cc-by-nc-*",), "yes"),
        ("MIT AND (Apache-2.0 OR CC-BY-NC-4.0)", ("cc-by-nc-*",), "yes"),
        ("MIT AND CC-BY-NC-4.0", ("cc-by-nc-*",), "no"),
        ("MIT OR (MIT AND GPL-3.0-only)", ("MIT",), "no"),
        ("GPL-2.0-only WITH Classpath-exception-2.0", ("gpl-*",), "no"),
        ("GPL-2.0+", ("gpl-2.0-or-later",), "no"),
        ("llama3.1", ("llama*",), "no"),
        ("gemma", ("llama*",), "yes"),
        ("gpl", ("gpl-*",), "unknown"),
        ("other", ("gpl-*",), "unknown"),
        ("", ("gpl-*",), "unknown"),
        (None, ("gpl-*",), "unknown"),
        ("MIT/Apache-2.0", ("gpl-*",), "unknown"),
        ("Apache-2.0 AND (MIT", ("gpl-*",), "unknown"),
    ],
)
def test_what_a_licence_says_to_a_denial(text: str | None, denied: tuple[str, ...], verdict: str) -> None:
    assert judge(text, denied) == verdict


def test_the_ancestor_that_brings_it_is_named(world: PromotionsWorld, tmp_path: Path) -> None:
    sync = world.operations.sync
    sync.model("base", "1")
    sync.change(sync.version("base", "1"), license="cc-by-nc-4.0")
    for name, parents in (("1", ("base:1",)), ("2", ("m:1",)), ("3", ("meta/llama",))):
        lineage = Lineage(parents=tuple(Parent(one, "fine_tuned") for one in parents))
        sync.change(sync.version("m", name), license="MIT", lineage=lineage)
    sync.sync()
    Followers({"graph": GraphFollower(world.engine, tmp_path / "graph")}).catch_up()

    def said(name: str, along: str) -> tuple[str, str]:
        world.apply(Policy("p", "*", licenses=LicenseTerms(("cc-by-nc-*",), along)))  # type: ignore[arg-type]
        [found] = world.promotions.plan(LOCAL, version(name), "production").checks
        return found.verdict, found.seen

    assert said("2", "") == ("yes", "memory/m:2 brings MIT")
    assert said("2", "lineage") == ("no", "memory/base:1 brings cc-by-nc-4.0")
    verdict, seen = said("3", "lineage")
    assert (verdict, "brings no licence that is known" in seen) == ("unknown", True)
