"""A record is kept with how its adapter read it

Revision ID: 0008
Revises: 0007

"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What is known was read by the first releases."""
    for table in ("model", "version", "endpoint"):
        op.add_column(table, sa.Column("reading", sa.Integer(), nullable=False, server_default="0"))
