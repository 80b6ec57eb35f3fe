"""Deliveries that were given up have an index of their own

Revision ID: 0019
Revises: 0018

"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema here from the one before. There is no way back but a backup."""
    dead = sa.text("state = 'dead'")
    op.create_index(
        "delivery_dead",
        "delivery",
        ["subscription_id", "position"],
        unique=False,
        postgresql_where=dead,
        sqlite_where=dead,
    )
