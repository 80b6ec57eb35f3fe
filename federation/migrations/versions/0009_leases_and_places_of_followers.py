"""Leases stand in a table of their own, and so do the places of followers that all workers share

Revision ID: 0009
Revises: 0008

"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

FORMER = ("lease_owner", "lease_epoch", "lease_until", "turn_owner", "turn_epoch", "turn_until")


def upgrade() -> None:
    """No worker runs while this does, so no lease is carried over: whoever starts takes up what was cut off."""
    op.create_table(
        "lease",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("registry_id", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("name", "registry_id"),
    )
    op.create_table(
        "follower",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    for column in FORMER:
        op.drop_column("registry", column)
