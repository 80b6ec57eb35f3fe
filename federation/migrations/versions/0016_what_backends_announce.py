"""What backends announce, and what is to be read because of it

Revision ID: 0016
Revises: 0015

"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing was announced before."""
    op.create_table(
        "hook",
        sa.Column("registry_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("taken", sa.BigInteger(), nullable=False),
        sa.Column("missed", sa.BigInteger(), nullable=False),
        sa.Column("missed_since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("registry_id"),
    )
    op.create_table(
        "mention",
        sa.Column("registry_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("native_id", sa.String(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("registry_id", "kind", "native_id"),
    )
    op.create_index("mention_due", "mention", ["due_at"], unique=False)
    op.create_table(
        "apart",
        sa.Column("registry_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("native_id", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("registry_id", "native_id"),
    )
