"""An operation may follow another one, as a step of the same plan

Revision ID: 0010
Revises: 0009

"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What was asked for so far was one step each."""
    op.add_column("operation", sa.Column("follows", sa.BigInteger(), nullable=True))
    of_steps = sa.text("follows IS NOT NULL")
    op.create_index(
        "operation_follows", "operation", ["follows"], sqlite_where=of_steps, postgresql_where=of_steps
    )
