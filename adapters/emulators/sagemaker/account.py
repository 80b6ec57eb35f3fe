"""One AWS account in one region, in memory: what the emulator's operations read and change.

Values are kept as the wire has them (times are epoch seconds), under the names the service model gives. A
stored value is replaced, never changed in place, so an answer that is being written stays as it was.
"""

import base64
import itertools
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

Value = dict[str, Any]


class ServiceError(Exception):
    """What the service refuses: its error code (`ValidationException`…), a message and the HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


@dataclass
class Account:
    """Everything that exists, by ARN; `now` gives the time in epoch seconds."""

    account_id: str = "123456789012"
    region: str = "eu-west-1"
    now: Callable[[], float] = time.time
    groups: dict[str, Value] = field(default_factory=dict)
    packages: dict[str, Value] = field(default_factory=dict)
    models: dict[str, Value] = field(default_factory=dict)
    configs: dict[str, Value] = field(default_factory=dict)
    endpoints: dict[str, Value] = field(default_factory=dict)
    components: dict[str, Value] = field(default_factory=dict)
    deployments: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Endpoints that are being deployed, by ARN: the configuration, and when it began."""
    deployment_seconds: float = 0.0
    """How long it takes until an endpoint serves a configuration."""
    broken_configs: set[str] = field(default_factory=set)
    """Configurations with which no deployment succeeds: neither it nor its rollback."""
    artifacts: dict[str, Value] = field(default_factory=dict)
    associations: list[Value] = field(default_factory=list)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    is_torn: bool = False
    """`Search` has the rows and not yet their tags."""
    created_by_token: dict[str, str] = field(default_factory=dict)
    sessions: dict[str, str] = field(default_factory=dict)
    confirmed: dict[str, str] = field(default_factory=dict)
    """Tokens with which subscriptions were confirmed, by topic of SNS."""
    serials: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    last_version: dict[str, int] = field(default_factory=dict)
    last_time: float = 0.0

    def arn(self, kind: str, name: str) -> str:
        """The ARN of a thing of this account; a name that already is one stays as it is."""
        if name.startswith("arn:"):
            return name
        return f"arn:aws:sagemaker:{self.region}:{self.account_id}:{kind}/{name}"

    def tick(self) -> float:
        """Now, in epoch seconds with milliseconds, later than any time given before."""
        self.last_time = round(max(self.now(), self.last_time + 0.001), 3)
        return self.last_time

    def actor(self, access_key: str) -> Value:
        """The `UserContext` of who holds this access key."""
        arn = self.sessions.get(access_key) or f"arn:aws:iam::{self.account_id}:user/{access_key}"
        return {"IamIdentity": {"Arn": arn, "PrincipalId": f"AIDA{access_key}"}}

    def tag(self, arn: str, tags: Iterable[Value]) -> None:
        """Add or replace tags given as the wire's list of `Key` and `Value`."""
        known = self.tags.setdefault(arn, {})
        known.update({tag["Key"]: tag["Value"] for tag in tags})
        if len(known) > 50:
            raise ServiceError("ResourceLimitExceeded", f"{arn} would have more than 50 tags")

    def tag_list(self, arn: str) -> list[Value]:
        """The tags of a thing as the wire's list."""
        return [{"Key": key, "Value": value} for key, value in self.tags.get(arn, {}).items()]


@dataclass(frozen=True)
class ApiCall:
    """One request: the operation's input, and the access key that signed it."""

    params: Value
    access_key: str


def page_of(
    rows: list[Value], call: ApiCall, sort_key: Callable[[Value], Any], reverse: bool
) -> tuple[list[Value], Value]:
    """One page of rows, and `{"NextToken": …}` if there are more. A token names the last row shown."""
    rows = sorted(rows, key=sort_key, reverse=reverse)
    token = call.params.get("NextToken")
    if token:
        after = _token_key(token)
        rows = [
            row for row in rows if (list(sort_key(row)) < after if reverse else list(sort_key(row)) > after)
        ]
    size = call.params.get("MaxResults", 10)
    shown = rows[:size]
    if len(rows) <= size:
        return shown, {}
    return shown, {"NextToken": base64.urlsafe_b64encode(json.dumps(sort_key(shown[-1])).encode()).decode()}


def _token_key(token: str) -> list[Any]:
    try:
        key = json.loads(base64.urlsafe_b64decode(token.encode()))
    except ValueError as error:
        raise ServiceError("ValidationException", "Invalid NextToken") from error
    if not isinstance(key, list):
        raise ServiceError("ValidationException", "Invalid NextToken")
    return key


def created_between(rows: Iterable[Value], params: Value) -> list[Value]:
    """The rows that pass the `CreationTimeAfter` and `CreationTimeBefore` filters of a listing."""
    after, before = params.get("CreationTimeAfter"), params.get("CreationTimeBefore")
    return [
        row
        for row in rows
        if (after is None or row["CreationTime"] > after) and (before is None or row["CreationTime"] < before)
    ]
