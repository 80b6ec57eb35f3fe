"""Saved searches keep how they are read

Revision ID: 0020
Revises: 0019

"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema here from the one before. There is no way back but a backup."""
    with op.batch_alter_table("saved_search") as batch:
        batch.add_column(sa.Column("strict", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch.add_column(sa.Column("literal", sa.Text(), server_default="", nullable=False))
