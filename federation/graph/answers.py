"""The answers of the graph, field by field as the API prints them."""

from dataclasses import dataclass, field
from datetime import datetime

from federation.graph.deprecations import Deprecation
from federation.graph.names import ServingEndpoint

RESTRICTED = "This covers the registries you may see; others may depend on it or be needed by it."
"""Says the same to every restricted view, whatever the data."""
BY_DEPTH = "`depth` ended the walk while there was more"
BY_COUNT = "counting ended while there was more"


@dataclass(frozen=True, slots=True)
class ImpactCounts:
    """Exact numbers of affected versions, whatever the page; `teams` and `registries` count those that are hit."""

    affected: int
    breaking: int
    live: int
    production: int
    staging: int
    teams: int
    registries: int
    unreadable: int = 0
    """Versions that may need the subject: they name it in a statement that cannot be read."""


@dataclass(slots=True)
class TeamCounts:
    """How one team is hit: exact numbers of its affected versions."""

    team: str
    affected: int
    breaking: int
    live: int
    production: int


@dataclass(slots=True)
class Affected:
    """One version downstream. `via` leads to it from the subject, both ends left out; `distance` counts versions."""

    ref: str
    distance: int
    breaks: bool
    reason: str
    severity: str
    """live, production, staging or other."""
    stage: str
    team: str
    registry: str
    endpoints: list[ServingEndpoint]
    via: list[str]


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A statement whose other end is not known: `consumer` says it needs `wanted`. `reason` says why, where it is not
    just that nobody has it; `readable` is False where nobody can tell what is wanted.
    """

    consumer: str
    wanted: str
    kind: str
    origin: str
    first_seen_at: datetime
    reason: str = ""
    readable: bool = True


@dataclass(frozen=True, slots=True)
class ImpactAnswer:
    """What breaks and what is affected. `severity` is the gravest hit, the subject's own endpoints included."""

    ref: str
    action: str
    to: str | None
    scope: str
    """all or visible."""
    complete: bool
    incomplete: list[str]
    """Why this may not be everything, one line each."""
    note: str
    severity: str
    """live, production, staging, other, or none when nothing is hit."""
    counts: ImpactCounts
    endpoints: list[ServingEndpoint]
    """What serves the subject itself."""
    by_team: list[TeamCounts]
    """The teams that are hit, hardest first, at most 100."""
    affected: list[Affected]
    unresolved: list[Unresolved]
    next_cursor: str | None
    deprecated: Deprecation | None = None
    """That the subject's model is to go."""

    @property
    def is_counted_in_part(self) -> bool:
        """Whether there are more than `counts` says."""
        return BY_COUNT in self.incomplete


@dataclass(frozen=True, slots=True)
class PlannedGoing:
    """A model that is to be deprecated: what was said of it before and who is hit once it has gone, or (`refusal`) why
    that cannot be said. `impact` is None where it takes longer to tell.
    """

    ref: str
    before: Deprecation | None = None
    refusal: str = ""
    impact: ImpactAnswer | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Who says that an edge is there. `origin` is tag, api, backend or inferred."""

    kind: str
    relation: str
    origin: str
    said_by: str
    first_seen_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True, slots=True)
class Needed:
    """Something upstream. `kind` is version, dataset, commit or run; `via` leads to it, both ends left out."""

    ref: str
    kind: str
    distance: int
    stage: str
    team: str
    registry: str
    deleted: bool
    via: list[str]
    sources: list[Source] = field(default_factory=list)
    title: str = ""
    """Of a dataset: the short name that its consumer gives it."""
    deprecated: Deprecation | None = None
    """That its model is to go."""


@dataclass(frozen=True, slots=True)
class DependencyCounts:
    """Exact numbers of what is upstream, by kind."""

    versions: int
    datasets: int
    commits: int
    runs: int
    unresolved: int


@dataclass(frozen=True, slots=True)
class DependenciesAnswer:
    """What a version is made from or needs, nearest first."""

    ref: str
    scope: str
    complete: bool
    incomplete: list[str]
    """Why this may not be everything, one line each."""
    note: str
    counts: DependencyCounts
    dependencies: list[Needed]
    unresolved: list[Unresolved]
    next_cursor: str | None
