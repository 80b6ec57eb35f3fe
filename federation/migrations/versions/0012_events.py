"""Events, derived from the journal by a follower

Revision ID: 0012
Revises: 0011

"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What is in the journal already is derived once a gateway runs."""
    op.create_table(
        "event",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("registry_id", sa.BigInteger(), nullable=False),
        sa.Column("model_id", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("position"),
    )
    op.create_index("event_of_registry", "event", ["registry_id", "position"], unique=False)
    op.create_index("event_of_model", "event", ["model_id", "position"], unique=False)
    op.create_index("event_of_type", "event", ["type", "position"], unique=False)
    op.create_index("event_by_time", "event", ["time"], unique=False)
