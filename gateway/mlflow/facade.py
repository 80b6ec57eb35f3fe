"""One registry as a client sees it: who asks, at which address, and what is known of what."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import anyio

from adapters import BrokenPluginError, Capability
from federation.access import Principal, View
from federation.catalogue.catalogue import ListedModel, ListedVersion, ListRequest
from federation.errors import GoneError, UnknownError
from federation.references import Reference, ReferenceSyntaxError
from federation.search.answer import Freshness, SearchError, SearchRequest
from federation.search.syntax import QuerySyntaxError
from gateway.api.requests import AnyRequest
from gateway.mlflow.errors import invalid, missing, missing_model, missing_version
from gateway.mlflow.names import meant_name, model_of, version_of
from gateway.mlflow.shapes import listed, newest_in
from gateway.problems import ProblemError
from gateway.waypost import Waypost

FRESHNESS, FRESH = "Waypost-Freshness", "waypost-fresh"
ASKED_WITHIN = 10.0
"""Seconds in which the backend was asked, or an answer says that it was not."""
LOOK_EVERY = 0.05
MOST_AMONG = 200
"""So many versions are found by the index; of more, looking through them in order is as quick."""
STAGE_OF_ALIAS = {
    "champion": "production", "production": "production", "challenger": "staging", "staging": "staging",
}  # fmt: skip
"""What an alias means in a registry that has none: by custom, a stage."""


@dataclass(frozen=True)
class Facade:
    """A request's view of one registry. `origin` is the address under which the client reached this gateway."""

    waypost: Waypost
    principal: Principal
    registry: str
    origin: str

    @property
    def base(self) -> str:
        """The address of the registry's façade."""
        return f"{self.origin}/mlflow/{self.registry}"

    @property
    def view(self) -> View:
        """What the caller may see."""
        return self.principal.view

    @cached_property
    def known(self) -> tuple[int, Freshness | None]:
        """The registry's id, and how fresh it is. Errors: 404."""
        board = self.waypost.freshness(self.view)
        found = next((one for one in board if one.freshness.name == self.registry), None)
        if found is not None:
            return found.id, found.freshness
        try:  # just configured, or under a former name
            id_ = self.waypost.catalogue.registry_id(self.view, self.registry)
        except UnknownError:
            raise missing("no registry of this name is known that you may see") from None
        return id_, next((one.freshness for one in board if one.id == id_), None)

    @property
    def headers(self) -> dict[str, str]:
        """How fresh the answer is: the registry's state, and when it was last read whole."""
        _, freshness = self.known
        if freshness is None:
            return {FRESHNESS: "unknown"}
        at = "" if freshness.synced_at is None else f"; synced_at={freshness.synced_at}"
        return {FRESHNESS: freshness.state + at}

    def model(self, name: str) -> ListedModel:
        """A model. Errors: 404."""
        _ = self.known
        try:
            return self.waypost.catalogue.listed(self.view, model_of(self.registry, name))
        except (UnknownError, GoneError, ReferenceSyntaxError):
            raise missing_model(name) from None

    def version(self, name: str, version: str) -> ListedVersion:
        """A version. Errors: 404, 400."""
        _ = self.known
        try:
            return self.read(version_of(self.registry, name, version))
        except (UnknownError, GoneError, ReferenceSyntaxError):
            if not version.isdecimal():
                raise invalid(f"Parameter 'version' must be an integer, got '{version[:200]}'.") from None
            raise missing_version(name, version) from None

    def by_alias(self, name: str, alias: str) -> ListedVersion:
        """The version that an alias names, or in a registry whose versions are no numbers the version of that name;
        `latest` is the newest. Errors: 404, and 400 for no such alias.
        """
        _ = self.known
        with suppress(UnknownError, GoneError, ReferenceSyntaxError):
            if alias.lower() != "latest":
                return self.read(Reference(self.registry, meant_name(name), alias=alias))
        model = self.model(name)
        if alias.lower() == "latest":
            newest = newest_in(model.latest)
            if newest is None:
                raise missing(f"Latest version not found for model {name}.")
            return newest
        version = model.record.aliases.get(alias)
        if version is not None:
            return self.version(name, version)
        stage = STAGE_OF_ALIAS.get(alias.lower())
        if stage is not None and not self.can(Capability.SET_ALIAS):
            held = [one for one in model.latest if one.stage == stage]
            if held:
                return held[0]
        found = self.named(name, meant_name(alias))
        if found is not None:
            return found
        raise invalid(f"Registered model alias {alias} not found.")

    def named(self, name: str, version: str) -> ListedVersion | None:
        """A version that is no whole number: what stands where clients have stages or aliases may name one."""
        with suppress(UnknownError, GoneError, ReferenceSyntaxError):
            return None if version.isdecimal() else self.read(version_of(self.registry, name, version))
        return None

    def among(self, query: str) -> Sequence[tuple[str, str]] | None:
        """The versions that an exact query of the index finds; None where it cannot say, or they are many."""
        search = self.waypost.search
        request = SearchRequest(
            q=f"registry:{self.registry} {query}", group="version", limit=MOST_AMONG, strict=True
        )
        try:
            found = search.query(self.view, request)
        except (QuerySyntaxError, SearchError):
            return None
        if found.total > MOST_AMONG or search.position < self.waypost.catalogue.newest():
            return None
        return [(hit.model, hit.version) for hit in found.hits if hit.version is not None]

    def all_versions(self, request: ListRequest) -> Sequence[ListedVersion]:
        """The versions of one page."""
        return self.waypost.catalogue.versions(self.view, request).rows

    def can(self, capability: Capability) -> bool:
        """Whether the registry's kind has this at all."""
        kind = self.waypost.registries.show(self.view, self.registry).state.kind
        try:
            return capability in self.waypost.adapters.get(kind).capabilities
        except BrokenPluginError:  # it is not installed any more
            return True

    def read(self, reference: Reference) -> ListedVersion:
        """A version by its reference. Errors: `UnknownError`, `GoneError`."""
        return listed(self.waypost.catalogue.version(self.view, reference))

    async def refresh(self) -> None:
        """Ask the backend first. Errors: 403, 409 where it could not be asked in time."""
        _ = self.known
        sync = self.waypost.sync
        run_id = await anyio.to_thread.run_sync(lambda: sync.request(self.principal, self.registry))
        end = time.monotonic() + ASKED_WITHIN
        while True:
            run = await anyio.to_thread.run_sync(lambda: sync.run(self.view, run_id))
            if run.state in ("ok", "partial"):
                return
            if run.state == "failed" or time.monotonic() > end:
                why = "; ".join(run.errors[:1]) or f"it has not ended after {ASKED_WITHIN:g} s"
                detail = f"the backend was asked (sync {run_id}), but {why}: leave {FRESH} out to read what is known"
                raise ProblemError(409, "not-fresh", detail)
            await anyio.sleep(LOOK_EVERY)


def facade_of(request: AnyRequest) -> Facade:
    """The registry that a request is about."""
    waypost: Waypost = request.scope["state"]["waypost"]
    registry = request.path_params["registry"]
    origin = waypost.settings.server.public_url or str(request.base_url).rstrip("/")
    return Facade(waypost, request.scope["user"], registry, origin)
