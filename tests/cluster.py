"""`python -m tests.cluster [--gateways N]`: a cluster on this machine, as companies run it, until Ctrl-C.

Gateways on machines of their own, PostgreSQL with a standby that streams synchronously, Redis
and a plain proxy in front. Everything listens on loopback or between namespaces, and ends with this process.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
from sqlalchemy import Engine

from federation.access import LOCAL
from federation.database import open_engine, writing
from federation.identity import tokens
from federation.identity.tokens import TokenSpec
from federation.journal.logkey import ensure_key
from gateway.demo.servers import Server, reserved_port, server
from tests.gateway.paper import PLUGINS, workers_of
from tests.gateway.served import SERVE
from tests.servers import blank
from tests.servers.machines import Machine, machine, wrong_clock
from tests.servers.postgres import Postgres, postgres_server, standby_of
from tests.servers.proxy import Proxy
from tests.servers.redis import redis_server

PORT, TOKEN = 8080, "cluster"
BEHIND = 10
"""How nice a worker is while answers go first."""
ROOT = Path(__file__).parent.parent
SETTINGS = """plugins = "{plugins}"
[server]
host = "{host}"
port = {port}
workers = {workers}
rate_limit = 0
allowed_hosts = ["{host}", "127.0.0.1", "localhost"]
[database]
url = "{database}"
standby = "{database}"
[redis]
url = "{redis}"
[search]
path = "{folder}/index"
snapshots = "{snapshots}"
[audit]
key = "{folder}/audit.key"
archive = "{folder}/archive"
[auth]
mode = "token"
default_role = "viewer"
grants = [
  {{ token = "{token}", role = "operator" }},
  {{ token = "{token}", role = "approver" }},
  {{ token = "{token}", role = "auditor" }},
]
{registries}"""


@dataclass
class Database:
    """PostgreSQL on two ports: a primary, and a standby without which nothing is acknowledged."""

    ports: tuple[int, int]
    listen: tuple[str, ...]
    servers: dict[int, Postgres] = field(default_factory=dict)
    stacks: dict[int, ExitStack] = field(default_factory=dict)
    primary_port: int = 0
    name: str = ""

    def begin(self) -> None:
        """Both servers, and a migrated database."""
        self.primary_port = self.ports[0]
        made = postgres_server(unsafe=False, port=self.primary_port, listen=self.listen)
        self._keep(self.primary_port, made)
        self.name = blank.postgresql(self.primary)
        self.add_standby()

    def url(self, places: str) -> str:
        """The database at these servers."""
        return f"postgresql+psycopg://waypost@{places}/{self.name}"

    @property
    def primary(self) -> Postgres:
        return self.servers[self.primary_port]

    @property
    def standby_port(self) -> int:
        one, other = self.ports
        return other if self.primary_port == one else one

    def add_standby(self) -> None:
        """A standby where the other server was; from here on nothing is acknowledged without it."""
        self._keep(self.standby_port, standby_of(self.primary, port=self.standby_port, listen=self.listen))
        self.primary.wait_for_standby()

    def fail_over(self) -> None:
        """The primary dies, and the standby is promoted."""
        self.primary.server.kill()
        self.stacks.pop(self.primary_port).close()
        self.primary_port = self.standby_port
        self.primary.promote()

    def close(self) -> None:
        for stack in self.stacks.values():
            stack.close()

    def _keep(self, port: int, made: AbstractContextManager[Postgres]) -> None:
        stack = self.stacks[port] = ExitStack()
        self.servers[port] = stack.enter_context(made)


@dataclass
class Gateway:
    """A gateway on its machine. `client` asks it, with the token of an operator."""

    machine: Machine
    config: Path
    environment: dict[str, str]
    client: httpx.Client
    process: Server | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def start(self, *, wait: bool = True) -> None:
        """Serve; without `wait` it may not answer yet."""
        command = self.machine.command(
            [sys.executable, str(self.config.with_name("serve.py")), str(self.config)]
        )
        log = self.machine.path("gateway.log")
        log.touch()
        self.process = self._stack.enter_context(
            server(
                self.machine.name,
                command,
                port=PORT,
                log=log,
                ready=self.is_ready,
                environment=self.environment,
                wait=wait,
            )
        )

    def stop(self) -> None:
        """End it in its own way."""
        self._stack.close()
        self.process = None

    def kill(self) -> None:
        """End every process of it at once."""
        if self.process is not None:
            self.kill_worker()
            self.process.kill()
        self.stop()

    def kill_worker(self) -> None:
        """End its worker at once; the gateway starts another one."""
        for pid in self.workers():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def workers(self) -> list[int]:
        """The process ids of its workers."""
        return workers_of(self.config)

    @contextmanager
    def answering_first(self) -> Iterator[None]:
        """While the block lasts its workers take the processors only when nobody is answered: machines of their own
        have processors of their own, these share those of one. Only where this user may."""
        self._be_nice(BEHIND)
        yield
        self._be_nice(0)

    def _be_nice(self, niceness: int) -> None:
        for pid in self.workers():
            with suppress(OSError):
                os.setpriority(os.PRIO_PGRP, os.getpgid(pid), niceness)  # every thread of it
                Path(f"/proc/{pid}/autogroup").write_text(
                    str(niceness)
                )  # where sessions share, not processes

    def is_back(self) -> bool:
        """Whether it is ready; one that has ended, because it could not start, is started again as systemd would."""
        if self.process is not None and not self.process.running:
            print(f"{self.machine.name} had ended:\n{self.process.log_tail()}", file=sys.stderr)
            self.stop()
            self.start(wait=False)
        return self.is_ready()

    def is_ready(self) -> bool:
        """Whether it says that it can be asked."""
        try:
            return self.client.get("/health/ready", timeout=10.0).is_success
        except httpx.HTTPError:
            return False


@dataclass
class Cluster:
    """All of it. `client` asks through the proxy; `engine` leads to whichever server takes writes."""

    folder: Path
    database: Database
    gateways: list[Gateway]
    engine: Engine
    client: httpx.Client
    token: str
    redis_port: int
    _redis: ExitStack

    def kill_redis(self) -> None:
        """End it at once; nothing happens where it is gone."""
        self._redis.close()

    def start_redis(self) -> None:
        """At the same port as before, empty."""
        self._redis.close()
        listen = self.database.listen
        self._redis.enter_context(redis_server(self.folder / "redis", port=self.redis_port, listen=listen))


@contextmanager
def cluster(folder: Path, *, gateways: int = 3, registries: str = "", workers: int = 1) -> Iterator[Cluster]:
    """Everything, ready, until the block ends. `registries` is TOML; `workers` are the API processes of a gateway."""
    with ExitStack() as stack:
        machines = [
            stack.enter_context(machine(number, folder / f"gateway-{number}")) for number in range(gateways)
        ]
        listen = tuple(dict.fromkeys(["127.0.0.1", *(one.services for one in machines)]))
        one, other, redis_port = (stack.enter_context(reserved_port()) for _ in range(3))
        database = Database((one, other), listen)
        stack.callback(database.close)
        database.begin()
        redis = stack.enter_context(ExitStack())
        engine = open_engine(database.url(f"127.0.0.1:{one},127.0.0.1:{other}"))
        stack.callback(engine.dispose)
        with writing(engine) as connection:
            made = tokens.create(connection, TokenSpec(TOKEN, None, timedelta(days=7), ()), LOCAL)
        token = made[1]
        found: list[Gateway] = []
        proxy = Proxy([(each.address, PORT) for each in machines])
        stack.callback(proxy.close)
        client = stack.enter_context(_client("127.0.0.1", proxy.port, token))
        whole = Cluster(folder, database, found, engine, client, token, redis_port, redis)
        whole.start_redis()
        for each in machines:
            _configure(each, whole, registries, workers)
            config = each.folder / "waypost.toml"
            ours = _client(each.address, PORT, token)
            gateway = Gateway(each, config, _variables(each, folder), stack.enter_context(ours))
            stack.callback(gateway.stop)
            found.append(gateway)
        for gateway in found:
            gateway.start(wait=False)
        for gateway in found:
            assert gateway.process is not None
            gateway.process.wait()
        yield whole


def _key(whole: Cluster) -> Path:
    """The key that signs, which is the same for all of them."""
    key = whole.folder / "audit.key"
    if not key.exists():
        ensure_key(whole.engine, key)
    return key


def _configure(machine: Machine, whole: Cluster, registries: str, workers: int) -> None:
    """Write its files."""
    settings = SETTINGS.format(
        plugins=PLUGINS,
        host=machine.address,
        port=PORT,
        workers=workers,
        database=whole.database.url(",".join(machine.at(port) for port in whole.database.ports)),
        redis=f"redis://{machine.at(whole.redis_port)}/0",
        folder=machine.folder,
        snapshots=whole.folder / "snapshots",
        token=TOKEN,
        registries=registries,
    )
    machine.path("serve.py").write_text(SERVE)
    machine.path("waypost.toml").write_text(settings)
    shutil.copy(_key(whole), machine.path("audit.key"))


def _places(whole: Cluster) -> str:
    return ",".join(f"127.0.0.1:{port}" for port in whole.database.ports)


def _variables(machine: Machine, folder: Path) -> dict[str, str]:
    clock = wrong_clock(machine, folder / "clock")
    return {
        **clock,
        "PYTHONPATH": f"{clock['PYTHONPATH']}:{ROOT}",
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
        "TMPDIR": tempfile.gettempdir(),
    }


def _client(host: str, port: int, token: str) -> httpx.Client:
    return httpx.Client(
        base_url=f"http://{host}:{port}",
        headers={"Authorization": f"Bearer {token}"},
        timeout=60.0,
        trust_env=False,
        verify=False,
    )


def main(arguments: Sequence[str]) -> int:
    """Run it until it is told to stop. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description="a cluster on this machine")
    parser.add_argument("--gateways", type=int, default=3)
    parser.add_argument("--config", type=Path, help="TOML with the registries")
    chosen = parser.parse_args(arguments)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    registries = chosen.config.read_text() if chosen.config else ""
    with tempfile.TemporaryDirectory(prefix="waypost-cluster-") as name:
        with cluster(Path(name), gateways=chosen.gateways, registries=registries) as whole:
            print(f"proxy: {whole.client.base_url}  token: {whole.token}")
            for gateway in whole.gateways:
                print(
                    f"{gateway.machine.name}: http://{gateway.machine.address}:{PORT}  {gateway.machine.folder}"
                )
            print(f"PostgreSQL: {whole.database.url(_places(whole))}", flush=True)
            stopped.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
