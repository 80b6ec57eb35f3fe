"""The conformance suite: what every adapter must do, as checks that an author inherits in one line.

    from adapters.conformance import Conformance, Harness

    class TestAcme(Conformance, harness=AcmeHarness): ...

`waypost adapters check KIND` runs the same checks without pytest. A check is a small function whose
docstring says what it proves; which ones apply follows from what the harness offers and the adapter
declares. A known gap is marked in `Harness.gaps` with whose it is and why, and is strict: when the check
passes, the suite fails until the mark is removed.

**Versions of the suite.** It belongs to the contract's major version. A check that is added or made stricter
raises `SUITE_VERSION`, carries it in `since`, and stands in the changelog; a harness that sets `suite = N`
is not asked the newer ones until its author raises the number. Checks are renamed or removed, and harness
methods become required, only with a new major version of the contract.
"""

from adapters.conformance.check import Check, check
from adapters.conformance.checks import CHECKS
from adapters.conformance.harness import (
    HOSTILE_NAMES,
    HOSTILE_VALUES,
    RETRIED,
    RETRY_AFTER,
    SUITE_VERSION,
    Fault,
    Gap,
    Harness,
)
from adapters.conformance.lab import CheckFailed, Lab
from adapters.conformance.run import GapClosed, Result, perform, run
from adapters.conformance.suite import Conformance

__all__ = [
    "CHECKS",
    "HOSTILE_NAMES",
    "HOSTILE_VALUES",
    "RETRIED",
    "RETRY_AFTER",
    "SUITE_VERSION",
    "Check",
    "CheckFailed",
    "Conformance",
    "Fault",
    "Gap",
    "GapClosed",
    "Harness",
    "Lab",
    "Result",
    "check",
    "perform",
    "run",
]
