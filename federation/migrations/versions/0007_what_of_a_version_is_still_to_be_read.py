"""What could not be read of a version's files has a reason, a number of tries and a time of the next one

Revision ID: 0007
Revises: 0006

"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """All that was not read yet is due."""
    op.add_column("version", sa.Column("details_unknown", sa.Text(), nullable=True))
    op.add_column("version", sa.Column("details_tries", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("version", sa.Column("details_due", sa.BigInteger(), nullable=True))
    op.add_column("version", sa.Column("details_begun", sa.Integer(), nullable=False, server_default="0"))
