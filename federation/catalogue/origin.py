"""Where an observation comes from, and the interval it speaks of."""

from dataclasses import dataclass
from datetime import datetime

from federation.stages import StageRules


@dataclass(frozen=True, slots=True)
class Origin:
    """Where records come from, and when the change they show must have happened.

    It happened after `after` (None: nobody looked before) and not later than `by`. `importing` is a
    registry's first scan.
    """

    registry_id: int
    registry: str
    rules: StageRules
    by: datetime
    after: datetime | None = None
    importing: bool = False
    actor: str | None = None
    """The principal whose operation caused it; None where a sync observed it."""

    @property
    def source(self) -> str:
        """import, sync or operation, as a span keeps it."""
        return "import" if self.importing else "operation" if self.actor else "sync"
