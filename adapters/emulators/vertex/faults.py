"""What a test or an operator makes the emulator do wrong: errors, slowness, quota."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2


class RpcError(Exception):
    """The answer to a call that fails. `retry_after`, in seconds, is sent as `google.rpc.RetryInfo`."""

    def __init__(self, code: grpc.StatusCode, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after = retry_after

    def trailing_metadata(self) -> tuple[tuple[str, bytes], ...]:
        """The rich status the vendor's client reads, or nothing."""
        if self.retry_after is None:
            return ()
        whole = int(self.retry_after)
        delay = duration_pb2.Duration(seconds=whole, nanos=int((self.retry_after - whole) * 1e9))
        detail = any_pb2.Any()
        detail.Pack(error_details_pb2.RetryInfo(retry_delay=delay))
        status = status_pb2.Status(code=self.code.value[0], message=self.message, details=[detail])
        return (("grpc-status-details-bin", status.SerializeToString()),)


@dataclass
class PlannedFault:
    """One planned failure of `method` (`ListModels`; `*` is every method)."""

    method: str
    code: str = "RESOURCE_EXHAUSTED"
    message: str = "Quota exceeded for quota metric 'Model Registry requests'"
    times: int = 1
    after: int = 0
    """Calls of that method which are let through first."""
    retry_after: float | None = None
    hang: float = 0.0
    """Seconds to wait before answering; with code OK the call then succeeds, unless its deadline has passed.
    """
    matching: str = ""
    """Only requests whose text holds this."""


@dataclass
class Faults:
    """Planned failures, latency and quota; counts the calls it saw. Safe to use from any thread."""

    latency: float = 0.0
    """Seconds added to every call."""
    quota_per_minute: int = 0
    """Calls a minute before RESOURCE_EXHAUSTED; 0 is unlimited."""
    calls: Counter[str] = field(default_factory=Counter)
    answered: Callable[[str], None] | None = None
    """Called with the method's name, in a thread, when an answer is put together, before it is sent."""
    _planned: list[PlannedFault] = field(default_factory=list)
    _recent: deque[float] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fail(self, method: str, **how: object) -> None:
        """Plan a failure; `how` are the fields of `PlannedFault`."""
        fault = PlannedFault(method, **how)  # type: ignore[arg-type]
        grpc.StatusCode[fault.code]
        with self._lock:
            self._planned.append(fault)

    def clear(self) -> None:
        """Forget planned failures, latency, quota and counts."""
        with self._lock:
            self._planned.clear()
            self._recent.clear()
            self.calls.clear()
            self.latency, self.quota_per_minute = 0.0, 0

    def next_for(self, method: str, request: object) -> PlannedFault | None:
        """Count one call of `method` and take the failure planned for it, if any.

        Raises RpcError when the call is over the quota.
        """
        with self._lock:
            self.calls[method] += 1
            self._spend_quota()
            for fault in self._planned:
                if fault.method not in ("*", method) or fault.matching not in str(request):
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                fault.times -= 1
                if fault.times <= 0:
                    self._planned.remove(fault)
                return fault
            return None

    def _spend_quota(self) -> None:
        if not self.quota_per_minute:
            return
        now = time.monotonic()
        while self._recent and now - self._recent[0] >= 60:
            self._recent.popleft()
        if len(self._recent) >= self.quota_per_minute:
            wait = 60 - (now - self._recent[0])
            raise RpcError(grpc.StatusCode.RESOURCE_EXHAUSTED, "Quota exceeded: requests per minute", wait)
        self._recent.append(now)
