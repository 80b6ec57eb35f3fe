"""The gates of rollouts: an address that answers, a query of Prometheus with a bound, a command that ends well.

Only what stands in this gateway's configuration is asked: what the database says cannot run a command here.
"""

import json
import math
import os
import shlex
import subprocess
import time
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from adapters.outgoing import HttpError, Pool
from federation.policies.policies import PROMETHEUS

if TYPE_CHECKING:
    from gateway.settings import Settings

PATIENCE = 30.0
"""Seconds that a gate may take."""
LARGEST = 1 << 20


class Gates:
    """Asks a gate about a version; the answer is why it fails, None: it passes. Safe for several threads."""

    def __init__(self, settings: "Settings") -> None:
        self._known = {gate for policy in settings.policies for gate in policy.rollout.gates}
        self._prometheus = settings.promotions.prometheus
        self._folder = settings.promotions.folder
        self._pool = Pool(connections=8)

    def __call__(self, gate: str, ref: str) -> str | None:
        if gate not in self._known:
            return "it is not in this gateway's configuration"
        kind, _, rest = gate.partition(":")
        match kind:
            case "command":
                return self._command(rest, ref)
            case "prometheus":
                return self._query(rest)
        found = self._get(gate)
        return found if isinstance(found, str) else None

    def _command(self, command: str, ref: str) -> str | None:
        """A program and its arguments, without a shell; it learns the version from WAYPOST_REF, and no secret."""
        around = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        try:
            done = subprocess.run(
                shlex.split(command),
                cwd=self._folder,
                env={**around, "WAYPOST_REF": ref},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=PATIENCE,
                check=False,
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            return f"it cannot be run: {type(error).__name__}"
        return f"it ended with {done.returncode}" if done.returncode else None

    def _query(self, text: str) -> str | None:
        found = PROMETHEUS.fullmatch(text)
        if found is None or not self._prometheus:
            return "promotions.prometheus says nowhere to ask"
        query = urlencode({"query": found["query"].strip()})
        answer = self._get(f"{self._prometheus.rstrip('/')}/api/v1/query?{query}")
        if isinstance(answer, str):
            return answer
        try:
            values = list(_values(json.loads(answer)["data"]))
        except (ValueError, KeyError, TypeError, IndexError, RecursionError):
            return "Prometheus does not answer with numbers"
        bound, sign = float(found["bound"]), found["sign"]
        holds = {"<": bound.__gt__, "<=": bound.__ge__, ">": bound.__lt__, ">=": bound.__le__}[sign]
        if not values or any(map(math.isnan, values)):
            return "Prometheus knows no value of it"
        return next((f"it is {value:g}" for value in values if not holds(value)), None)

    def _get(self, url: str) -> bytes | str:
        """The body of an answer with 200; else what there was instead."""
        deadline = time.monotonic() + PATIENCE
        try:
            answer = self._pool.request("GET", url, headers={}, deadline=deadline, most=LARGEST)
        except HttpError as error:
            return f"it {error}"
        return answer.body if answer.status == 200 else f"it answered {answer.status}"


def _values(data: dict[str, object]) -> list[float]:
    """The numbers of an instant vector or of a scalar."""
    result: object = data["result"]
    pairs = [result] if data["resultType"] == "scalar" else [one["value"] for one in result]  # type: ignore[attr-defined]
    return [float(pair[1]) for pair in pairs]  # type: ignore[index]
