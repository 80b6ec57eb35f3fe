"""The contract against MLflow's own enforcement: what it breaks is a break, and nothing else is."""

import json
import random
from collections import Counter

from adapters import Schema
from federation.catalogue.contracts import compare
from tests.federation.graph.served import judge
from tests.federation.graph.signatures import Signature, change, make
from tests.soak import soak

FIXED = 2026


def disagreements(cases: int, seed: int, counted: Counter[str]) -> list[str]:
    """Where the two say something else, of so many generated pairs."""
    found: list[str] = []
    for case in range(cases):
        rng = random.Random(f"{seed}:{case}")
        old = make(rng)
        new = change(rng, old)
        breaks = compare(old.schema() or Schema(), new.schema() or Schema()).backward
        verdict, why = judge(rng, old, new)
        counted[verdict] += 1
        if (breaks and verdict == "unharmed") or (not breaks and verdict == "broken"):
            said = ", ".join(map(str, breaks)) or "compatible"
            found.append(
                f"{shown(old)} -> {shown(new)}: MLflow: {verdict} ({why}); we: {said}; {seed}:{case}"
            )
    return found


def shown(signature: Signature) -> str:
    return json.dumps([signature.inputs, signature.params])


@soak(sample=1, full=2_000)
def test_a_contract_breaks_where_mlflow_refuses(cases: int, seed: int) -> list[str]:
    return disagreements(cases, seed, Counter())


def test_a_fixed_sample_agrees_with_mlflow_in_both_directions() -> None:
    counted: Counter[str] = Counter()
    assert disagreements(100, FIXED, counted) == []
    assert min(counted["broken"], counted["unharmed"]) > 25
