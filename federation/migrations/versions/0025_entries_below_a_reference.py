"""The log's entries of a model with its versions are a stretch of an index, whatever the database's collation

Revision ID: 0025
Revises: 0024

"""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema here from the one before. There is no way back but a backup."""
    if op.get_bind().dialect.name == "postgresql":  # SQLite compares bytes as it is
        op.drop_index("journal_by_ref", "journal")
        op.create_index(
            "journal_by_ref", "journal", ["ref", "seq"], postgresql_ops={"ref": "text_pattern_ops"}
        )
