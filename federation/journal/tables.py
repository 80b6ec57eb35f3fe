"""What stands beside the log: checkpoints, witnesses, seals, and who was erased."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, LargeBinary, Text
from sqlmodel import Field, SQLModel

from federation.database import UTCTime
from federation.tables import table


class CheckpointRow(SQLModel, table=True):
    """A checkpoint that was signed: `note` as it is served, with countersignatures."""

    __tablename__ = "journal_checkpoint"
    size: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    note: bytes = Field(sa_type=LargeBinary)
    time: datetime = Field(sa_type=UTCTime)


class WitnessRow(SQLModel, table=True):
    """A place outside that keeps our checkpoints, and how it stands."""

    __tablename__ = "journal_witness"
    name: str = Field(primary_key=True)
    """As configured: a folder or an address."""
    key: str
    """Its verifier key; empty for a folder."""
    size: int = Field(sa_type=BigInteger)
    """How many entries the newest checkpoint counts that it took."""
    state: str
    """ok, unreachable or ahead."""
    message: str = Field(sa_type=Text)
    time: datetime = Field(sa_type=UTCTime)


class WitnessedRow(SQLModel, table=True):
    """The newest checkpoint of another log that this gateway countersigned."""

    __tablename__ = "journal_witnessed"
    origin: str = Field(primary_key=True)
    size: int = Field(sa_type=BigInteger)
    root: bytes = Field(sa_type=LargeBinary)
    note: bytes = Field(sa_type=LargeBinary)
    time: datetime = Field(sa_type=UTCTime)


class SealRow(SQLModel, table=True):
    """Entries up to number `size` - 1 stand in an archive file instead of in the log."""

    __tablename__ = "journal_seal"
    size: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    first: int = Field(sa_type=BigInteger)
    file: str = Field(sa_type=Text)
    digest: bytes = Field(sa_type=LargeBinary)
    """SHA-256 of the file."""
    time: datetime = Field(sa_type=UTCTime)


class ErasedRow(SQLModel, table=True):
    """A person who was erased, known by a keyed hash only: what a backend says of them again is blanked."""

    __tablename__ = "erased"
    digest: bytes = Field(sa_column=Column(LargeBinary(32), primary_key=True))
    salt: bytes = Field(sa_type=LargeBinary)
    words: int
    """So many words the name has."""
    time: datetime = Field(sa_type=UTCTime)


checkpoint = table(CheckpointRow)
witness = table(WitnessRow)
witnessed = table(WitnessedRow)
seal = table(SealRow)
erased = table(ErasedRow)
