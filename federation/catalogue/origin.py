"""Where an observation comes from, and the interval it speaks of."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from federation.database import past
from federation.stages import StageRules

GONE = "deleted"
"""Beside the fields of records: that one is gone."""
READ_BY = {"alias": "aliases", "tag": "tags", "deployed": "traffic"}
"""The field that a stage rule of a kind reads, where it has another name."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where records come from, and when the change they show must have happened.

    It happened after `after` (None: nobody looked before) and not later than `by`; where it is one of the
    fields that incremental scans may miss (`full_scan_only`), after `full`, when everything was looked at. `importing`
    is a registry's first scan.
    """

    registry_id: int
    registry: str
    rules: StageRules
    by: datetime
    after: datetime | None = None
    full: datetime | None = None
    full_scan_only: frozenset[str] = frozenset()
    importing: bool = False
    reading: int = 0
    """The adapter's, as in `Adapter.reading`."""
    actor: str | None = None
    """The principal whose operation caused it; None where a sync observed it."""

    @property
    def source(self) -> str:
        """import, sync or operation, as a span keeps it."""
        return "import" if self.importing else "operation" if self.actor else "sync"

    def since(self, fields: Collection[str], *, born: datetime | None = None) -> datetime | None:
        """After when a change of these fields must have happened.

        `born`: when what is seen for the first time was made, as its backend says. Where that is earlier, the scan
        before has missed it, or was not allowed to see it.
        """
        found = self.after if self.full_scan_only.isdisjoint(fields) else self.full
        if found is None:
            return None
        return past(found if born is None else min(found, born), self.by)

    @property
    def read_by_rules(self) -> Collection[str]:
        """The fields that a normalised stage follows from."""
        return {READ_BY.get(rule.kind, rule.kind) for each in self.rules.values() for rule in each}

    def since_held(self, kind: str, *, born: datetime | None = None) -> datetime | None:
        """After when a hold of this kind, `alias` or `stage`, must have begun or ended; `born` as of `since`."""
        return self.since(("aliases",) if kind == "alias" else self.read_by_rules, born=born)
