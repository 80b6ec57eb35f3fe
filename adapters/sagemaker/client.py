"""Calls to SageMaker and STS through boto3, which is imported at the first of them."""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from functools import cache
from ipaddress import IPv4Network, IPv6Network
from typing import Any, TypeVar
from weakref import WeakSet

from adapters.contract import Observer
from adapters.errors import AdapterError, AuthError, TransientError, UnsupportedError
from adapters.http import is_allowed
from adapters.sagemaker.config import SageMakerConfig
from adapters.sagemaker.refusals import UnexplainedError

Answer = Mapping[str, Any]
_READING_AHEAD = 6
_READS = ("Search", "List", "Describe", "Query")
_PATIENCE = 5.0
"""Seconds that closing waits for requests that are under way."""

T = TypeVar("T")
S = TypeVar("S")


class Client:
    """One registry's connection, for many threads. It raises `AdapterError` and nothing else."""

    def __init__(self, config: SageMakerConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._session: Any = None
        self.observer: Observer | None = None
        self._clients: dict[tuple[str, bool], Any] = {}
        self._tried: set[str] = set()
        self._lacking: set[str] = set()
        self._pool = ThreadPoolExecutor(config.threads, thread_name_prefix="sagemaker")
        self._under_way: WeakSet[Future[Any]] = WeakSet()
        self._ahead = ThreadPoolExecutor(_READING_AHEAD, thread_name_prefix="sagemaker-ahead")

    def call(self, action: str, **params: Any) -> Answer:
        """One SageMaker action by its API name, `DescribeModelPackage`…; times come as ISO 8601 strings."""
        return self._call("sagemaker", action, params)

    def optional(self, what: str, action: str, **params: Any) -> Answer | None:
        """An action that the backend may not have, or not for everything: `what` names it in that case.

        None where it is missing, which is asked once and without retries. Errors: as of `call`.
        """
        if what in self._lacking:
            return None
        try:
            return self._call("sagemaker", action, params, once=what not in self._tried)
        except (UnsupportedError, UnexplainedError):
            self._lacking.add(what)
            return None
        except TransientError:
            return self.call(action, **params)
        finally:
            self._tried.add(what)

    def identity(self) -> Answer:
        """STS's `GetCallerIdentity`."""
        return self._call("sts", "GetCallerIdentity", {})

    def start(self, work: Callable[..., T], *args: Any) -> "Future[T]":
        """Run `work`, which may wait for `each`, in a thread of its own."""
        return self._submitted(self._ahead, work, *args)

    def each(self, work: Callable[[S], T], items: Iterable[S]) -> list[T | AdapterError]:
        """`work` on every item, in the pool; results in order, an AdapterError in place of a result."""

        def guarded(item: S) -> T | AdapterError:
            try:
                return work(item)
            except AdapterError as error:
                return error

        return [future.result() for future in [self._submitted(self._pool, guarded, item) for item in items]]

    def close(self) -> None:
        """Give the threads and connections back."""
        self._ahead.shutdown(wait=False, cancel_futures=True)
        self._pool.shutdown(wait=False, cancel_futures=True)
        wait([future for future in self._under_way if not future.cancelled()], timeout=_PATIENCE)
        with self._lock:
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    def _submitted(self, pool: ThreadPoolExecutor, work: Callable[..., T], *args: Any) -> "Future[T]":
        try:
            future = pool.submit(work, *args)
        except RuntimeError:
            raise TransientError("this adapter was closed: make a new one") from None
        self._under_way.add(future)
        return future

    def _call(self, service: str, action: str, params: dict[str, Any], *, once: bool = False) -> Answer:
        client = self._client(service, once)
        from botocore import xform_name

        from adapters.sagemaker.failures import translated

        try:
            answer: Answer = getattr(client, xform_name(action))(**params)
        except AdapterError:
            raise
        except Exception as error:
            refusal = translated(error, action, self._config.secrets())
        else:
            return answer
        raise refusal

    def _client(self, service: str, once: bool) -> Any:
        with self._lock:
            if (service, once) not in self._clients:
                self._clients[service, once] = self._connect(service, once)
            return self._clients[service, once]

    def _connect(self, service: str, once: bool) -> Any:
        try:
            import boto3  # noqa: F401
        except ImportError:
            message = "SageMaker registries need boto3: install Waypost with its extra, waypost[sagemaker]"
            raise UnsupportedError(message) from None
        from adapters.sagemaker.failures import translated

        config = self._config.model_copy(update={"attempts": 1}) if once else self._config
        try:
            self._session = self._session or _session(self._config)
            return _guarded(_connected(self._session, service, config), config, lambda: self.observer)
        except Exception as error:
            refusal = translated(error, "connect", self._config.secrets())
        raise refusal


def _session(config: SageMakerConfig) -> Any:
    import botocore.session

    # botocore logs whole requests at DEBUG, session tokens among them.
    if logging.getLogger("botocore").level == logging.NOTSET:
        logging.getLogger("botocore").setLevel(logging.INFO)
    session = botocore.session.Session(profile=config.profile)
    session.set_config_variable("region", config.region)
    session.register_component("data_loader", _service_models())
    if config.access_key_id and config.secret_access_key:
        token = config.session_token.get_secret_value() if config.session_token else None
        keys = (config.access_key_id.get_secret_value(), config.secret_access_key.get_secret_value())
        session.set_credentials(*keys, token)
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_iso)
    if config.role_arn:
        _assume(session, config)
    return session


@cache
def _service_models() -> Any:
    """botocore's loader of its service models: megabytes that every registry of this process shares."""
    import botocore.session

    return botocore.session.Session().get_component("data_loader")


def _assume(session: Any, config: SageMakerConfig) -> None:
    """Make the session act as the configured role, renewing it before it expires."""
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

    source = session.get_credentials()
    if source is None:
        raise AuthError("no AWS credentials to assume role_arn with: give an access key or a profile")

    def create(service: str, **settings: Any) -> Any:
        return _guarded(_connected(session, service, config, settings), config, lambda: None)

    extra = {"RoleSessionName": "waypost"}
    if config.external_id:
        extra["ExternalId"] = config.external_id.get_secret_value()
    fetcher = AssumeRoleCredentialFetcher(create, source, config.role_arn, extra_args=extra)
    # boto3 has no public way to set refreshable credentials on a session.
    session._credentials = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")


def _connected(session: Any, service: str, config: SageMakerConfig, settings: Answer | None = None) -> Any:
    from botocore.config import Config

    address = config.endpoint_url if service == "sagemaker" else config.sts_address
    return session.create_client(
        service,
        region_name=config.region,
        endpoint_url=address,
        config=Config(
            connect_timeout=min(config.timeout, 10),
            read_timeout=config.timeout,
            retries={"mode": "adaptive", "total_max_attempts": config.attempts},
            max_pool_connections=config.threads + _READING_AHEAD,
            user_agent_extra="waypost",
            # A proxy would hide the peer from the check; None is what the environment says.
            proxies={} if config.allowed_networks else None,
        ),
        **{key: value for key, value in (settings or {}).items() if key.startswith("aws_")},
    )


def _guarded(client: Any, config: SageMakerConfig, told: Callable[[], Observer | None]) -> Any:
    client._endpoint.http_session = _Guarded(client._endpoint.http_session, config, told)
    return client


class _Guarded:
    """botocore's HTTP session: it tells of its requests and reads whole answers of allowed size and peers."""

    def __init__(self, inner: Any, config: SageMakerConfig, told: Callable[[], Observer | None]) -> None:
        self._inner, self._told = inner, told
        self._limit = config.max_response_mb * 2**20
        self._timeout = config.timeout
        if config.allowed_networks:
            _check_peers(inner, config.allowed_networks)

    def send(self, request: Any) -> Any:
        began, status = time.monotonic(), None
        target = request.headers.get("X-Amz-Target", b"")
        action = (target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]
        try:
            response = self._read(request, began + self._timeout)
            status = response.status_code
        finally:
            observer = self._told()
            if observer:
                observer(request.method, f"/{action}", status, time.monotonic() - began)
        if action and status == 200:
            _check_protocol(action, response.content)
        return response

    def close(self) -> None:
        self._inner.close()

    def _read(self, request: Any, deadline: float) -> Any:
        from botocore.exceptions import ConnectionClosedError

        request.stream_output = True
        response = self._inner.send(request)
        parts, size, late = [], 0, False
        try:
            # What has come, not whole blocks: for those a slow trickle would be awaited for ever.
            while part := response.raw.read1(2**16):
                parts.append(part)
                size += len(part)
                late = time.monotonic() > deadline
                if size > self._limit or late:
                    response.raw.close()
                    break
        except Exception:
            raise ConnectionClosedError(endpoint_url=request.url) from None
        if size > self._limit:
            raise TransientError(f"an answer is larger than max_response_mb allows ({self._limit >> 20} MiB)")
        if late:
            raise TransientError(
                f"an answer was still coming after {self._timeout:g} s: raise timeout if it is slow"
            )
        if size < int(response.headers.get("Content-Length", 0)):
            raise ConnectionClosedError(endpoint_url=request.url)
        response._content = b"".join(parts)
        return response


def _check_protocol(action: str, body: bytes) -> None:
    """Refuse a success that is no JSON object: botocore would take it for an empty one."""
    if not body and not action.startswith(_READS):
        return
    try:
        understood = isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        understood = False
    if not understood:
        raise TransientError(
            f"{action}: the answer is not SageMaker's: check endpoint_url, or what is in between"
        )


def _check_peers(session: Any, networks: tuple[IPv4Network | IPv6Network, ...]) -> None:
    """Make connections end before anything is sent, where the peer is not in one of these networks."""

    def guarded(pool: Any) -> Any:
        class Connection(pool.ConnectionCls):  # type: ignore[misc]
            def _new_conn(self) -> Any:
                connected = super()._new_conn()
                peer = connected.getpeername()[0]
                if not is_allowed(peer, networks):
                    connected.close()
                    raise AuthError(f"{self.host} is at {peer}, outside allowed_networks: nothing was sent")
                return connected

        return type(pool.__name__, (pool,), {"ConnectionCls": Connection})

    manager = session._manager
    manager.pool_classes_by_scheme = {
        scheme: guarded(pool) for scheme, pool in manager.pool_classes_by_scheme.items()
    }


def _iso(value: Any) -> str:
    """A time of the wire as ISO 8601 in UTC: epoch seconds from SageMaker, text from STS."""
    if isinstance(value, str) and not value.replace(".", "", 1).isdigit():
        return value
    return datetime.fromtimestamp(round(float(value), 3), UTC).isoformat()
