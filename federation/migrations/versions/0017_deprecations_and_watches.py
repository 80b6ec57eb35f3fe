"""Models that are to go, and what people watch

Revision ID: 0017
Revises: 0016

"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema here from the one before. There is no way back but a backup."""
    op.create_table(
        "deprecation",
        sa.Column("model_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("registry_id", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.String(), nullable=False),
        sa.Column("replacement", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("said_by", sa.String(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("model_id"),
    )
    op.create_index("deprecation_in", "deprecation", ["registry_id"], unique=False)
    op.create_table(
        "watch",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("principal_id", sa.String(), nullable=False),
        sa.Column("selector", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("watch_of", "watch", ["principal_id"], unique=False)
