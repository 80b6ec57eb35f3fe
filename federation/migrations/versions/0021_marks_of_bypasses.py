"""Marks of versions that stand where they do because somebody went past a policy; what backends call people;
how far the traffic of a promotion has come

Revision ID: 0021
Revises: 0020

"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema here from the one before. There is no way back but a backup."""
    op.create_table(
        "bypass",
        sa.Column("version_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("policies", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("version_id"),
    )
    op.add_column("promotion", sa.Column("rollout", sa.Text(), nullable=True))
    op.add_column("person", sa.Column("names", sa.JSON(none_as_null=True), nullable=True))
