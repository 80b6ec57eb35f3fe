"""What can be made to go wrong in the emulator, and what it has seen."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from adapters.emulators.sagemaker.account import ServiceError

ANY = "*"
ANSWERS = ("", "garbage", "truncated", "silent", "reset")


@dataclass
class Faults:
    """Faults by action name (`Search`, `DescribeModelPackage`…) or `*` for every action.

    `latency` is seconds added to every answer. `throttle` counts the next requests that get a
    ThrottlingException, `lose` the next that are carried out but never answered, `fail` the next that get a
    500. `deny` names the actions IAM forbids. `endless` listings answer empty pages with a token for ever,
    `hidden` ones a single empty page, `overfull` ones every row 40 times, whatever was asked for.
    `accept_keys`, where given, are the only access keys that are known. `calls` counts the requests that
    arrived, `breaches` lists the answers that broke the model. `answers` spoils every answer: `garbage` is a
    web page, `truncated` half an answer, `silent` none while it lasts, `reset` a connection that is closed.
    """

    latency: float = 0.0
    throttle: Counter[str] = field(default_factory=Counter)
    lose: Counter[str] = field(default_factory=Counter)
    fail: Counter[str] = field(default_factory=Counter)
    deny: set[str] = field(default_factory=set)
    endless: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)
    overfull: set[str] = field(default_factory=set)
    accept_keys: set[str] | None = None
    answers: str = ""
    retry_after: int | None = None
    """Seconds that a refusal asks the client to wait, in a header."""
    answered: Callable[[str], None] = lambda action: None
    """Called with the action's name when an answer is put together, before it is sent."""
    calls: Counter[str] = field(default_factory=Counter)
    breaches: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def change(self, wanted: dict[str, Any]) -> None:
        """Apply what the control path was sent: the same names, JSON values; `{}` for a name clears it."""
        with self._lock:
            for name, value in wanted.items():
                if name == "latency":
                    self.latency = float(value)
                elif name in ("throttle", "lose", "fail"):
                    setattr(self, name, Counter({str(action): int(count) for action, count in value.items()}))
                elif name in ("deny", "endless", "hidden", "overfull"):
                    setattr(self, name, {str(action) for action in value})
                elif name == "accept_keys":
                    self.accept_keys = None if value is None else {str(key) for key in value}
                elif name == "answers" and value in ANSWERS:
                    self.answers = value
                elif name == "calls":
                    self.calls.clear()
                else:
                    raise ValueError(f"unknown fault {name!r}")

    def state(self) -> dict[str, Any]:
        """What the control path answers."""
        with self._lock:
            return {"calls": dict(self.calls), "breaches": list(self.breaches), "latency": self.latency}

    def admit(self, action: str, access_key: str) -> None:
        """Count a request, wait the latency, and refuse it where it is to be refused."""
        with self._lock:
            self.calls[action] += 1
            throttled, failed = self._take(self.throttle, action), self._take(self.fail, action)
        if self.latency:
            time.sleep(self.latency)
        if throttled:
            raise ServiceError("ThrottlingException", "Rate exceeded")
        if failed:
            raise ServiceError("InternalFailure", "The request processing has failed", 500)
        if self.accept_keys is not None and access_key not in self.accept_keys:
            message = "The security token included in the request is invalid"
            raise ServiceError("UnrecognizedClientException", message)
        if action in self.deny or ANY in self.deny:
            raise ServiceError(
                "AccessDeniedException",
                f"User {access_key} is not authorized to perform: sagemaker:{action} because"
                f" no identity-based policy allows the sagemaker:{action} action",
            )

    def loses(self, action: str) -> bool:
        """Whether this answer is to be lost on its way."""
        with self._lock:
            return self._take(self.lose, action)

    @staticmethod
    def _take(counts: Counter[str], action: str) -> bool:
        for name in (action, ANY):
            if counts[name] > 0:
                counts[name] -= 1
                return True
        return False
