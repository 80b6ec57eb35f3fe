"""Requests to another gateway: who it is, its registries, and their records page by page.

What it may not show and what it has not are the same 404. So a registry that is not found proves nothing; what is not
in a registry that is shown, is gone.
"""

from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

from adapters.errors import AdapterError, AuthError, InvalidError, NotFoundError, TransientError
from adapters.http import HttpClient, check_count
from adapters.payloads import Raw, part, parts, text
from adapters.records import Key, Reached
from adapters.served import ServiceClient
from adapters.waypost.config import WaypostConfig
from adapters.waypost.keys import REGISTRY

KIND = "waypost"
API = "/api/v1"
PAGE = 1000
MOST_REGISTRIES = 1000
MOST_IDENTITIES = 64
NOT_KNOWN = (400, 410, 422)
"""What is answered where a `since` does not count any more."""
WELL = ("ok", "")


@dataclass(frozen=True, slots=True)
class InnerRegistry:
    """A registry of the other gateway. `read_at` is when that last read it, as it says so itself."""

    name: str
    kind: str
    team: str
    state: str
    read_at: str | None
    identities: tuple[str, ...]
    former_names: frozenset[str] = frozenset()
    chains: tuple[tuple[str, ...], ...] = ()

    @property
    def reached(self) -> Reached:
        """The same for whoever compares backends."""
        return Reached(self.name, self.identities, self.is_read, self.chains)

    @property
    def is_read(self) -> bool:
        """What the other gateway reads of further ones is not read through it: each is asked itself, so that nothing
        goes round in a circle or comes by two ways.
        """
        return self.kind != KIND

    @property
    def remark(self) -> str | None:
        """What it says itself of its freshness, where it is not fresh; the same as long as nothing changes."""
        if self.state in WELL:
            return None
        since = f"read last at {self.read_at}" if self.read_at else "not read yet"
        return f"the other gateway says that its registry {self.name} is {self.state}: {since}"


@dataclass(frozen=True, slots=True)
class RecordPage:
    """A page of the records of a registry, models first, and the keys of what is gone."""

    read_at: str | None
    models: tuple[Raw, ...]
    versions: tuple[Raw, ...]
    endpoints: tuple[Raw, ...]
    gone: tuple[Raw, ...]
    since: str
    cursor: str | None
    more: bool

    def __len__(self) -> int:
        return len(self.models) + len(self.versions) + len(self.endpoints) + len(self.gone)


class WaypostClient(ServiceClient):
    """One gateway."""

    def __init__(self, config: WaypostConfig) -> None:
        self.config = config
        token = config.token.get_secret_value() if config.token else None
        signed = {"Authorization": f"Bearer {token}"} if token else {}
        endpoint = config.endpoint(config.url, headers={"Accept": "application/json", **signed})
        super().__init__(HttpClient(endpoint), PAGE)

    def gateway(self) -> tuple[str, list[InnerRegistry]]:
        """Who the other gateway is, and its registries by name: those that were chosen, or all that it shows.

        Errors: any `AdapterError`.
        """
        said = self.http.get(f"{API}/registries")
        identity = text(said, "gateway")
        if identity is None or not isinstance(part(said).get("registries"), list):
            raise InvalidError(
                f"{self.http.host} does not say which gateway it is: check `url`, and that it is a Waypost of this "
                "release or a newer one"
            )
        wanted, found = set(self.config.registries), list[InnerRegistry]()
        for row in parts(said, "registries"):
            one = _registry(row)
            if one is not None and (not wanted or one.name in wanted):
                found.append(one)
        if len(found) > MOST_REGISTRIES:
            raise InvalidError(
                f"{self.http.host} shows more than {MOST_REGISTRIES} registries: name those that are read"
            )
        return identity, sorted(found, key=lambda one: one.name)

    def every(self, registry: str, cursor: str | None = None) -> Iterator[RecordPage]:
        """Pages of all records of a registry, models first. Errors: any `AdapterError`."""
        return self._pages(registry, "cursor", cursor)

    def changed(self, registry: str, since: str) -> Iterator[RecordPage] | None:
        """Pages of what changed since an answer; None where that is not known any more. Errors: any `AdapterError`."""
        pages = self._pages(registry, "since", since)
        try:
            first = next(pages)
        except AdapterError as error:
            if error.status in NOT_KNOWN:
                return None
            raise
        return chain([first], pages)

    def one(self, registry: str, key: Key) -> RecordPage:
        """A record, in a page of its own. Errors: any `AdapterError`."""
        known = urlsafe_b64encode(f"{key.kind}:{key.native_id}".encode(errors="surrogatepass")).decode()
        return self._asked(registry, {"key": known})

    def _pages(self, registry: str, by: Literal["cursor", "since"], at: str | None) -> Iterator[RecordPage]:
        def read(at: str | None) -> tuple[RecordPage, str | None]:
            page = self._portion.read(PAGE, lambda size: self._asked(registry, {by: at}, size))
            return page, getattr(page, by) if page.more else None

        return self.following(read, at)

    def _asked(self, registry: str, asked: Raw, size: int = 1) -> RecordPage:
        try:
            said: Any = self.http.get(f"{API}/registries/{registry}/records", {**asked, "limit": size})
        except NotFoundError:
            raise AuthError(
                f"{self.http.host} shows no registry {registry}: it is gone, renamed, or hidden from this token"
            ) from None
        since = text(said, "since") or ""
        if not isinstance(said, dict) or not isinstance(said.get("versions"), list):
            raise InvalidError(f"{self.http.host} answered with no records: check `url`")
        if text(said, "registry") != registry:  # it answers by its former names as well
            raise NotFoundError(f"{self.http.host} calls its registry {registry} otherwise by now")
        page = RecordPage(
            text(said, "last_success_at"),
            tuple(parts(said, "models")),
            tuple(parts(said, "versions")),
            tuple(parts(said, "endpoints")),
            tuple(parts(said, "gone")),
            since,
            text(said, "next_cursor"),
            said.get("more") is True,
        )
        check_count(self.http.host, len(page), size)
        return page


def absence(host: str, registry: str, page: RecordPage, key: Key) -> AdapterError:
    """What it means that a registry has not what it was asked for: proof, once it was read at all."""
    if page.read_at is None:
        return TransientError(f"{host} has not read its registry {registry} yet: it is asked again later")
    return NotFoundError(f"{host} has no {key.kind} {ascii(key.native_id)[:80]} in {registry}")


def _registry(row: Raw) -> InnerRegistry | None:
    """A registry, None for what has no name that a registry can have."""
    name = text(row, "name")
    if name is None or REGISTRY.fullmatch(name) is None:
        return None
    return InnerRegistry(
        name=name,
        kind=text(row, "kind") or "",
        team=text(row, "team") or "",
        state=text(row, "state") or "",
        read_at=text(row, "last_success_at"),
        identities=tuple(_texts(row.get("identities"))[:MOST_IDENTITIES]),
        former_names=frozenset(_texts(row.get("former_names"))[:MOST_IDENTITIES]),
        chains=tuple(
            tuple(_texts(one)[:MOST_IDENTITIES]) for one in _list(row.get("chains"))[:MOST_IDENTITIES]
        ),
    )


def _texts(found: Any) -> list[str]:
    return [one for one in _list(found) if isinstance(one, str)]


def _list(found: Any) -> list[Any]:
    return found if isinstance(found, list) else []
