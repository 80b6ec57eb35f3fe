"""Calls to SageMaker and STS through boto3, which is imported at the first of them."""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar
from urllib.parse import urlsplit
from weakref import WeakSet

from adapters import outgoing
from adapters.calls import proceed
from adapters.contract import Observer
from adapters.errors import AdapterError, AuthError, TransientError, UnsupportedError
from adapters.http import UNSTORABLE_ESCAPE, Reply, check_count
from adapters.pacing import LARGE, rest
from adapters.payloads import at
from adapters.sagemaker.config import SageMakerConfig
from adapters.sagemaker.failures import UnexplainedError, translated

Answer = Mapping[str, Any]
_READING_AHEAD = 6
_READS = ("Search", "List", "Describe", "Query")
SIZE = "content-length"
CLOSED = "this adapter was closed: make a new one"
_PATIENCE = 5.0
"""Seconds that closing waits for requests that are under way."""

T = TypeVar("T")
S = TypeVar("S")


class SageMakerClient:
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
        self._is_closed = False

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

    def pages(self, action: str, most: int, what: str = "", **params: Any) -> Iterator[Answer]:
        """The answers of a listing, at most so many; none where the backend has no `what`. Errors: as of `call`."""
        token: str | None = None
        for _ in range(most):
            asked = {**params, **({"NextToken": token} if token else {})}
            answer = self.optional(what, action, **asked) if what else self.call(action, **asked)
            if answer is not None:
                yield answer
            before, token = token, (answer or {}).get("NextToken")
            if not token or token == before:
                return

    def identity(self) -> Answer:
        """STS's `GetCallerIdentity`."""
        return self._call("sts", "GetCallerIdentity", {})

    def confirm(self, topic: str, token: str) -> None:
        """Confirm the subscription to a topic of SNS, which whoever has the token may."""
        self._call("sns", "ConfirmSubscription", {"TopicArn": topic, "Token": token})

    def each(self, work: Callable[[S], T], items: Iterable[S]) -> list[T | AdapterError]:
        """`work` on every item, in the pool; results in order, an AdapterError in place of a result."""

        def guarded(item: S) -> T | AdapterError:
            try:
                return work(item)
            except AdapterError as error:
                return error

        return [future.result() for future in [self._submitted(self._pool, guarded, item) for item in items]]

    def credentials(self) -> tuple[str, ...]:
        """The keys in use, of a profile or an assumed role for instance, where some were needed yet."""
        held = getattr(self._session, "_credentials", None)
        found = (getattr(held, name, None) for name in ("_access_key", "_secret_key", "_token"))
        return tuple(one for one in found if isinstance(one, str))

    def close(self) -> None:
        """Give the threads and connections back."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        wait([future for future in self._under_way if not future.cancelled()], timeout=_PATIENCE)
        with self._lock:
            self._is_closed = True
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    def _submitted(self, pool: ThreadPoolExecutor, work: Callable[..., T], *args: Any) -> "Future[T]":
        try:
            future = pool.submit(work, *args)
        except RuntimeError:
            raise TransientError(CLOSED) from None
        self._under_way.add(future)
        return future

    def _call(self, service: str, action: str, params: dict[str, Any], *, once: bool = False) -> Answer:
        proceed()
        client = self._client(service, once)
        from botocore import xform_name

        began = time.thread_time()
        try:
            answer: Answer = getattr(client, xform_name(action))(**params)
        except AdapterError:
            raise
        except Exception as error:
            refusal = translated(error, action)
        else:
            _check_page(action, params.get("MaxResults"), answer)
            if int(at(answer, "ResponseMetadata", "HTTPHeaders", SIZE) or 0) > LARGE:
                rest(began)
            return answer
        raise refusal

    def _client(self, service: str, once: bool) -> Any:
        with self._lock:
            if self._is_closed:
                raise TransientError(CLOSED)
            if (service, once) not in self._clients:
                self._clients[service, once] = self._connect(service, once)
            return self._clients[service, once]

    def _connect(self, service: str, once: bool) -> Any:
        try:
            import boto3  # noqa: F401
        except ImportError:
            message = "SageMaker registries need boto3: install Waypost with its extra, waypost[sagemaker]"
            raise UnsupportedError(message) from None
        config = self._config.model_copy(update={"attempts": 1}) if once else self._config
        try:
            self._session = self._session or _session(self._config)
            return _guarded(_connected(self._session, service, config), config, lambda: self.observer)
        except Exception as error:
            refusal = translated(error, "connect")
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
    from botocore import UNSIGNED
    from botocore.config import Config

    return session.create_client(
        service,
        region_name=config.region,
        endpoint_url=config.address_of(service),
        config=Config(
            retries={"mode": "adaptive", "total_max_attempts": config.attempts},
            user_agent_extra="waypost",
            signature_version=UNSIGNED
            if service == "sns"
            else None,  # a subscription's token is proof enough
        ),
        **{key: value for key, value in (settings or {}).items() if key.startswith("aws_")},
    )


def _guarded(client: Any, config: SageMakerConfig, told: Callable[[], Observer | None]) -> Any:
    client._endpoint.http_session.close()
    client._endpoint.http_session = _Outgoing(config, told)
    return client


class _Outgoing:
    """What botocore sends its requests with: our one way out, in place of its own HTTP session."""

    def __init__(self, config: SageMakerConfig, told: Callable[[], Observer | None]) -> None:
        self._pool = outgoing.Pool(
            networks=config.allowed_networks, connections=config.threads + _READING_AHEAD
        )
        self._told = told
        self._limit = config.max_response_mb << 20
        self._timeout = config.timeout

    def send(self, request: Any) -> Any:
        from botocore.awsrequest import AWSResponse

        began, status = time.monotonic(), None
        target = request.headers.get("X-Amz-Target", b"")
        action = (target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]
        try:
            answer = self._answer(request, began + self._timeout)
            status = answer.status
        except outgoing.HttpError as error:
            status = error.status
            raise self._described(error, request.url) from None
        finally:
            observer = self._told()
            if observer:
                observer(request.method, f"/{action}", status, time.monotonic() - began)
        body = _checked_protocol(action, answer.body) if action and status == 200 else answer.body
        headers = {**answer.headers, SIZE: str(len(body))}
        response = AWSResponse(request.url, answer.status, headers, None)
        response._content = body
        return response

    def close(self) -> None:
        self._pool.close()

    def _answer(self, request: Any, deadline: float) -> outgoing.HttpAnswer:
        body = request.body
        headers = {
            name: value.decode("latin-1") if isinstance(value, bytes) else value
            for name, value in request.headers.items()
        }
        return self._pool.request(
            request.method,
            request.url,
            headers=headers,
            body=body.encode() if isinstance(body, str) else body,
            deadline=deadline,
            most=self._limit,
        )

    def _described(self, error: outgoing.HttpError, url: str) -> Any:
        """botocore's own exception where it may try again, else ours."""
        from botocore import exceptions as boto

        line = f"{urlsplit(url).netloc} {error}"
        match error.reason:
            case "connect" | "unconnected":
                return boto.EndpointConnectionError(endpoint_url=url)
            case "broken":
                return boto.ConnectionClosedError(endpoint_url=url)
            case "network":
                return AuthError(line)
            case "large":
                return TransientError(f"{line}: raise max_response_mb", divisible=True)
            case "unanswered" | "unfinished":
                slow = f"{line} after {self._timeout:g} s: raise timeout if it is slow"
                return TransientError(slow, divisible=True)
            case _:
                return TransientError(f"{line}: check endpoint_url, or what is in between")


def _checked_protocol(action: str, body: bytes) -> bytes:
    """The body of a success, with storable texts. One that is no JSON object botocore would take for an empty one."""
    if not body and not action.startswith(_READS):
        return body
    try:
        found = Reply(200, {}, body, action).json()
    except AdapterError as error:
        raise TransientError(f"{error}: check endpoint_url, or what is in between") from None
    if not isinstance(found, dict):
        raise TransientError(
            f"{action}: the answer is not SageMaker's: check endpoint_url, or what is in between"
        )
    return json.dumps(found).encode() if UNSTORABLE_ESCAPE.search(body) else body


def _check_page(action: str, asked: int | None, answer: Answer) -> None:
    """A listing holds no more than was asked for; of a graph its vertices are counted. Errors: `InvalidError`."""
    if asked is not None:
        rows = (value for name, value in answer.items() if isinstance(value, list) and name != "Edges")
        check_count(f"SageMaker ({action})", max(map(len, rows), default=0), asked)


def _iso(value: Any) -> str:
    """A time of the wire as ISO 8601 in UTC: epoch seconds from SageMaker, text from STS."""
    if isinstance(value, str) and not value.replace(".", "", 1).isdigit():
        return value
    return datetime.fromtimestamp(round(float(value), 3), UTC).isoformat()
