"""Closing an adapter: twice, before its first call, one of several."""

import gc
import warnings

from adapters.conformance.check import check
from adapters.conformance.lab import CheckFailed, Lab, require


@check()
def close_may_come_twice(lab: Lab) -> None:
    """Closing a second time is fine: clean-up code may run more than once."""
    adapter = lab.adapter()
    adapter.probe()
    adapter.close()
    adapter.close()


@check()
def close_may_come_first(lab: Lab) -> None:
    """An adapter that was never used can be closed."""
    lab.adapter().close()


@check()
def close_ends_one_instance_only(lab: Lab) -> None:
    """Closing one instance leaves the others working: nothing is shared behind their backs."""
    other = lab.main
    other.probe()
    closed = lab.adapter()
    closed.probe()
    closed.close()
    try:
        lab.first(other)
    except Exception as error:
        raise CheckFailed(f"closing one instance broke another: {type(error).__name__}: {error}") from error


@check()
def nothing_is_left_open(lab: Lab) -> None:
    """After `close` no socket or file is left for the garbage collector to complain about."""
    gc.freeze()  # what is garbage already is not this adapter's
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ResourceWarning)
            adapter = lab.harness.adapter()
            lab.first(adapter, limit=1)
            adapter.close()
            del adapter
            gc.collect()
    finally:
        gc.unfreeze()
    left = [str(warning.message) for warning in caught if issubclass(warning.category, ResourceWarning)]
    require(not left, f"left open: {left[:1]}")
