"""Which harness belongs to a kind: entry point group `waypost.harnesses`, or the adapter's own plugin file."""

import sys
from importlib.metadata import entry_points

from adapters.conformance.harness import Harness
from adapters.contract import Adapter

GROUP = "waypost.harnesses"


class NoHarnessError(LookupError):
    """No harness can be used for this kind. One line with the remedy."""


def find_harness(kind: str, adapter: type[Adapter]) -> type[Harness]:
    """The harness of a kind. Errors: `NoHarnessError`, also for one that does not load."""
    for point in entry_points(group=GROUP, name=kind):
        try:
            found = point.load()
        except Exception as error:
            line = " ".join(str(error).split())
            raise NoHarnessError(f"the harness of {kind} ({point.value}) does not load: {line}") from error
        return _checked(kind, found, point.value)
    module = sys.modules.get(adapter.__module__)
    for value in vars(module).values() if module else ():
        if isinstance(value, type) and issubclass(value, Harness) and value.__module__ == adapter.__module__:
            return _checked(kind, value, value.__qualname__)
    raise NoHarnessError(
        f"there is no harness for {kind}: write a subclass of adapters.conformance.Harness into its own file, or name "
        f"one as entry point of group {GROUP}; or check a configured registry with --live --config FILE"
    )


def _checked(kind: str, found: object, where: str) -> type[Harness]:
    if not (isinstance(found, type) and issubclass(found, Harness)):
        raise NoHarnessError(
            f"the harness of {kind} ({where}) is no subclass of adapters.conformance.Harness"
        )
    return found
