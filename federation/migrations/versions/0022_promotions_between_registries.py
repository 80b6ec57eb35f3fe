"""Promotions that register a version in another registry

Revision ID: 0022
Revises: 0021

"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema here from the one before. There is no way back but a backup."""
    op.add_column("promotion", sa.Column("into_id", sa.BigInteger(), nullable=True))
    op.add_column("promotion", sa.Column("crossing", sa.Text(), nullable=True))
