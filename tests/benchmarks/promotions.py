"""How long policies take: over a version that a million need, and over ten thousand versions."""

import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import update

from adapters import discover
from federation import tables
from federation.access import EVERYTHING, LOCAL
from federation.database import writing
from federation.graph.graph import Question
from federation.policies.policies import LicenseTerms, Policies, Policy
from federation.promotions.promotions import Promotions
from federation.references import Reference, parse
from tests.benchmarks import Figure, benchmark, spread
from tests.benchmarks.graph import SAMPLE, catalogue

SURVEYED = 10_000
AT_ONCE = 500
GUARD = Policy(
    "guard", "*", stage="archived", impact="acknowledged", require=("owner", "license"), duplicates="deny",
    licenses=LicenseTerms(("cc-by-nc-*",), "lineage"), unknown="allow",
)  # fmt: skip


@benchmark(sample=SAMPLE, full=1_000_000)
def checks(size: int, folder: Path) -> Iterator[Figure]:
    """Every check of two policies of a version that all others need, beside its impact; then a plan of everything."""
    estate = catalogue(size, folder)
    with writing(estate.engine) as connection:
        connection.execute(update(tables.registry).values(writable=True))
    policies = Policies(estate.engine)
    policies.apply([GUARD, Policy("another", "*", stage="archived", impact="none")], {})
    face, hub = Promotions(estate.engine, discover(), lambda: estate.graph), parse("r0/hub:1")
    alone, judged = [], []
    for _ in range(11):  # in turn: the machine is the same for both
        began = time.perf_counter()
        found = estate.graph.impact(EVERYTHING, Question(hub), "archive")
        alone.append(time.perf_counter() - began)
        began = time.perf_counter()
        plan = face.plan(LOCAL, hub, "archived")
        judged.append(time.perf_counter() - began)
        assert found.counts.affected == size - 1
        assert [one.verdict for one in plan.checks if one.name == "impact"] == ["no", "unknown"]
    mine, theirs = (spread(one[1:]).p50 * 1e3 for one in (judged, alone))
    yield Figure(
        "every check of a version that all others need", mine, "ms", 1.5 * theirs, ("GET /impact", theirs)
    )
    policies.apply(
        [Policy("guard", "*", stage="archived", require=GUARD.require, licenses=GUARD.licenses)], {}
    )
    began, seen = time.perf_counter(), 0
    after: Reference | None = None
    while seen < min(size, SURVEYED):
        some, after = face.survey(EVERYTHING, "archived", "", after, AT_ONCE)
        seen += len(some)
        if after is None:
            break
    yield Figure(f"plan --all over {seen:,} versions", time.perf_counter() - began, "s", goal=10)
    estate.engine.dispose()
