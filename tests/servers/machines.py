"""Machines that a test makes out of this one: each with an address, a host name, a clock and a disk of its own, and a
link to the services that can be cut.

Where this user may (root on Linux), a machine is a set of namespaces that live as long as the process that holds them;
nothing of them is left however the test ends. Elsewhere it is an address of the loopback network: its links are cables,
it has this machine's host name, and its disk is this machine's.
"""

import os
import random
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Protocol

from gateway.demo.servers import server
from tests.servers.cable import Cable

DISK = 192
"""Megabytes of a machine's disk."""
CLOCK = "clock"
"""The file in a machine's folder that says by how many seconds its clock is wrong."""
_TRIED = f"wt{os.getpid()}"
"""A link that is made to see whether one can be."""
_TOOLS = ("ip", "unshare", "nsenter", "mount")
_KINDS = {"net": "net", "uts": "uts", "mount": "mnt"}
_SITE = """
import importlib.util, os, sys
from datetime import timedelta

class Clock:
    def find_spec(self, name, path=None, target=None):
        if name != "federation.database":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module
        def exec_module(module):
            load(module)
            now = module.now
            def wrong():
                with open(os.environ["WAYPOST_TEST_CLOCK"]) as file:
                    return now() + timedelta(seconds=float(file.read() or 0))
            module.now = wrong
        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Clock())
"""


class Machine(Protocol):
    """One machine. `folder` is its own, `address` is where others reach it, `services` where it reaches them."""

    name: str
    folder: Path
    address: str
    services: str

    def at(self, port: int) -> str:
        """Where this machine reaches a service of this test, as `HOST:PORT`."""

    def path(self, name: str) -> Path:
        """A file of its folder, as this process reaches it."""

    def command(self, words: Sequence[str]) -> list[str]:
        """What runs a command there."""

    def cut(self) -> None:
        """Have whatever it sends and is sent vanish."""

    def mend(self) -> None:
        """Connect it again."""


@cache
def has_namespaces() -> bool:
    """Whether machines can be namespaces here."""
    return (
        os.geteuid() == 0
        and all(shutil.which(tool) for tool in _TOOLS)
        and _run("unshare", "--net", "--uts", "--mount", "ip", "link", "set", "lo", "up")
        and _run("ip", "link", "add", _TRIED, "type", "veth", "peer", "name", f"{_TRIED}b")
        and _run("ip", "link", "del", _TRIED)
    )


@contextmanager
def machine(number: int, folder: Path) -> Iterator[Machine]:
    """A machine with a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    made = _in_namespaces if has_namespaces() else _on_loopback
    with made(number, folder) as found:
        set_clock(found, 0)
        yield found


def set_clock(machine: Machine, seconds: float) -> None:
    """Have the clock of a machine be wrong by so much, where its programs were given `wrong_clock`."""
    machine.path(CLOCK).write_text(str(seconds))


def wrong_clock(machine: Machine, folder: Path) -> Mapping[str, str]:
    """The variables with which Waypost on a machine reads its clock; `folder` is for the code that does so."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(_SITE)
    return {"PYTHONPATH": str(folder), "WAYPOST_TEST_CLOCK": str(machine.folder / CLOCK)}


@dataclass
class Namespaces:
    """A machine of namespaces, which a process holds."""

    name: str
    folder: Path
    address: str
    services: str
    holder: int
    link: str

    def at(self, port: int) -> str:
        return f"{self.services}:{port}"

    def path(self, name: str) -> Path:
        return Path(f"/proc/{self.holder}/root{self.folder}") / name

    def command(self, words: Sequence[str]) -> list[str]:
        entered = [f"--{kind}=/proc/{self.holder}/ns/{file}" for kind, file in _KINDS.items()]
        return ["nsenter", *entered, f"--wd={self.folder}", *words]

    def cut(self) -> None:
        _run("ip", "link", "set", self.link, "down")

    def mend(self) -> None:
        _run("ip", "link", "set", self.link, "up")


@contextmanager
def _in_namespaces(number: int, folder: Path) -> Iterator[Machine]:
    name, told = f"gateway-{number}", folder.with_suffix(".pid")
    setup = (
        f"hostname {name} && ip link set lo up && mount -t tmpfs -o size={DISK}m waypost {folder} "
        f"&& echo $$ > {told} && exec sleep infinity"
    )
    command = ["unshare", *(f"--{kind}" for kind in _KINDS), "sh", "-c", setup]
    told.unlink(missing_ok=True)
    log = folder.with_suffix(".log")
    with server(name, command, port=0, log=log, ready=lambda: bool(_read(told)), grace=0.1):
        holder = int(_read(told))
        link, services, address = _linked(holder)
        yield Namespaces(name, folder, address, services, holder, link)


def _linked(holder: int) -> tuple[str, str, str]:
    """A link to a namespace, in a network that nobody else has: its name here, and the addresses of both ends."""
    for _ in range(50):
        number = random.SystemRandom().randrange(2**14)
        network = f"198.18.{number // 64}"  # of the networks that are there for tests
        services, address = (f"{network}.{number % 64 * 4 + host}" for host in (1, 2))
        link, inner = f"wp{number}a", f"wp{number}b"
        if not _run("ip", "link", "add", link, "type", "veth", "peer", "name", inner):
            continue
        inside = ("nsenter", f"--net=/proc/{holder}/ns/net")
        done = (
            _run("ip", "link", "set", inner, "netns", str(holder))
            and _run("ip", "addr", "add", f"{services}/30", "dev", link)
            and _run("ip", "link", "set", link, "up")
            and _run(*inside, "ip", "addr", "add", f"{address}/30", "dev", inner)
            and _run(*inside, "ip", "link", "set", inner, "up")
        )
        assert done, "a link between namespaces cannot be made"
        return link, services, address
    raise AssertionError("no network is free")


@dataclass
class Loopback:
    """A machine that is an address of the loopback network."""

    name: str
    folder: Path
    address: str
    services: str = "127.0.0.1"
    cables: dict[int, Cable] = field(default_factory=dict)

    def at(self, port: int) -> str:
        if port not in self.cables:
            self.cables[port] = Cable(port)
        return f"{self.services}:{self.cables[port].port}"

    def path(self, name: str) -> Path:
        return self.folder / name

    def command(self, words: Sequence[str]) -> list[str]:
        return list(words)

    def cut(self) -> None:
        for cable in self.cables.values():
            cable.whole.clear()

    def mend(self) -> None:
        for cable in self.cables.values():
            cable.whole.set()


@contextmanager
def _on_loopback(number: int, folder: Path) -> Iterator[Machine]:
    made = Loopback(f"gateway-{number}", folder, f"127.0.1.{number + 1}")
    try:
        yield made
    finally:
        for cable in made.cables.values():
            cable.close()


def _run(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _read(path: Path) -> str:
    with suppress(OSError):
        return path.read_text().strip()
    return ""
