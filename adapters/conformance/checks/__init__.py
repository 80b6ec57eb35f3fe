"""The checks, one module per question. Each is a function whose docstring says what it proves."""

from adapters.conformance.check import Check
from adapters.conformance.checks import (
    absence,
    changes,
    definition,
    faults,
    lifetime,
    moving,
    paging,
    records,
    secrecy,
    writes,
)

CHECKS: tuple[Check, ...] = tuple(
    value
    for module in (definition, paging, changes, moving, absence, records, faults, secrecy, writes, lifetime)
    for value in vars(module).values()
    if isinstance(value, Check)
)
"""Every check, in the order in which they are best read."""
