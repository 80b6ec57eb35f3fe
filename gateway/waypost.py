"""The composition root: everything a process of this gateway needs, built from the settings and handed on.

What a process builds it imports only then: a command that lists registries starts without search engine, graph,
signatures and identity provider, which would take longer than its answer.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from federation import schema
from federation.access import LOCAL, NOTHING, Permission, View
from federation.database import ANSWERED_WITHIN, DatabaseError, open_engine
from federation.errors import SetupError
from federation.health import Reports
from federation.logs import Log
from federation.positions import Positions
from gateway.dereferencing import dereferenced
from gateway.settings import Settings, SettingsError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from adapters import Discovered
    from federation.artifacts.artifacts import ArtifactReader
    from federation.catalogue.catalogue import Catalogue
    from federation.events.events import Events
    from federation.followers import Follower, Projection
    from federation.graph.graph import Graph
    from federation.graph.remembered import Remembered
    from federation.hooks.hooks import Hooks
    from federation.identity.identity import Denials, Identity
    from federation.journal.journal import Journal, Witness
    from federation.leases import Leases
    from federation.operations.operations import Operations
    from federation.policies.policies import Policies
    from federation.promotions.promotions import Promotions
    from federation.registries.connections import Connections
    from federation.registries.registries import Registries
    from federation.retention.retention import Retention
    from federation.search.freshness import FreshnessBoard
    from federation.search.lexicon import LexiconFiles
    from federation.search.source import CatalogueSource
    from federation.search.tantivy.engine import Search
    from federation.searches.searches import Searches
    from federation.snapshots.snapshots import Snapshots
    from federation.statements.statements import Statements
    from federation.sync.sync import Sync
    from gateway.board import Board
    from gateway.door.oidc import Provider
    from gateway.door.renewal import Renewals
    from gateway.handing import ArtifactClient
    from gateway.outbox import Outbox
    from gateway.streams import Streams
    from gateway.tracing import Tracing
    from gateway.wake import Wake

FOLLOWERS = ("search", "graph")
log = Log(__name__)


class Waypost:
    """One process's hold on the gateway. Nothing is opened before it is needed.

    `answering`: this process answers requests, which wait for nothing for long.
    """

    def __init__(self, settings: Settings, answering: bool = False) -> None:
        self.settings = settings
        self.answering = answering
        self._board: Board | None = None
        self.tracing: Tracing | None = None

    @cached_property
    def engine(self) -> Engine:
        """The database, connected lazily. Errors: `DatabaseError`, `SettingsError`."""
        return self._opened(self.settings.database.url, "database.url", bounded=self.answering)

    @cached_property
    def standby(self) -> Engine | None:
        """What follows the database, where that is configured, connected lazily. Errors: as `engine`."""
        if not (url := self.settings.database.standby):
            return None
        if self.engine.dialect.name != "postgresql":
            raise SettingsError("database.standby: only PostgreSQL has one, and database.url names another")
        return self._opened(url, "database.standby", bounded=True, follows=True)

    def _opened(self, url: str, name: str, *, bounded: bool, follows: bool = False) -> Engine:
        """`bounded`: whoever waits for it waits for nothing for long."""
        settings = self.settings.database
        bound = min(ANSWERED_WITHIN, settings.statement_timeout) if bounded else settings.statement_timeout
        return open_engine(dereferenced(url, name), settings.limits(), bound=bound, follows=follows)

    @cached_property
    def adapters(self) -> "Discovered":
        """The adapters of this installation and of the plugin folder."""
        from adapters import discover

        return discover(self.settings.plugins)

    @cached_property
    def connections(self) -> "Connections":
        """The open adapters of this process, one for each registry."""
        from federation.registries.connections import Connections

        return Connections(self.adapters)

    @cached_property
    def wake(self) -> "Wake":
        """How processes of this gateway wake each other."""
        from gateway.wake import Wake

        return Wake(self.settings.search.path, self.redis_url, self.reports)

    @cached_property
    def reports(self) -> Reports:
        """How the parts of this process stand."""
        return Reports()

    def report_as(self, role: str, *, anew: bool = True) -> None:
        """Show the gateway's other processes how this one's parts stand, if there is room; not `anew`: if not yet."""
        if self._board is not None and not anew:
            return
        from gateway.board import Board, meeting_place

        with suppress(OSError):
            self._board = Board(meeting_place(self.settings.search.path), role)
            self.reports.changed = self._board.show

    def trace_as(self, role: str) -> None:
        """Send spans of this process to a collector, where one is configured."""
        if self.settings.tracing.endpoint:
            from gateway.tracing import start_tracing

            self.tracing = start_tracing(self.settings.tracing, role)

    @cached_property
    def redis_url(self) -> str:
        """Where Redis is; empty where it is not used. Errors: `SettingsError`."""
        return dereferenced(self.settings.redis.url, "redis.url")

    @cached_property
    def leases(self) -> "Leases":
        """What the worker of this gateway holds."""
        from federation.leases import Leases, owner_of

        return Leases(owner_of(self.settings.search.path))

    @cached_property
    def freshness(self) -> "FreshnessBoard":
        """How fresh the registries of a view are, looked at once a second."""
        from federation.search.freshness import FreshnessBoard

        return FreshnessBoard(self.engine)

    @cached_property
    def _lexicon(self) -> "LexiconFiles":
        from federation.search.lexicon import LexiconFiles

        return LexiconFiles(self.settings.search.synonyms, self.settings.search.lexicon)

    @cached_property
    def search(self) -> "Search":
        """The reading side of the search index."""
        from federation.search.tantivy.engine import Search

        path, board, meant = self.settings.search.path / "search", self.freshness, self.identity.meant
        search = Search(path, board, self._lexicon.load(), board.behind, principals=meant)
        search.reload()
        return search

    @cached_property
    def documents(self) -> "CatalogueSource":
        """What the index is made of."""
        from federation.search.source import CatalogueSource

        return CatalogueSource(self.engine)

    @cached_property
    def searches(self) -> "Searches":
        """The searches that people keep."""
        from federation.searches.searches import Searches

        return Searches(self.engine)

    @cached_property
    def catalogue(self) -> "Catalogue":
        """Models and versions, as they are and as they were."""
        from federation.catalogue.catalogue import Catalogue
        from federation.standby import Reads

        return Catalogue(Reads(self.engine, self.standby if self.answering else None, lambda: self.served))

    @cached_property
    def registries(self) -> "Registries":
        """The registries: how they stand, what is configured of them, and their adapters."""
        from federation.registries.registries import Registries

        return Registries(self.engine, lambda: self.adapters, lambda: self.connections, self._wrote)

    @cached_property
    def sync(self) -> "Sync":
        """Asking for runs, and watching them."""
        from federation.sync.sync import Sync

        return Sync(self.engine, self.denials.is_first_sync, self._wrote, self._has_served)

    def _has_served(self, position: int) -> bool:
        """Whether search and graph of this process know what stands at a position."""
        if self.served < position:
            self.search.reload()  # in a process that nobody tells of what the worker has written
        return self.served >= position

    @cached_property
    def graph(self) -> "Graph":
        """The reading side of the dependency graph."""
        from federation.graph.graph import Graph

        return Graph(self.engine, self.settings.search.path / "graph", self._wrote)

    def _wrote(self) -> None:
        self.wake.tell("worker", everywhere=True)

    @cached_property
    def lists(self) -> "Remembered":
        """The top lists over the graph, as pages show them."""
        from federation.graph.remembered import Remembered

        return Remembered(self.graph)

    @cached_property
    def journal(self) -> "Journal":
        """The audit log, its proofs and its keys."""
        from federation.journal.journal import Journal, JournalFiles

        audit = self.settings.audit
        places = JournalFiles(audit.key, audit.archive, audit.witness_key, audit.witness_for)
        return Journal(self.engine, places, self._witnesses)

    def _witnesses(self) -> "list[Witness]":
        from gateway.witness import witness

        return [witness(name) for name in self.settings.audit.witnesses]

    @cached_property
    def operations(self) -> "Operations":
        """What is asked of backends: plans, requests and what became of them."""
        from federation.operations.operations import Operations

        graph = lambda: self.graph  # noqa: E731 - opened where somebody asks for a plan
        return Operations(self.engine, self.adapters, graph, wrote=self._wrote, reports=self.reports)

    @cached_property
    def events(self) -> "Events":
        """What changed, as everybody is told of it."""
        from federation.events.events import Events

        return Events(self.engine, self._seen_by, self._outbox, self._wrote, self._found)

    def _found(self, view: View, q: str) -> Sequence[str]:
        """The models that a search finds, those that changed last, by reference."""
        from federation.search.answer import MAX_LIMIT, SearchRequest

        wanted = SearchRequest(q=q, limit=MAX_LIMIT, sort="updated")
        return [hit.ref for hit in self.search.query(view, wanted).hits]

    def _seen_by(self, owner: str) -> View:
        """What somebody may have sent to an address of theirs."""
        local = self.settings.auth.mode == "local" and owner == LOCAL.id
        principal = LOCAL if local else self.identity.directory.of_id(owner)
        return NOTHING if principal is None else principal.grants.get(Permission.SUBSCRIBE, NOTHING)

    def _outbox(self) -> "Outbox":
        from gateway.outbox import Outbox

        return Outbox(self.settings.events.allowed_networks)

    @cached_property
    def policies(self) -> "Policies":
        """Which stages are guarded, and by what."""
        from federation.policies.policies import Policies

        return Policies(self.engine)

    @cached_property
    def statements(self) -> "Statements":
        """What is stated about artifacts."""
        from federation.statements.statements import Statements

        return Statements(self.engine)

    @cached_property
    def promotions(self) -> "Promotions":
        """Proposing, agreeing, and the way back."""
        from federation.promotions.promotions import Promotions

        carried = self.settings.promotions.tags
        return Promotions(self.engine, self.adapters, lambda: self.graph, self._wrote, carried)

    @cached_property
    def retention(self) -> "Retention":
        """What is to be archived and deleted by rule."""
        from federation.retention.retention import Retention

        rules = [one.spec() for one in self.settings.retention]
        return Retention(self.engine, rules, self.promotions, self.operations)

    @cached_property
    def hooks(self) -> "Hooks":
        """What backends announce by themselves."""
        from federation.hooks.hooks import Hooks

        return Hooks(self.engine, lambda: self.connections, self._wrote)

    @cached_property
    def positions(self) -> Positions:
        """Positions of the change feed, as callers are given them."""
        return Positions(self.engine)

    @cached_property
    def streams(self) -> "Streams":
        """The places for streams that stay open."""
        from gateway.streams import Streams

        return Streams(self.wake.folder / "streams")

    @cached_property
    def files(self) -> "ArtifactReader":
        """The files of versions, as far as this gateway reaches them."""
        from federation.artifacts.artifacts import ArtifactReader

        return ArtifactReader(self.engine, lambda: self.connections)

    @cached_property
    def artifacts(self) -> "ArtifactClient":
        """What hands out files, in a process of its own."""
        from gateway.handing import ArtifactClient

        return ArtifactClient(self.wake.folder)

    @cached_property
    def metrics(self) -> "CollectorRegistry":
        """The metrics of this process."""
        from prometheus_client import CollectorRegistry

        return CollectorRegistry()

    @cached_property
    def identity(self) -> "Identity":
        """Who may sign in, and with which roles; every process looks when that changes."""
        from federation.identity.identity import Identity

        return Identity(self.engine, self.settings.auth.default_role, lambda: self.wake.tell("api"))

    @cached_property
    def provider(self) -> "Provider | None":
        """The identity provider, where there is one. Errors: `SettingsError` for a secret that is missing."""
        if self.settings.auth.mode != "oidc":
            return None
        from gateway.door.oidc import Provider

        oidc = self.settings.auth.oidc
        return Provider(oidc, dereferenced(oidc.client_secret, "auth.oidc.client_secret"))

    @cached_property
    def renewals(self) -> "Renewals | None":
        """Asks the identity provider again about those who are signed in."""
        if self.provider is None:
            return None
        from gateway.door.renewal import Renewals

        return Renewals(self.provider, self.identity)

    @cached_property
    def denials(self) -> "Denials":
        """What this process refused."""
        from federation.identity.identity import Denials

        return Denials(self.engine)

    def shared_followers(self) -> "dict[str, Follower]":
        """New followers of all gateways on this database, by name; each is driven by one worker at a time."""
        keep = timedelta(days=self.settings.audit.keep_days)
        sealing: dict[str, Follower] = {"sealing": self.journal.sealer(keep)} if keep else {}
        sender = self.events.webhooks.sender(self.leases)
        return {"events": self.events.recorder(), "webhooks": sender, **sealing}

    def followers(self) -> "dict[str, Projection]":
        """New followers of this machine, by name; only the holder of the worker's lock may drive them."""
        from federation.graph.follower import GraphFollower
        from federation.search.tantivy.follower import IndexFollower

        folder = self.settings.search.path
        return {
            "search": IndexFollower(
                folder / "search", self.documents, fetch=partial(self.snapshots.fetch, "search")
            ),
            "graph": GraphFollower(self.engine, folder / "graph", partial(self.snapshots.fetch, "graph")),
        }

    @cached_property
    def snapshots(self) -> "Snapshots":
        """Index and graph where the gateways of this database find them, if a place is configured."""
        from federation.snapshots.snapshots import Snapshots

        settings = self.settings.search
        return Snapshots(self.engine, self.leases, settings.snapshots, settings.path)

    def reload(self) -> None:
        """Look at what the worker has written, what has changed in access, and the lexicon, where it is edited."""
        try:
            self.identity.directory.look()
        except DatabaseError as error:
            self.reports.failed("database", error)
            raise
        self.reports.well("database")
        self.denials.flush()
        self.reload_search()

    def reload_search(self) -> None:
        """Look at what the worker has written into the index, and at the lexicon, where it is edited."""
        self.search.reload()
        if self._lexicon.are_edited():
            try:
                self.search.lexicon = self._lexicon.load()
            except SetupError as error:
                log.warning("the lexicon stays as it was", error=str(error))

    @property
    def served(self) -> int:
        """The change position that reads of this process have taken in; -1 before index and graph exist."""
        return min(self.position(name) for name in FOLLOWERS)

    def position(self, follower: str) -> int:
        """The change position that what is read of one follower stands at; -1 before it exists."""
        if follower == "search":
            return self.search.position
        from federation.graph.rows import DamagedError

        try:
            return self.graph.position()
        except (DamagedError, OSError):
            return -1

    def prepare(self) -> list[str]:
        """Bring schema, registries and grants in line with code and file; returns a line per thing that changed.

        Errors: `DatabaseError`, `RegistryError`, `SettingsError`, one line each.
        """
        self._lexicon.load()
        self.settings.tracing.require_library()
        _ = self.standby  # whether its address is one
        schema.require(self.engine)
        lines = [*self.apply_registries(), *self.apply_policies(), *self.apply_webhooks()]
        return [*lines, *self.identity.apply_grants([one.spec() for one in self.settings.auth.grants])]

    def apply_registries(self, actor: str = "system") -> Sequence[str]:
        """Apply the registries of the file to the table. Errors: `RegistryError`, `DatabaseError`."""
        specs = [registry.spec() for registry in self.settings.registries]
        return self.registries.apply(specs, actor=actor)

    def apply_policies(self) -> Sequence[str]:
        """Apply the policies of the file, who is who, and whose signatures count. Errors: `PolicyError`,
        `StatementError`, `SettingsError`, `DatabaseError`.
        """
        try:
            signers = [one.spec() for one in self.settings.signers]
        except (OSError, UnicodeError) as error:
            raise SettingsError(f"signers: a key or its roots cannot be read: {error}") from None
        self.statements.apply_signers(signers)
        specs = self.settings.policies
        return self.policies.apply(specs, self.settings.known_names())

    def apply_webhooks(self) -> Sequence[str]:
        """Apply the webhooks of the file to the table. Errors: `WebhookError`, `DatabaseError`."""
        return self.events.webhooks.apply([one.spec() for one in self.settings.events.webhooks])

    def close(self) -> None:
        """Give connections back, and let go of the files that are mapped into memory."""
        for name in ("operations", "connections", "artifacts", "wake"):
            if name in self.__dict__:
                getattr(self, name).close()
        if "denials" in self.__dict__:
            self.denials.flush(now=True)
        if "identity" in self.__dict__:
            with suppress(DatabaseError):
                self.identity.directory.note_used()
        if self._board is not None:
            self._board.close()
        if self.tracing is not None:
            self.tracing.close()
        for name in ("lists", "graph", "search"):
            self.__dict__.pop(name, None)  # as long as it is held, files stay open
        for engine in (self.__dict__.get("engine"), self.__dict__.get("standby")):
            if engine is not None:
                engine.dispose()
