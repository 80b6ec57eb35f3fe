"""Start real servers as child processes that never outlive us: MLflow for the demo, and others for the tests.

Every server listens on 127.0.0.1 only, on a port that nobody else is given while it is reserved.
"""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

import httpx

from federation.programs import program

_GUARD = Path(__file__).with_name("guard.py")
_LOG_TAIL = 15  # lines of a failed server's log that its error shows


class ServerStartError(Exception):
    """A server ended, or did not answer in time; the message holds the end of its log."""


@dataclass(frozen=True)
class Server:
    """A running child process and its group; `url` or `port` say where it listens."""

    name: str
    port: int
    log: Path
    process: subprocess.Popen[bytes]
    ready: Callable[[], bool]
    patience: float

    def wait(self) -> None:
        """Return once it answers. Raises ServerStartError."""
        deadline = time.monotonic() + self.patience
        while not self.ready():
            if not self.running:
                raise ServerStartError(f"{self.name} ended while starting:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise ServerStartError(
                    f"{self.name} did not answer within {self.patience:.0f} s:\n{self.log_tail()}"
                )
            time.sleep(0.05)

    @property
    def url(self) -> str:
        """Where it listens, for those that speak HTTP."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        """False once the command has ended, however it did."""
        return self.process.poll() is None

    def log_tail(self) -> str:
        """The last lines it wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-_LOG_TAIL:])

    def pause(self) -> None:
        """Freeze it: connections are accepted by the kernel and nothing ever answers."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Thaw it after `pause`."""
        os.killpg(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, without a chance to tidy up."""
        if self.running:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.stop()

    def end(self) -> None:
        """Tell it to end in its own way, and then the rest of its group."""
        if self.running:
            self.resume()
        if self.process.stdin is not None:
            self.process.stdin.close()

    def stop(self) -> None:
        """End it; returns when nothing of it is left."""
        self.end()
        self.process.wait()


@contextmanager
def reserved_port(port: int = 0) -> Iterator[int]:
    """A free port of 127.0.0.1 that the kernel hands to nobody else while the block lasts.

    The reservation is a bound socket that does not listen: on Linux a server that sets SO_REUSEADDR, as all
    of ours do, may still listen there. Elsewhere it has to be let go just before the server starts.
    """
    holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", port))
        number: int = holder.getsockname()[1]
        if sys.platform != "linux":
            holder.close()
        yield number
    finally:
        holder.close()


@contextmanager
def server(
    name: str,
    command: Sequence[str],
    *,
    port: int,
    log: Path,
    ready: Callable[[], bool],
    patience: float = 180.0,
    environment: Mapping[str, str] | None = None,
    user: str = "",
    stop_signal: signal.Signals = signal.SIGTERM,
    grace: float = 5.0,
    wait: bool = True,
) -> Iterator[Server]:
    """Run `command` in a group of its own until the block ends or this process dies, whichever comes first.

    `ready` is asked every 50 ms, `patience` seconds long, before the block begins, or by `Server.wait` without `wait`;
    `grace` is what the command gets to end by itself after `stop_signal`. Raises ServerStartError.
    """
    guard = [sys.executable, "-I", "-S", str(_GUARD), user, str(int(stop_signal)), str(grace)]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*guard, *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=os.environ if environment is None else environment,
        )
    running = Server(name, port, log, process, ready, patience)
    try:
        if wait:
            running.wait()
        yield running
    finally:
        running.stop()


@cache
def _trust() -> ssl.SSLContext:
    """Read once: reading the authorities takes longer than asking."""
    return httpx.create_ssl_context()


def answers(url: str) -> bool:
    """Does this address answer 200?"""
    try:
        return httpx.get(url, timeout=10.0, trust_env=False, verify=_trust()).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


@contextmanager
def mlflow_server(
    folder: Path,
    *,
    port: int = 0,
    settings: Mapping[str, str] = MappingProxyType({}),
    wait: bool = True,
) -> Iterator[Server]:
    """A real MLflow server with its database and artifacts in `folder`: one worker, job execution off.

    2 to 4 s until it answers, about 500 MB. `port` is for one that comes back where it was; `settings` go to its
    environment; `wait` as in `server`. Raises ServerStartError, also when MLflow is not installed.

    What ``mlflow server`` would start is started itself: that command is a process of its own, which imports all of
    MLflow only to start another one that does so again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with reserved_port(port) as number:
        # Of itself, uvicorn looks for what it serves in the working directory first.
        command = program("uvicorn", "--app-dir", str(folder), "--host", "127.0.0.1", "--port", str(number))
        command += ["--workers", "1", "mlflow.server.fastapi_app:app"]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        stores = {  # as `mlflow.server.constants` names them
            "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{folder / 'mlflow.db'}",
            "_MLFLOW_SERVER_REGISTRY_STORE": f"sqlite:///{folder / 'mlflow.db'}",
            "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
            "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(folder / "artifacts"),
            "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        }
        switches = {
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
        }
        with server(
            "MLflow",
            command,
            port=number,
            log=folder / "server.log",
            # The first such question makes its tables; it allows this name of its host, whatever else.
            ready=lambda: answers(
                f"http://localhost:{number}/api/2.0/mlflow/experiments/get?experiment_id=0"
            ),
            environment={**inherited, **stores, **switches, **settings},
            wait=wait,
        ) as running:
            yield running


def docker_registry_program() -> str | None:
    """Where Debian's `docker-registry` is installed; None where it is not."""
    return shutil.which("docker-registry")


@contextmanager
def docker_registry(folder: Path, *, port: int = 0, deletes: bool = True) -> Iterator[Server]:
    """A real registry of OCI artifacts, which keeps them in `folder` and lets anybody in. Half a second until it
    answers. Raises ServerStartError, also when it is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    program = docker_registry_program()
    if program is None:
        raise ServerStartError("docker-registry is not installed: apt-get install docker-registry")
    with reserved_port(port) as number:
        storage = {
            "filesystem": {"rootdirectory": str(folder / "data")},
            "delete": {"enabled": deletes},
            "maintenance": {"uploadpurging": {"enabled": False}},
        }
        settings = {
            "version": 0.1,
            "log": {"level": "warn"},
            "storage": storage,
            "http": {"addr": f"127.0.0.1:{number}"},
        }
        configuration = folder / "config.yml"
        configuration.write_text(json.dumps(settings))  # which is YAML as well
        with server(
            "docker-registry",
            [program, "serve", str(configuration)],
            port=number,
            log=folder / "server.log",
            ready=lambda: answers(f"http://127.0.0.1:{number}/v2/"),
        ) as running:
            yield running
