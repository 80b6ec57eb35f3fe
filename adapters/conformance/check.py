"""What a check is: a small function, what it proves, and what it needs of harness and adapter."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from adapters.conformance.harness import Harness
from adapters.conformance.lab import Lab
from adapters.contract import Capability


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `proves` is the function's docstring; `since` the suite version it came with."""

    name: str
    proves: str
    run: Callable[[Lab], None]
    needs: frozenset[str] = frozenset()
    any_of: frozenset[Capability] = frozenset()
    """Capabilities of which the adapter must declare at least one."""
    since: int = 1

    def not_applicable(self, harness: type[Harness] | Harness) -> str | None:
        """Why this check does not apply to this harness, or None when it does."""
        if self.since > harness.suite:
            return f"came with suite version {self.since}, the harness is written for {harness.suite}"
        missing = sorted(self.needs - harness.offers())
        if missing:
            return f"the harness does not offer: {', '.join(missing)}"
        if self.any_of and not self.any_of & harness.adapter_type.capabilities:
            names = sorted(capability.name for capability in self.any_of)
            return f"the adapter does not declare {' or '.join(names)}"
        return None


def check(
    *needs: str, any_of: Iterable[Capability] = (), since: int = 1
) -> Callable[[Callable[[Lab], None]], Check]:
    """Make a check of a function. `needs` are names that `Harness.offers` knows."""

    def make(function: Callable[[Lab], None]) -> Check:
        proves = " ".join((function.__doc__ or "").split())
        return Check(function.__name__, proves, function, frozenset(needs), frozenset(any_of), since)

    return make
