"""The vendor's GAPIC clients over gRPC: loaded at the first call, always with a timeout and a retry.

The library has no default timeout and no default retry, so each call here passes both. Reads are repeated
for a tenth of the timeout while the service cannot be reached; a write is sent once, because nobody knows
whether the first one was applied.
"""

import json
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from adapters.calls import proceed
from adapters.contract import Observer
from adapters.errors import (
    AdapterError,
    AuthError,
    InvalidError,
    TransientError,
    UnderWayError,
    UnsupportedError,
)
from adapters.http import check_count
from adapters.outgoing import is_allowed
from adapters.pacing import LARGE, rest
from adapters.portions import Portion
from adapters.quota import Quota
from adapters.resolving import addresses as addresses_of
from adapters.vertex.config import VertexConfig
from adapters.vertex.failures import translate, translate_credentials

PAGE = 100
"""Rows a List call asks for: the most the service gives."""
PAGES = 10_000
"""Pages after which a listing is taken for one that never ends."""
PATIENCE = 20.0
"""Longest wait, in seconds, for the budget of calls."""
_IMPORT_LOCK = threading.Lock()


class Sdk:
    """The vendor's modules. Errors: UnsupportedError where the extra is not installed."""

    def __init__(self) -> None:
        try:
            self.v1: Any = import_module("google.cloud.aiplatform_v1")
            self.grpc: Any = import_module("grpc")
            self.exceptions: Any = import_module("google.api_core.exceptions")
            self.auth_errors: Any = import_module("google.auth.exceptions")
            self.retry: Any = import_module("google.api_core.retry")
            self.field_mask: Any = import_module("google.protobuf.field_mask_pb2")
        except ImportError as error:
            raise UnsupportedError(
                f"the vertex adapter needs the package google-cloud-aiplatform ({error.name} is missing): "
                "pip install 'waypost[vertex]'"
            ) from None


class VertexClient:
    """Calls to one project and location, within the registry's quota. Safe to use from several threads."""

    def __init__(self, config: VertexConfig) -> None:
        self.config = config
        self.quota = Quota(config.quota_per_minute, patience=min(config.timeout, PATIENCE))
        self._lock = threading.Lock()
        self._sdk: Sdk | None = None
        self._services: dict[str, Any] = {}
        self._closed = False
        self.observer: Observer | None = None

    @property
    def sdk(self) -> Sdk:
        """The vendor's modules, loaded once (seconds)."""
        with _IMPORT_LOCK:
            if self._sdk is None:
                self._sdk = Sdk()
            return self._sdk

    def read(self, service: str, method: str, **fields: Any) -> Any:
        """Call a method that changes nothing. Answers the raw message. Errors: any AdapterError."""
        return self._call(service, method, self._repeat_unavailable, fields)

    def read_all(self, service: str, method: str, rows: str, **fields: Any) -> Iterator[Any]:
        """Every row of a listing, page by page; smaller ones where so much is too much at once."""
        token, portion = "", Portion(PAGE)
        for _ in range(PAGES):

            def ask(size: int, token: str = token) -> Any:
                answer = self.read(service, method, page_size=size, page_token=token, **fields)
                check_count(f"Vertex AI ({method})", len(getattr(answer, rows)), size)
                return answer

            answer = portion.read(PAGE, ask)
            yield from getattr(answer, rows)
            if not answer.next_page_token or answer.next_page_token == token:
                return
            token = answer.next_page_token
        raise TransientError(f"Vertex AI gave more than {PAGES} pages for {method}: it does not seem to end")

    def write(self, service: str, method: str, **fields: Any) -> Any:
        """Call a method once that changes something. Answers the raw message. Errors: any AdapterError."""
        return self._call(service, method, self._never_repeat, fields)

    def finish(self, method: str, **fields: Any) -> Any:
        """Call a method of ModelService that starts a long-running operation, and wait for its answer.

        Errors: UnderWayError when it takes longer than `operation_timeout`: then the outcome is unknown.
        """
        with self._translated(method):
            operation = self._invoke("Model", method, self._never_repeat, fields)
            polling = self.sdk.retry.Retry(
                predicate=lambda error: type(error).__name__ == "_OperationNotComplete",
                initial=0.05,
                maximum=5.0,
                multiplier=1.5,
                timeout=self.config.operation_timeout,
            )
            answer = operation.result(
                timeout=self.config.operation_timeout, retry=self._repeat_unavailable, polling=polling
            )
        return type(answer).pb(answer) if hasattr(type(answer), "pb") else answer

    def close(self) -> None:
        """Give the connections back. May be called twice."""
        with self._lock:
            self._closed = True
            self.quota.close()
            while self._services:
                self._services.popitem()[1].transport.close()

    def _call(self, service: str, method: str, retry: Any, fields: dict[str, Any]) -> Any:
        began = time.thread_time()
        with self._translated(method):
            answer = self._invoke(service, method, retry, fields)
            if hasattr(answer, "pages"):  # the library's own paging would call without our budget
                answer = next(answer.pages)
        message = type(answer).pb(answer)
        if message.ByteSize() > LARGE:
            rest(began)
        return message

    def _invoke(self, service: str, method: str, retry: Any, fields: dict[str, Any]) -> Any:
        client = self._service(service)
        left = proceed()
        self.quota.spend()
        name = "".join(part.capitalize() for part in method.split("_"))
        request = getattr(self.sdk.v1, f"{name}Request")(**fields)
        with self._told(f"/{service}Service/{name}"):
            return getattr(client, method)(
                request=request, retry=retry, timeout=min(self.config.timeout, left)
            )

    @contextmanager
    def _told(self, path: str) -> Iterator[None]:
        """Tell the observer of one call, its repeats included, with the HTTP status that its gRPC one stands for."""
        began, status = time.monotonic(), None
        try:
            yield
            status = 200
        except Exception as error:
            code = getattr(error, "code", None)
            status = int(code) if isinstance(code, int) else None
            raise
        finally:
            if self.observer is not None:
                self.observer("gRPC", path, status, time.monotonic() - began)

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        """What the vendor raises leaves as one of the contract's errors, without the vendor's behind it."""
        try:
            yield
        except AdapterError as error:
            raised: AdapterError = error
        except self.sdk.exceptions.GoogleAPIError as error:
            cause = getattr(error, "cause", None)
            cause = cause if isinstance(cause, Exception) else error
            raised = translate(cause, doing)
            if self.config.allowed_networks and isinstance(cause, self.sdk.exceptions.ServiceUnavailable):
                self._forget()
        except self.sdk.auth_errors.GoogleAuthError as error:
            raised = translate_credentials(error)
        except TimeoutError:
            raised = UnderWayError(f"Vertex AI has not finished in time ({doing}): its outcome is unknown")
        except (TypeError, ValueError) as error:
            raised = InvalidError(f"Vertex AI cannot take this ({doing}): {error}")
        else:
            return
        raised.__context__ = None
        raise raised from None

    @property
    def _repeat_unavailable(self) -> Any:
        unavailable = self.sdk.exceptions.ServiceUnavailable
        return self.sdk.retry.Retry(
            predicate=self.sdk.retry.if_exception_type(unavailable),
            initial=0.05,
            maximum=1.0,
            multiplier=1.5,
            timeout=self.config.timeout / 10,
        )

    @property
    def _never_repeat(self) -> Any:
        return self.sdk.retry.Retry(predicate=lambda error: False, timeout=self.config.timeout)

    def _service(self, name: str) -> Any:
        with self._lock:
            if self._closed:
                raise TransientError("the connection to Vertex AI was closed")
            if name not in self._services:
                self._services[name] = self._connect(name)
            return self._services[name]

    def _forget(self) -> None:
        """Ask for the host's addresses again before the next call; calls in flight end on the old ones."""
        with self._lock:
            self._services.clear()

    def _connect(self, name: str) -> Any:
        host, port, tls = self.config.address
        pinned = allowed_addresses(host, port, self.config)
        kind = getattr(self.sdk.v1, f"{name}ServiceClient").get_transport_class("grpc")
        limit = self.config.max_response_mb * 1024 * 1024
        options = [
            ("grpc.max_receive_message_length", limit),
            ("grpc.max_send_message_length", -1),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000 if tls else 100),
        ]
        target = name_and_port(host, port)
        address, more = pin(host, port, pinned) if pinned else (target, [])
        options += more

        def open_channel(_: str, **keywords: Any) -> Any:
            if tls:
                return kind.create_channel(address, **keywords | {"options": options})
            return self.sdk.grpc.insecure_channel(address, [*options, ("grpc.enable_http_proxy", 0)])

        transport = kind(host=target, credentials=self._credentials(tls), channel=open_channel)
        return getattr(self.sdk.v1, f"{name}ServiceClient")(transport=transport)

    def _credentials(self, tls: bool) -> Any:
        """Those of the configuration; else None, which is the environment's default; nobody's without TLS."""
        if not tls:
            return import_module("google.auth.credentials").AnonymousCredentials()
        if self.config.credentials is None:
            return None
        return read_credentials(self.config.credentials.get_secret_value())


def read_credentials(text: str) -> Any:
    """Credentials from their JSON. Errors: AuthError, which never quotes the text.

    Only keys of service accounts and authorized users are taken: other types make the library run
    programs or call addresses that the text names.
    """
    scopes = ["https://www.googleapis.com/auth/cloud-platform"]
    try:
        info = json.loads(text)
        kind = info.get("type")
        if kind == "service_account":
            account = import_module("google.oauth2.service_account").Credentials
            return account.from_service_account_info(info, scopes=scopes)
        if kind == "authorized_user":
            return import_module("google.oauth2.credentials").Credentials.from_authorized_user_info(
                info, scopes
            )
    except Exception as error:
        raise AuthError(
            f"`credentials` is no JSON of a service account or authorized user ({type(error).__name__}): "
            "give file:PATH of the key file, or leave it out to use the environment's default"
        ) from None
    raise AuthError(
        "`credentials` must be the JSON of a service account or authorized user: for workload identity "
        "leave it out and set GOOGLE_APPLICATION_CREDENTIALS"
    )


def allowed_addresses(host: str, port: int, config: VertexConfig) -> list[str]:
    """The addresses of this host, all of which lie in `allowed_networks`; empty without such a list.

    Errors: `InvalidError` for one that lies outside, `TransientError` where the name has none.
    """
    if not config.allowed_networks:
        return []
    try:
        found = {item[4][0] for item in addresses_of(host, port, min(config.timeout, proceed()))}
    except TimeoutError:
        raise TransientError(f"the name {host} was not looked up within {config.timeout:g} s") from None
    except OSError as error:
        raise TransientError(f"the name {host} has no address: {error.strerror}") from None
    addresses = sorted(str(each).partition("%")[0] for each in found)
    for address in addresses:
        if not is_allowed(address, config.allowed_networks):
            raise InvalidError(f"{host} is at {address}, which is outside `allowed_networks`")
    return addresses


def pin(host: str, port: int, addresses: Iterable[str]) -> tuple[str, list[tuple[str, Any]]]:
    """Target and options of a channel to these addresses and no others, whatever the name says later.

    gRPC resolves a name by itself and again at every reconnect, and shows nobody the peer: what was checked
    must be what is dialled. The certificate still has to be the host's. A proxy would dial by itself.
    """
    by_family: dict[str, list[str]] = {"ipv4": [], "ipv6": []}
    for address in addresses:
        by_family["ipv6" if ":" in address else "ipv4"].append(name_and_port(address, port))
    family = "ipv4" if by_family["ipv4"] else "ipv6"
    return f"{family}:{','.join(by_family[family])}", [
        ("grpc.default_authority", name_and_port(host, port)),
        ("grpc.ssl_target_name_override", host),
        ("grpc.enable_http_proxy", 0),
    ]


def name_and_port(host: str, port: int) -> str:
    """`HOST:PORT`, with an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
