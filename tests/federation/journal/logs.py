"""A journal in a database, with its signer, for tests."""

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Engine

from federation.database import writing
from federation.journal.checkpoints import Signer
from federation.journal.entry import Action, Entry
from federation.journal.exporting import whole_export
from federation.journal.log import Batch
from federation.journal.verify import Report, verify_export
from federation.journal.witnesses import Witness
from tests.servers import blank


def new_log(folder: Path, witnesses: Sequence[Witness] = (), name: str = "log") -> Signer:
    """An empty database with its log, and who signs it. Logs of other names have origins of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    url = f"sqlite:///{folder / name}.db"
    if name != "log":
        blank.migrate(url)
    return Signer(blank.opened(url), folder / f"{name}.key", witnesses)


def happen(engine: Engine, count: int = 1, *, ref: str = "fraud/scorer:3", reason: str | None = None) -> None:
    """So many entries, each committed alone."""
    for number in range(count):
        with writing(engine) as connection:
            batch = Batch()
            withheld = batch.withhold({"reason": reason}, subject="ada@example.com")
            entry = Entry(
                action=Action.STAGE_CHANGED,
                ref=ref,
                registry="fraud",
                before={"stage": "none"},
                after={"stage": f"s{number}"},
                commitments=withheld,
            )
            batch.record(entry)
            batch.append(connection)


def sign_all(signer: Signer) -> None:
    """Sign until nothing is left; what signing itself records is signed as well."""
    while signer.sign() is not None:
        pass


def exported(signer: Signer, path: Path) -> Report:
    """The verdict on a whole export of the log."""
    path.write_bytes(b"".join(whole_export(signer.engine)))
    return verify_export(path)
