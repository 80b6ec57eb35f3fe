"""Gateways that append, sign, rotate and seal until they are killed, and what must be true afterwards.

`python -m tests.federation.journal.kills URL FOLDER GATEWAYS KILLS SEED` prints one line for each failure.
Each gateway is a process of its own, forked before anything is open; one is killed at a time and replaced.
"""

import base64
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from federation import schema, tables
from federation.database import DatabaseError, now, open_engine, reading, writing
from federation.journal import checkpoints, log, logkey, sealing, witnesses
from federation.journal.checkpoints import Signer
from federation.journal.entry import Action, Entry
from federation.journal.exporting import whole_export
from federation.journal.log import Batch
from federation.journal.logkey import SigningError
from federation.journal.merkle import frontier_at
from federation.journal.proofs import tile_reader
from federation.journal.tables import checkpoint, seal
from federation.journal.verify import parse_checkpoint, parse_note, verify_export
from federation.journal.witnesses import FolderWitness
from tests.patience import readable

POINTS: tuple[tuple[Any, str], ...] = (
    (log, "_lock_head"),
    (log, "_store_tiles"),
    (log, "_move_head"),
    (logkey, "create_key_file"),
    (logkey, "finish_rotation"),
    (checkpoints, "sign_checkpoint"),
    (checkpoints, "_write_states"),
    (witnesses, "_replace"),
    (sealing, "verify_export"),
    (sealing, "_move"),
)
"""Functions before or after which a gateway is killed."""


def gateway(url: str, folder: Path, out: int, seed: int) -> None:
    """Append, sign, rotate and seal until killed. What is acknowledged is written to `out`, a line each."""
    rng = random.Random(seed)
    if rng.random() < 0.5:
        die_at(rng)
    engine = open_engine(url)
    signer = Signer(engine, folder / "log.key", [FolderWitness("disk", folder / "disk")])
    number = 0
    while True:
        try:
            dice = rng.random()
            if dice < 0.6:
                number += 1
                name = f"{seed}-{number}"
                append(engine, [name] if rng.random() < 0.7 else [f"{name}.{i}" for i in range(40)])
                os.write(out, f"did {name}\n".encode())
            elif dice < 0.96:
                signer.sign()
                with reading(engine) as connection:
                    note = checkpoints.newest_note(connection)
                if note is not None:
                    point = parse_checkpoint(parse_note(note).text)
                    os.write(out, f"signed {point.size} {point.root.hex()}\n".encode())
            elif dice < 0.98:
                logkey.rotate(engine, signer.key)
            else:
                sealing.seal_before(engine, folder / "archive", now() - timedelta(milliseconds=200))
        except (SigningError, sealing.SealingError, DatabaseError):
            time.sleep(0.002)


def append(engine: Any, names: list[str]) -> None:
    with writing(engine) as connection:
        batch = Batch()
        for name in names:
            batch.record(Entry(action=Action.OPERATION_SUCCEEDED, ref=f"r/{name}"))
        batch.append(connection)


def die_at(rng: random.Random) -> None:
    """Be killed before or after one of the named points, at one of its next calls."""
    module, name = rng.choice(POINTS)
    original, late, left = getattr(module, name), rng.random() < 0.5, rng.randrange(1, 6)

    def dying(*given: Any, **named: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0 and not late:
            os.kill(os.getpid(), signal.SIGKILL)
        found = original(*given, **named)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    setattr(module, name, dying)


@dataclass
class Yard:
    """The gateways that run, and everything they acknowledged."""

    url: str
    folder: Path
    rng: random.Random
    running: dict[int, int] = field(default_factory=dict)
    """Process by the reading end of its pipe."""
    told: dict[int, bytes] = field(default_factory=dict)
    acknowledged: list[str] = field(default_factory=list)
    signed: dict[int, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def fork(self) -> None:
        here, there = os.pipe()
        seed = self.rng.getrandbits(40)
        process = os.fork()
        if process == 0:
            try:
                os.close(here)
                gateway(self.url, self.folder, there, seed)
            except BaseException as error:
                os.write(there, f"wrong {type(error).__name__} {error}\n".replace("\n", " ").encode() + b"\n")
            finally:
                os._exit(1)
        os.close(there)
        self.running[here] = process
        self.told[here] = b""

    def kill_one(self) -> None:
        """Wait a random moment, listening; then one gateway ends, if it has not ended itself."""
        end = time.monotonic() + self.rng.uniform(0.02, 0.5)
        while (left := end - time.monotonic()) > 0:
            self.listen(left)
        here = self.rng.choice(sorted(self.running))
        os.kill(self.running[here], signal.SIGKILL)
        self.bury(here)

    def hear_of_one(self) -> None:
        """On a machine so busy that nothing was done between two kills, let the last ones get at it."""
        end = time.monotonic() + 60
        while time.monotonic() < end and not self.acknowledged:
            if any(b"did" in told for told in self.told.values()):
                return
            self.listen(0.2)

    def listen(self, seconds: float) -> None:
        for here in readable(self.running, seconds):
            data = os.read(here, 1 << 16)
            self.told[here] += data
            if not data:
                self.bury(here)

    def bury(self, here: int) -> None:
        while data := os.read(here, 1 << 16):
            self.told[here] += data
        os.waitpid(self.running.pop(here), 0)
        os.close(here)
        for line in self.told.pop(here).decode().splitlines():
            self.hear(line)
        self.fork()

    def hear(self, line: str) -> None:
        kind, _, rest = line.partition(" ")
        if kind == "did":
            self.acknowledged.append(rest)
        elif kind == "signed":
            size, _, root = rest.partition(" ")
            if self.signed.setdefault(int(size), root) != root:
                self.wrong.append(f"two checkpoints of {size} entries with different roots")
        else:
            self.wrong.append(line)

    def end(self) -> None:
        for here, process in self.running.items():
            os.kill(process, signal.SIGKILL)
            while data := os.read(here, 1 << 16):
                self.told[here] += data
            os.waitpid(process, 0)
            os.close(here)
            for line in self.told[here].decode().splitlines():
                self.hear(line)
        self.running.clear()

    def check(self) -> list[str]:
        """What is not as it must be."""
        engine = open_engine(self.url)
        signer = Signer(engine, self.folder / "log.key", [FolderWitness("disk", self.folder / "disk")])
        while signer.sign() is not None:
            pass
        entries = tables.journal.c
        with reading(engine) as connection:
            size = connection.execute(select(tables.head.c.size)).scalar_one()
            sealed = connection.execute(select(func.max(seal.c.size))).scalar() or 0
            seqs = connection.execute(
                select(entries.seq).where(entries.seq >= sealed).order_by(entries.seq)
            ).scalars()
            if list(seqs) != list(range(sealed, size)):
                self.wrong.append("the numbers are not dense")
            refs = Counter(connection.execute(select(entries.ref).where(entries.ref.is_not(None))).scalars())
            for size_then, root in self.signed.items():
                if frontier_at(size_then, tile_reader(connection)).root().hex() != root:
                    self.wrong.append(
                        f"the checkpoint of {size_then} entries that was served is not consistent"
                    )
            if not set(self.signed) <= set(connection.execute(select(checkpoint.c.size)).scalars()):
                self.wrong.append("a checkpoint that was served is not stored")
        archived = self.archived()
        refs.update(archived)
        self.wrong += [f"{ref} is there {count} times" for ref, count in refs.items() if count != 1]
        for name in self.acknowledged:
            if f"r/{name}" not in refs and not all(f"r/{name}.{i}" in refs for i in range(40)):
                self.wrong.append(f"{name} was acknowledged and is not there")
        torn = {ref.rpartition(".")[0] for ref in refs if "." in ref}
        self.wrong += [
            f"{one} is there in part" for one in torn if f"{one}.39" not in refs or f"{one}.0" not in refs
        ]
        path = self.folder / "all.jsonl"
        path.write_bytes(b"".join(whole_export(engine)))
        report = verify_export(path)
        if not report.ok or report.end != size:
            self.wrong.append(f"the export: {report}")
        engine.dispose()
        return self.wrong

    def archived(self) -> list[str]:
        """The references in the archives that the log says it has, each verified."""
        engine = open_engine(self.url)
        with reading(engine) as connection:
            files = list(connection.execute(select(seal.c.file).order_by(seal.c.size)).scalars())
        engine.dispose()
        found = []
        for file in files:
            report = verify_export(Path(file))
            if not report.ok:
                self.wrong.append(f"the archive {file}: {report}")
            for line in map(json.loads, Path(file).read_text().splitlines()):
                if line["type"] == "entry":
                    ref = json.loads(base64.b64decode(line["bytes"])).get("ref")
                    found += [ref] if ref else []
        return found


def kill(url: str, folder: Path, gateways: int, kills: int, seed: int) -> list[str]:
    """So many kills of gateways that share a log; returns what is wrong afterwards."""
    engine = open_engine(url)
    schema.migrate(engine)
    engine.dispose()  # nothing is open when a gateway is forked
    yard = Yard(url, folder, random.Random(seed))
    for _ in range(gateways):
        yard.fork()
    for _ in range(kills):
        yard.kill_one()
    yard.hear_of_one()
    yard.end()
    wrong = yard.check()
    sys.stderr.write(f"{len(yard.acknowledged)} acknowledged, {len(yard.signed)} checkpoints served\n")
    if not yard.acknowledged:
        wrong.append("nothing was acknowledged, so nothing was tried")
    return wrong


def main(arguments: list[str]) -> int:
    url, folder, *numbers = arguments
    wrong = kill(url, Path(folder), *map(int, numbers))
    sys.stdout.write("".join(f"{line}\n" for line in wrong))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
