"""An adapter class that breaks the contract is refused when it is defined, with the remedy."""

from typing import Any

import pytest

from adapters import Capability
from adapters.contract import Adapter, ContractError


def set_alias(self: Adapter, key: Any, alias: str, version: str | None, *, etag: str | None = None) -> Any:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"capabilities": frozenset({Capability.SET_ALIAS})}, "House declares set_alias only: implement"),
        ({"set_alias": set_alias}, "House implements set_alias only: add Capability.SET_ALIAS to"),
        ({"stage_fields": frozenset({"stage"})}, "give both or neither"),
        (
            {"full_scan_only": frozenset({"tag"})},
            "`full_scan_only` names 'tag', which is no field of a record",
        ),
    ],
    ids=["without the method", "without the capability", "stage fields", "full scan only"],
)
def test_a_class_that_contradicts_itself_is_refused(declared: dict[str, Any], said: str) -> None:
    with pytest.raises(ContractError, match=said):
        type("House", (Adapter,), declared)


def test_a_class_may_name_what_its_incremental_scans_miss() -> None:
    made = type("House", (Adapter,), {"full_scan_only": frozenset({"tags", "aliases", "deleted"})})
    assert issubclass(made, Adapter)
